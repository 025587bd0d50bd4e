import pytest
import torch
from torch import nn

from manako.errors import UsageError
from manako.models.zoo import create_model, list_models
from manako.training.freezing import (
    begin_learning,
    freeze_stages,
    frozen_stages,
    needs_pairs,
    rate_factors,
)
from manako.training.optimizers import create_optimizer, set_learning_rate
from manako.training.schedule import learning_rate
from small_run import small_network, small_settings


def learning(model):
    return [name for name, one in model.named_parameters() if one.requires_grad]


def test_stages_are_frozen_from_the_input_on():
    model = small_network()

    freeze_stages(model, 1)

    assert learning(model) == ["1.weight", "1.bias", "5.weight", "5.bias"]


def test_of_a_frozen_backbone_only_the_head_learns():
    model = small_network()

    freeze_stages(model, "backbone")

    assert learning(model) == ["5.weight", "5.bias"]


@pytest.mark.parametrize("freeze", [3, 9])
def test_more_stages_than_there_are_below_the_head_cannot_be_frozen(freeze):
    with pytest.raises(
        UsageError, match=rf"{freeze} stages cannot be frozen: the network has 3(.|\n)*--freeze 2"
    ):
        freeze_stages(small_network(), freeze)


def test_a_network_without_stages_is_refused_only_where_they_are_needed():
    plain = nn.Sequential(nn.Linear(2, 2))

    assert frozen_stages(plain, 0) == ()
    assert rate_factors(plain, 1.0) == {"0.weight": 1.0, "0.bias": 1.0}
    with pytest.raises(UsageError, match="Sequential does not say what its stages are"):
        freeze_stages(plain, 1)
    with pytest.raises(UsageError, match="does not say what its stages are"):
        rate_factors(plain, 0.5)


def test_norms_of_frozen_stages_are_in_the_mode_of_use():
    model = small_network()

    begin_learning(model, small_settings(freeze=1))
    assert model.training
    assert model[1].training
    assert needs_pairs(model)

    begin_learning(model, small_settings(freeze=2))
    assert not model[1].training
    assert model[4].training  # dropout that is in no frozen stage still draws
    assert not needs_pairs(model)

    begin_learning(model, small_settings(norm_statistics="frozen"))
    assert not model[1].training
    assert model[4].training

    begin_learning(model, small_settings())
    assert model[1].training


def test_a_frozen_stage_with_dropout_computes_what_it_computes_in_use():
    model = create_model("wrn_16_4", num_classes=3, dropout=0.5)
    images = torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)
    with torch.no_grad():
        in_use = model.eval().backbone(images)
        begin_learning(model, small_settings(freeze="backbone"))
        in_training = model.backbone(images)

    assert model.training
    torch.testing.assert_close(in_training, in_use, rtol=0, atol=0)


def test_frozen_norms_leave_dropout_drawing():
    model = create_model("wrn_16_4", num_classes=3, dropout=0.5)

    begin_learning(model, small_settings(norm_statistics="frozen"))

    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.Dropout):
            assert layer.training == isinstance(layer, nn.Dropout)
    assert any(isinstance(layer, nn.Dropout) for layer in model.modules())


def test_the_rate_falls_by_the_factor_from_stage_to_stage():
    model = small_network()
    settings = small_settings(stage_lr_factor=0.1, lr=2.0)

    optimizer = create_optimizer(model, settings)
    names = {id(one): name for name, one in model.named_parameters()}

    def rates():
        return {
            names[id(one)]: group["lr"]
            for group in optimizer.param_groups
            for one in group["params"]
        }

    assert rates() == pytest.approx(
        {"5.weight": 2, "5.bias": 2, "1.weight": 0.2, "1.bias": 0.2, "0.weight": 0.02,
         "0.bias": 0.02}
    )  # fmt: skip
    for step in (0, 6, 11):
        rate = learning_rate(settings, step)
        set_learning_rate(optimizer, rate)
        assert rates()["5.weight"] == rate
        assert rates()["0.bias"] == pytest.approx(rate / 100)
    decays = {
        names[id(one)]: group["weight_decay"]
        for group in optimizer.param_groups for one in group["params"]
    }  # fmt: skip
    assert [name for name, decay in decays.items() if decay] == ["5.weight", "0.weight"]


def test_biases_and_shifts_of_norms_have_a_factor_of_their_own():
    model = small_network()
    settings = small_settings(stage_lr_factor=0.5, bias_lr_factor=8.0, lr=1.0)

    optimizer = create_optimizer(model, settings)

    names = {id(one): name for name, one in model.named_parameters()}
    rates = {
        names[id(one)]: (group["lr"], group.get("weight_decay") == 0)
        for group in optimizer.param_groups
        for one in group["params"]
    }
    assert rates == {
        "5.weight": (1, False), "5.bias": (8, True),
        "1.weight": (0.5, True), "1.bias": (4, True),
        "0.weight": (0.25, False), "0.bias": (2, True),
    }  # fmt: skip


def test_a_step_moves_each_stage_by_its_factor():
    moved = {}
    for factor in (1.0, 0.25):
        model = small_network().eval()
        settings = small_settings(stage_lr_factor=factor, momentum=0.0, weight_decay=0.0)
        optimizer = create_optimizer(model, settings)
        before = [one.detach().clone() for one in model.parameters()]
        model(torch.ones(2, 1, 8, 8)).square().sum().backward()
        optimizer.step()
        moved[factor] = [
            after.detach() - then for after, then in zip(model.parameters(), before, strict=True)
        ]

    for whole, part, factor in zip(
        moved[1.0], moved[0.25], (1 / 16, 1 / 16, 1 / 4, 1 / 4, 1, 1), strict=True
    ):
        torch.testing.assert_close(part, whole * factor, rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("name", list_models())
def test_every_model_has_a_factor_for_every_parameter_and_can_keep_its_backbone(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=3)
    stages = model.stages()

    factors = rate_factors(model, 0.5)
    freeze_stages(model, "backbone")

    assert set(factors) == {key for key, _ in model.named_parameters()}
    assert max(factors.values()) == 1
    assert min(factors.values()) >= 0.5 ** (len(stages) - 1)
    head = learning(model)
    assert head
    assert all(factors[key] == 1 for key in head)
