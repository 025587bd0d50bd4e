from __future__ import annotations

import shutil

import numpy as np
from PIL import Image

import shapes
from manako.data.opened import read_for_training
from manako.data.selection import Selection
from manako.runs.doctor import checked
from manako.runs.findings import findings


def of(data):
    return findings(checked(read_for_training(data, Selection()), workers=0))


def test_a_set_without_faults_is_said_to_be_one(tmp_path):
    data = shapes.class_folders(tmp_path / "data", {"train": 8, "val": 4, "test": 4}, side=64)

    assert of(data) == ("every picture was checked, and no fault was found",)


def test_findings_are_lines_with_examples(tmp_path):
    data = shapes.class_folders(tmp_path / "data", {"train": 8, "val": 4, "test": 4}, side=64)
    shutil.copy(data / "train" / "red" / "001.png", data / "test" / "red" / "copy.png")
    for number in range(3):
        blank = np.full((64, 64, 3), 10 * number, dtype=np.uint8)
        Image.fromarray(blank).save(data / "train" / "blue" / f"blank-{number}.png")

    first, *others = of(data)

    assert first == "1 picture in more than one split: test/red/copy.png = train/red/001.png"
    assert any(
        one.startswith("3 pictures of a single colour: train/blue/blank-0.png")
        and one.endswith("and 1 more")
        for one in others
    )
