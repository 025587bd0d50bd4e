import torch

from manako.models.foreign.renaming import Family, rename

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


def test_tensors_that_are_not_learned_are_dropped():
    families = [Family("", dropped=("index", "mask"))]

    found = rename({name: torch.zeros(1) for name in ("a.index", "a.mask", "index.a")}, families)

    assert list(found) == ["backbone.index.a"]


def test_parts_are_joined_in_the_order_of_the_table_and_then_renamed():
    family = Family("", rules=((r"a[.]qk[.]", "both."),), joined=((".q.", ".k."), ".qk."))
    tensors = {"a.k.bias": torch.full((1,), 2.0), "a.q.bias": torch.ones(2)}

    found = rename(tensors, [family])

    assert list(found) == ["backbone.both.bias"]
    assert found["backbone.both.bias"].tolist() == [1, 1, 2]


def test_parts_of_which_one_is_missing_stay_as_they_are():
    families = [Family("", joined=((".q.", ".k."), ".qk."))]

    assert list(rename({"a.q.bias": torch.ones(2)}, families)) == ["backbone.a.q.bias"]


def test_names_of_no_family_are_left_as_they_are():
    assert names("something.weight") == ["backbone.something.weight"]
