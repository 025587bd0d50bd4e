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

    for fact in facts.keys() - {"licences", "published", "layers"}:
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


def test_layers_are_told_apart_as_deep_as_asked(capsys):
    names = {}
    for depth in (0, 1, 2):
        assert run(["info", "resnet18", "--depth", str(depth), "--json"]) == 0
        names[depth] = [one["name"] for one in json.loads(capsys.readouterr().out)["layers"]]
    assert names[1] == ["backbone", "dropout", "head"]
    assert names[2][:2] == ["backbone.conv1", "backbone.bn1"]
    assert "backbone.layer4" in names[2]
    assert "backbone.layer4.1.conv2" in names[0]


def test_another_size_and_other_channels_and_classes_are_counted(capsys):
    options = ["--imgsz", "64x96", "--channels", "1", "--classes", "5", "--json"]
    assert run(["info", "resnet18", *options]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert facts["input"] == [1, 64, 96]
    assert facts["parameters"] == 11_689_512 - 64 * 2 * 49 - 995 * 513
    assert facts["layers"][0]["output"] == [64, 32, 48]


def test_an_option_of_the_model_is_counted(capsys):
    assert run(["info", "vit_b_16", "--imgsz", "384", "--model-option", "size=384", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 86_859_496


def test_the_table_has_a_line_for_each_layer_and_says_what_sees_all(capsys):
    assert run(["info", "efficientnet_b0", "--depth", "3"]) == 0
    table = capsys.readouterr().out
    line = next(line for line in table.splitlines() if line.startswith("backbone.features.7"))
    assert line.split()[-2:] == ["32", "all"]
    assert "320x7x7" in line


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_layers_are_drawn(suffix, tmp_path, capsys):
    path = tmp_path / f"layers.{suffix}"
    assert run(["info", "resnet20", "--plot", str(path), "--json"]) == 0
    assert path.stat().st_size > 5000
    if suffix == "svg":
        drawn = path.read_text()
        assert "backbone.layer3" in drawn
        assert "multiply-adds" in drawn
        assert run(["info", "resnet20", "--plot", str(path), "--json"]) == 0
        assert path.read_text() == drawn


def test_a_picture_of_another_kind_is_refused(tmp_path, capsys):
    assert run(["info", "resnet20", "--plot", str(tmp_path / "new" / "layers.png")]) == 0
    assert (tmp_path / "new" / "layers.png").stat().st_size > 10_000
    assert run(["info", "resnet20", "--plot", str(tmp_path / "layers.txt")]) == 2
    assert "layers.txt is no picture" in capsys.readouterr().err


def test_a_network_for_signals_or_volumes_is_counted_with_its_own_windows(capsys):
    def first_of(*arguments):
        assert run(["info", "resnet18", "--channels", "1", *arguments, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        return facts["input"], facts["layers"][0]["output"], facts["layers"][0]["params"]

    assert first_of("--dims", "1", "--imgsz", "8000") == ([1, 8000], [64, 4000], 7 * 64)
    assert first_of("--dims", "3", "--imgsz", "64") == ([1, 64, 64, 64], [64, 32, 32, 32], 343 * 64)
    assert first_of("--dims", "3", "--imgsz", "32x64x64")[1] == [64, 16, 32, 32]
    assert run(["info", "vit_b_16", "--dims", "1"]) == 2
    assert "vit_b_16 is not known for 1 dim" in capsys.readouterr().err


def test_facts_are_those_of_the_network_with_its_options(capsys):
    def facts_with(name, *options):
        arguments = [part for one in options for part in ("--model-option", one)]
        assert run(["info", name, *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    deep = facts_with("resnet18", "depth_factor=2")
    assert deep["receptive_field_pixels"] == max(
        layer["receptive_field"] or 0 for layer in deep["layers"]
    )
    assert deep["receptive_field_pixels"] > 435
    assert deep["options"]["depth_factor"] == 2
    assert facts_with("vit_b_16", "patch=8")["least_side_pixels"] == 8
    small = facts_with("lenet5", "size=32")
    assert (small["input"], small["options"]["size"]) == ([1, 32, 32], 32)
