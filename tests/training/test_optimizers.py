import pytest
import torch
from torch import nn

from manako.config.settings import Settings
from manako.errors import ArtefactError
from manako.training.optimizers import (
    create_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def settings(optimizer):
    return Settings(
        data="d",
        task="classification",
        model="lenet5",
        size_hw=(4, 4),
        batch=8,
        steps=10,
        validate_every=5,
        lr=0.1,
        optimizer=optimizer,
        weight_decay=0.5,
    )


def steps(model, optimizer, count):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        loss = model(torch.randn(5, 3, 4, 4, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_biases_and_norms_do_not_decay_and_everything_is_optimized_once(kind):
    model = network()

    optimizer = create_optimizer(model, settings(kind))

    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert {name: decays[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.5,
        "0.bias": 0,
        "1.weight": 0,
        "1.bias": 0,
        "3.weight": 0.5,
        "3.bias": 0,
    }
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 6


def test_frozen_parameters_are_left_out():
    model = network()
    model[0].requires_grad_(False)

    optimizer = create_optimizer(model, settings("sgd"))

    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_restored_optimizer_goes_on_with_the_same_bits(kind):
    first = network()
    optimizer = create_optimizer(first, settings(kind))
    steps(first, optimizer, 3)
    second = network()
    second.load_state_dict(first.state_dict())
    restored = create_optimizer(second, settings(kind))

    tensors = {k: v.clone() for k, v in optimizer_tensors(first, optimizer).items()}
    restore_optimizer(second, restored, tensors)
    steps(first, optimizer, 2)
    steps(second, restored, 2)

    for mine, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_state_of_another_network_is_refused():
    model = network()
    optimizer = create_optimizer(model, settings("sgd"))

    with pytest.raises(ArtefactError, match=r"an entry for '9\.weight'"):
        restore_optimizer(model, optimizer, {"9.weight/momentum_buffer": torch.zeros(1)})


def test_the_learning_rate_reaches_every_group():
    optimizer = create_optimizer(network(), settings("sgd"))

    set_learning_rate(optimizer, 0.025)

    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.025]
