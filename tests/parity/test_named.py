"""Every network that another library has, too, against that library's, in float64.

Their random state dict, the statistics of norms scrambled, goes through a file into ours, by
`weights="LIBRARY:PATH"`; then logits, feature maps, gradients with respect to the pictures, and
after a step of training the gradients of all weights and the running statistics must agree.
"""

from __future__ import annotations

import functools
import math

import pytest
import torch

from manako.models.foreign.libraries import LIBRARIES
from manako.models.zoo import MODELS
from networks import (
    CLOSE,
    difference,
    error_of_a_training_step,
    error_of_outputs,
    largest_error,
    names_in_files,
    outputs,
    pair,
    pair_by_file,
)
from references import Case, cases, reference

LARGE = 400_000_000  # parameters; a file of such a network in float64, and both, fill a computer


@pytest.fixture(scope="module", params=cases(), ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def both(case, tmp_path_factory):
    known = reference(case)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, case.channels, *known.size_hw, generator=generator)
    counts = {"num_classes": case.classes, "in_channels": case.channels}
    more = {"maps": known.maps, "to_ours": known.to_ours, "with_values": known.with_values}
    in_files = names_in_files if (case.library, case.name[:4]) == ("transformers", "swin") else dict

    def convert(tensors):
        return LIBRARIES[case.library].renamed(in_files(tensors))

    ours = functools.partial(MODELS[case.name].build, **counts, **known.options)
    if MODELS[case.name].params > LARGE:
        return pair(ours, known.build, convert, images, **more)
    path = tmp_path_factory.mktemp("weights") / f"{case}.safetensors"
    by_file = {"path": path, "library": case.library, "in_files": in_files}
    networks = pair_by_file(ours, known.build, convert, images, **by_file, **more)
    path.unlink()
    return networks


def test_all_parameters_are_there(both):
    ours, theirs = (
        sum(one.numel() for one in model.parameters()) for model in (both.ours, both.theirs)
    )

    assert ours == theirs


def test_logits_feature_maps_and_input_gradients_are_equal(case, both, parity):
    error = error_of_outputs(both)

    parity(case, error)
    assert error < CLOSE


def test_gradients_and_running_statistics_after_a_training_step_are_equal(case, both, parity):
    error = error_of_a_training_step(both)

    parity(case, error)
    assert error < CLOSE


def test_a_case_can_tell_networks_apart():
    """The harness itself: filters that are off by a millionth are seen."""
    known = reference(Case("resnet18", "torchvision"))
    networks = pair(
        lambda: MODELS["resnet18"].build(num_classes=11, in_channels=3),
        known.build,
        LIBRARIES["torchvision"].renamed,
        torch.randn(2, 3, 33, 41, generator=torch.Generator().manual_seed(1)),
    )
    with torch.no_grad():
        networks.ours.backbone.layer3[0].conv1.weight.add_(1e-6)

    ours, theirs = outputs(networks)

    assert difference(ours[0], theirs[0]) > CLOSE


def test_a_gradient_that_is_no_number_is_noticed():
    fine, broken = {"a": torch.ones(2)}, {"a": torch.tensor([1.0, math.nan])}

    for one, other in ((fine, broken), (broken, fine), (broken, broken)):
        with pytest.raises(AssertionError):
            largest_error(one, other)
