"""Our ResNets against torchvision's, in float64 and with scrambled weights and statistics."""

import copy

import pytest
import torch
import torchvision

from manako.models.foreign.torchvision import from_torchvision
from manako.models.zoo import MODELS

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2"]
CLASSES = 11


def largest_difference(ours, theirs):
    """max |ours - theirs| / max |theirs|."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


def scrambled(name):
    """torchvision's network with no value at its default: there, mix-ups do not show."""
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(num_classes=CLASSES)
    model = model.double().to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.ndim > 1:
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.fill_(3)
    for block in model.modules():  # keeps the sum of many blocks within float64's comfort
        if isinstance(
            block, torchvision.models.resnet.Bottleneck | torchvision.models.resnet.BasicBlock
        ):
            (block.bn3 if hasattr(block, "bn3") else block.bn2).weight.data.mul_(0.2)
    return model


def ours_with_the_weights_of(theirs, name):
    with torch.device("meta"):
        ours = MODELS[name].build(num_classes=CLASSES, in_channels=3)
    tensors = from_torchvision(copy.deepcopy(theirs.state_dict()))
    ours.load_state_dict(tensors, strict=True, assign=True)
    return ours


def pictures():
    """Odd sizes, so that every stride rounds: 33 x 41, 17 x 21, 9 x 11, 5 x 6, 3 x 3, 2 x 2."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 33, 41, dtype=torch.float64, generator=generator)


def run_theirs(model, images):
    """torchvision's logits and the output of each of its four stages."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    maps = []
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        maps.append(x)
    return model.fc(model.avgpool(x).flatten(1)), maps


@pytest.fixture(scope="module", params=NAMES)
def pair(request):
    theirs = scrambled(request.param)
    return ours_with_the_weights_of(theirs, request.param), theirs


def test_logits_feature_maps_and_input_gradients_equal_torchvisions(pair):
    ours, theirs = (model.eval().requires_grad_(False) for model in pair)
    our_images, their_images = pictures().requires_grad_(), pictures().requires_grad_()
    direction = torch.linspace(-1, 1, 2 * CLASSES, dtype=torch.float64).reshape(2, CLASSES)
    maps = {}
    hook = ours.backbone.register_forward_hook(lambda _, __, features: maps.update(features))

    our_logits = ours(our_images)
    hook.remove()
    their_logits, their_maps = run_theirs(theirs, their_images)
    (our_gradient,) = torch.autograd.grad((our_logits * direction).sum(), our_images)
    (their_gradient,) = torch.autograd.grad((their_logits * direction).sum(), their_images)

    assert list(maps) == [4, 8, 16, 32]
    for found, expected in zip(maps.values(), their_maps, strict=True):
        assert largest_difference(found, expected) < 1e-9
    assert largest_difference(our_logits, their_logits) < 1e-9
    assert largest_difference(our_gradient, their_gradient) < 1e-9


def test_running_statistics_after_a_training_step_equal_torchvisions(pair):
    ours, theirs = (model.train() for model in pair)

    with torch.no_grad():
        ours(pictures())
        theirs(pictures())
    expected = from_torchvision(theirs.state_dict())
    found = ours.state_dict()

    assert found.keys() == expected.keys()
    assert all(largest_difference(found[name], expected[name]) < 1e-9 for name in found)
    assert int(found["backbone.bn1.num_batches_tracked"]) == 4


def test_parameter_gradients_of_a_training_step_equal_torchvisions():
    theirs = scrambled("resnet18")
    ours = ours_with_the_weights_of(theirs, "resnet18").train().requires_grad_()
    targets = torch.tensor([3, 7])

    for model in (ours, theirs.train()):
        torch.nn.functional.cross_entropy(model(pictures()), targets).backward()
    expected = from_torchvision({n: p.grad for n, p in theirs.named_parameters()})

    for parameter_name, parameter in ours.named_parameters():
        assert largest_difference(parameter.grad, expected[parameter_name]) < 1e-9
