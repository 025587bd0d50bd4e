import sys
from inspect import getattr_static

import pytest
from torch import nn

from manako.models import protocols
from manako.models.protocols import (
    ClassRows,
    DataInitialised,
    FixedSize,
    WholeModel,
    backbone_of,
)
from manako.models.zoo import MODELS
from networks import model_without_values


@pytest.mark.parametrize(
    ("rows", "length", "expected"),
    [(ClassRows(), 7, 7), (ClassRows(4, 1), 84, 20), (ClassRows(4, 1), 85, -1)],
)
def test_rows_are_counted_as_classes(rows, length, expected):
    assert rows.classes(length) == expected


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_whole_and_its_class_rows_are_those_that_depend_on_the_classes(name):
    few, many = (model_without_values(name, count) for count in (3, 8))

    assert isinstance(few, WholeModel)
    differing = {
        key
        for key, tensor in few.state_dict().items()
        if tensor.shape != many.state_dict()[key].shape
    }
    assert differing == set(few.class_rows()) == set(many.class_rows())
    for key, rows in many.class_rows().items():
        assert rows.classes(len(many.state_dict()[key])) == 8


def test_protocols_tell_models_apart():
    quick32, lenet5 = model_without_values("quick32", 2), model_without_values("lenet5", 2)

    assert isinstance(quick32, DataInitialised)
    assert not isinstance(quick32, FixedSize)
    assert isinstance(lenet5, FixedSize)
    assert not isinstance(lenet5, DataInitialised)
    assert not isinstance(nn.Linear(1, 1), WholeModel)


@pytest.mark.parametrize(
    "name", ["resnet18", "vit_tiny_patch4_32", "ssd_resnet18", "unet", "lenet5"]
)
def test_protocols_tell_the_same_on_every_version_of_python(name):
    """From 3.12 on members are looked up without calling anything, as `getattr_static` does."""
    model = model_without_values(name)
    told = [
        one
        for one in vars(protocols).values()
        if isinstance(one, type) and getattr(one, "_is_runtime_protocol", False)
    ]
    assert len(told) > 4
    for protocol in told:
        members = (
            protocol.__protocol_attrs__
            if sys.version_info >= (3, 12)
            else [one for one in dir(protocol) if not one.startswith("_")]
        )
        for part in (model, backbone_of(model)):
            static = all(getattr_static(part, one, None) is not None for one in members)
            assert isinstance(part, protocol) == static, (protocol, part)


def test_a_model_on_a_backbone_says_so():
    assert backbone_of(model_without_values("resnet18")) is not None
    assert backbone_of(nn.Linear(1, 1)) is None
