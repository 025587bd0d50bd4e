"""GoogLeNet without its auxiliary heads, and the paper's form against the list of its layers.

With them torchvision's is compared in test_named.py.
"""

import copy

import torch
import torchvision
from torch.nn import functional

from manako.models.backbones.googlenet import googlenet, googlenet_paper
from manako.models.foreign.published import IMAGENET, published
from manako.models.foreign.torchvision import from_torchvision
from networks import (
    CLOSE,
    difference,
    error_of_a_training_step,
    error_of_outputs,
    largest_error,
    pair,
    scrambled,
    without_chance,
)


def test_without_auxiliary_heads_all_is_torchvisions_too():
    networks = pair(
        lambda: googlenet(11, auxiliary=False),
        lambda: torchvision.models.googlenet(num_classes=11, aux_logits=False, init_weights=False),
        from_torchvision,
        torch.randn(2, 3, 75, 117, generator=torch.Generator().manual_seed(1)),
    )

    assert error_of_outputs(networks) < CLOSE
    assert error_of_a_training_step(networks) < CLOSE


def test_pictures_for_the_published_weights_are_normalised_as_torchvisions_network_does():
    file = published("googlenet")
    pictures = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    with torch.device("meta"):
        network = torchvision.models.googlenet(init_weights=False, transform_input=True)

    def normalised(mean, std):
        return (pictures - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    found = normalised(file.mean, file.std)

    torch.testing.assert_close(found, network._transform_input(normalised(*IMAGENET)))


def rectified(x, state, name, **options):
    weight, bias = state[f"{name}.conv.weight"], state[f"{name}.conv.bias"]
    return functional.conv2d(x, weight, bias, **options).relu()


def normed(x):
    return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)


def pooled(x):
    return functional.max_pool2d(x, 3, 2, ceil_mode=True)


def module(x, state, name):
    """Figure 2b, branch by branch."""
    one = rectified(x, state, f"{name}.branch1")
    three = rectified(x, state, f"{name}.branch2.0")
    three = rectified(three, state, f"{name}.branch2.1", padding=1)
    five = rectified(x, state, f"{name}.branch3.0")
    five = rectified(five, state, f"{name}.branch3.1", padding=2)
    pool = functional.max_pool2d(x, 3, 1, padding=1)
    pool = rectified(pool, state, f"{name}.branch4.1")
    return torch.cat([one, three, five, pool], 1)


def auxiliary(x, state, name):
    x = functional.avg_pool2d(x, 5, 3)
    x = rectified(x, state, f"{name}.conv").flatten(1)
    x = functional.linear(x, state[f"{name}.fc1.weight"], state[f"{name}.fc1.bias"]).relu()
    return functional.linear(x, state[f"{name}.fc2.weight"], state[f"{name}.fc2.bias"])


def network_by_the_layer_list(state, images):
    """BVLC's train_val.prototxt, layer by layer, as a function of the weights: three logits."""
    x = rectified(57.0 * images, state, "backbone.conv1", stride=2, padding=3)  # as pixels
    x = normed(pooled(x))
    x = rectified(x, state, "backbone.conv2")
    x = rectified(x, state, "backbone.conv3", padding=1)
    x = pooled(normed(x))
    inner = []
    for name in ("3a", "3b", "pool", "4a", "4b", "4c", "4d", "4e", "pool", "5a", "5b"):
        x = pooled(x) if name == "pool" else module(x, state, f"backbone.inception{name}")
        if name in ("4a", "4d"):
            inner.append(auxiliary(x, state, f"auxiliary.{name}"))
    x = functional.avg_pool2d(x, 7, 1).flatten(1)
    return [functional.linear(x, state["head.weight"], state["head.bias"]), *inner]


def test_the_paper_s_form_equals_the_list_of_its_layers_in_outputs_and_gradients():
    with torch.device("meta"):
        model = googlenet_paper(11)
    model = scrambled(model).train()
    without_chance(model)
    state = {name: copy.deepcopy(one) for name, one in model.named_parameters()}
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)).double()
    ours, others = images.clone().requires_grad_(), images.clone().requires_grad_()

    found = model(ours).learned
    expected = network_by_the_layer_list(state, others)
    for logits in (found, expected):
        sum((x * torch.linspace(-1, 1, 11)).sum() for x in logits).backward()

    for one, other in zip(found, expected, strict=True):
        assert difference(one, other) < CLOSE
    assert difference(ours.grad, others.grad) < CLOSE
    gradients = {name: one.grad for name, one in model.named_parameters()}
    assert largest_error(gradients, {name: one.grad for name, one in state.items()}) < CLOSE
