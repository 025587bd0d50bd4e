import pytest
from torch import nn

from manako.models.protocols import ClassRows, DataInitialised, FixedSize, WholeModel
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
