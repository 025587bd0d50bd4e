import json

import pytest

from manako.cli.main import run


def facts_of(name, capsys):
    assert run(["info", name, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_gives_cost_receptive_field_sizes_and_licences(capsys):
    facts = facts_of("wide_resnet50_2", capsys)

    assert facts["parameters"] == 68_883_240
    assert round(facts["multiply_adds"] / 1e9, 3) == 11.398
    assert facts["receptive_field_pixels"] == 427
    assert facts["least_side_pixels"] == 32
    assert facts["paper"] == "Wide Residual Networks (2016)"
    assert facts["arxiv"] == "1605.07146"
    assert facts["weights"] == ["recognizer", "torchvision"]
    assert facts["licences"].keys() == {"recognizer", "torchvision"}


def test_every_fact_of_the_json_stands_in_the_table(capsys):
    facts = facts_of("wrn_16_4", capsys)
    assert run(["info", "wrn_16_4"]) == 0
    table = capsys.readouterr().out

    for fact in facts.keys() - {"licences", "published"}:
        assert fact.replace("_", " ") in table
    assert "licence of recognizer" in table
    assert "dropout=0.0" in table
    assert f"{facts['parameters']:,}" in table


def test_public_files_are_listed_with_their_terms(capsys):
    public = facts_of("resnet50", capsys)["published"]
    assert run(["info", "resnet50"]) == 0
    table = capsys.readouterr().out

    assert [one["label"] for one in public] == ["IMAGENET1K_V2", "IMAGENET1K_V1"]
    assert "manako fetch resnet50 --label IMAGENET1K_V1" in table
    assert "ImageNet, whose terms" in table


@pytest.mark.parametrize("name", ["wrn_28_11", "wide_resnet50"])
def test_an_unknown_model_offers_near_ones(name, capsys):
    assert run(["info", name]) == 2

    assert f"no model '{name}'; did you mean 'w" in capsys.readouterr().err
