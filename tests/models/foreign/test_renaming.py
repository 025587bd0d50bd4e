import pytest
import torch

from manako.models.foreign.renaming import Family, join, rename

FAMILIES = (
    Family(mark=r"stem[.]", rules=((r"stem[.]0[.]", "conv1."), (r"stem[.]1[.]", "bn1."))),
    Family(mark=r"features[.]", rules=((r"classifier[.]", "head."), (r"norm[.]", "map_norm."))),
)


def names(*tensors):
    return list(rename({name: torch.zeros(1) for name in tensors}, FAMILIES))


def test_the_first_rule_that_fits_the_beginning_of_a_name_rewrites_it():
    assert names("stem.0.weight", "stem.1.weight", "layer.stem.0.weight") == [
        "backbone.conv1.weight",
        "backbone.bn1.weight",
        "backbone.layer.stem.0.weight",
    ]


def test_head_and_last_norms_stand_beside_the_backbone():
    assert names("features.0.weight", "norm.bias", "classifier.bias") == [
        "backbone.features.0.weight",
        "map_norm.bias",
        "head.bias",
    ]


def test_names_of_no_family_are_left_as_they_are():
    assert names("something.weight") == ["backbone.something.weight"]


def test_what_is_dropped_is_not_there():
    family = Family(mark="a[.]", dropped=r"\Apooler[.]|_index\Z")
    names = ("a.bias", "pooler.bias", "a.pooler.bias", "a.my_index")
    tensors = {name: torch.zeros(1) for name in names}

    assert list(rename(tensors, [family])) == ["backbone.a.bias", "backbone.a.pooler.bias"]


def test_parts_are_joined_in_the_order_of_the_table_wherever_all_of_them_are():
    family = Family("0[.]", rules=((r"0[.]", "first."),), joined=(("qk", ("query", "key")),))
    one, two, lone = torch.ones(1, 2), torch.ones(3, 2) * 2, torch.zeros(1)

    found = rename({"0.key.weight": two, "0.query.weight": one, "0.query.bias": lone}, [family])

    assert found.keys() == {"backbone.first.qk.weight", "backbone.first.query.bias"}
    assert torch.equal(found["backbone.first.qk.weight"], torch.cat([one, two]))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((), ()), ((2,), (2, 1))])
def test_parts_that_do_not_fit_together_stay_apart(shapes):
    tensors = {f"a.{x}.b": torch.zeros(shape) for x, shape in zip("qk", shapes, strict=True)}

    assert join(tensors, "whole", ("q", "k")).keys() == tensors.keys()
