"""Data sets of signals and volumes, in each layout that holds them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manako.data.files import open_tree
from manako.data.formats import read_dataset
from manako.data.signals.addresses import files_at
from manako.data.signals.look import look_at_signals
from manako.data.signals.reading import SignalReader, signal_at
from manako.errors import DataError
from manako.runs.inputs import find_inputs

TS = """@problemName Walks
@classLabel true up down
@data
1,2,3:4,5,6:up
7,8:9,10:down
"""


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def png(level, size=(4, 3)):
    stream = io.BytesIO()
    Image.new("L", size, level).save(stream, "PNG")
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_class_folders_of_tables(tmp_path):
    for split in ("train", "test"):
        for name in ("walk", "run"):
            write(tmp_path / split / name / "1.csv", f"time_s,x\n0,{len(name)}\n0.5,1\n")
    write(tmp_path / "README.md", "no signal")
    dataset = read_dataset(tmp_path)
    assert dataset.holds == "signals"
    assert dataset.classes == ("run", "walk")
    assert dataset.described().endswith("2 classes, train 2 · test 2 signals")
    assert dataset.notes == ("files that are not signals are left out: 1 .md",)
    look = look_at_signals(dataset)
    assert (look.kind, look.channels, look.rate_hz, look.size) == ("series", 1, 2.0, (2,))


def test_pictures_come_before_signals(tmp_path):
    write(tmp_path / "cat" / "1.png", png(1))
    write(tmp_path / "dog" / "1.png", png(2))
    write(tmp_path / "dog" / "1.csv", "1,2\n")
    dataset = read_dataset(tmp_path)
    assert dataset.holds == "pictures"
    assert dataset.notes == ("files that are not pictures are left out: 1 .csv",)


def test_uea_files_with_their_splits(tmp_path):
    write(tmp_path / "Walks_TRAIN.ts", TS)
    write(tmp_path / "Walks_TEST.ts", TS.replace("up down", "down up"))
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("down", "up")
    assert [(item.image, item.truth.label) for item in dataset.split("train")] == [
        ("Walks_TRAIN.ts#0", 1),
        ("Walks_TRAIN.ts#1", 0),
    ]
    read = SignalReader(open_tree(tmp_path)).read("Walks_TEST.ts#1").values
    assert read.tolist() == [[7, 8], [9, 10]]
    with pytest.raises(DataError, match=r"Walks_TEST\.ts#2: there is no series 2"):
        SignalReader(open_tree(tmp_path)).read("Walks_TEST.ts#2")
    before = dataset.fingerprint()
    write(tmp_path / "Walks_TEST.ts", TS.replace("7,8", "7,80"))
    assert read_dataset(tmp_path).fingerprint() != before


def test_uea_files_that_do_not_belong_together_are_refused(tmp_path):
    write(tmp_path / "Walks_TRAIN.ts", TS)
    write(tmp_path / "Walks_TEST.ts", TS.replace("up", "left"))
    with pytest.raises(DataError, match="the parts of Walks name other classes"):
        read_dataset(tmp_path)
    write(tmp_path / "Walks_TEST.ts", "@classLabel false\n@data\n1,2,3\n")
    with pytest.raises(DataError, match=r"Walks_TEST\.ts names no classes"):
        read_dataset(tmp_path)
    write(tmp_path / "Runs_TRAIN.ts", TS)
    with pytest.raises(DataError, match="several sets of series: Runs, Walks"):
        read_dataset(tmp_path)
    (tmp_path / "Runs_TRAIN.ts").unlink()
    write(tmp_path / "old" / "Walks_TRAIN.ts", TS)
    with pytest.raises(DataError, match="several sets of series: Walks, old/Walks"):
        read_dataset(tmp_path)


def test_a_video_named_like_a_part_does_not_hide_class_folders(tmp_path):
    write(tmp_path / "walk" / "first_test.ts", b"G@\x00\x10")
    for name in ("walk", "run"):
        write(tmp_path / name / "1.npy", npy(np.zeros(3)))
    assert read_dataset(tmp_path).classes == ("run", "walk")


def test_a_picture_beside_sounds_does_not_hide_them(tmp_path):
    write(tmp_path / "logo.png", png(1))
    write(tmp_path / "walk" / "chart.png", png(1))
    for name in ("walk", "run"):
        for number in range(2):
            write(tmp_path / name / f"{number}.npy", npy(np.zeros(3)))
    dataset = read_dataset(tmp_path)
    assert dataset.holds == "signals"
    assert dataset.notes == ("files that are not signals are left out: 2 .png",)


def test_a_picture_with_the_name_of_a_series_is_itself(tmp_path):
    write(tmp_path / "cat" / "clip.ts#12.png", png(1))
    write(tmp_path / "dog" / "clip.ts#12", png(2))
    write(tmp_path / "dog" / "1.png", png(3))
    tree = open_tree(tmp_path)
    assert files_at("cat/clip.ts#12.png", tree) == ("cat/clip.ts#12.png",)
    assert files_at("dog/clip.ts#12", tree) == ("dog/clip.ts#12",)
    assert read_dataset(tmp_path).fingerprint()
    assert find_inputs([tmp_path / "cat" / "clip.ts#12.png"])


def test_a_table_may_name_sounds_or_folders_of_slices(tmp_path):
    for scan, levels in (("a", (1, 2, 10)), ("b", (3, 4, 5))):
        for number, level in zip((1, 2, 10), levels, strict=True):
            write(tmp_path / "scans" / scan / f"slice{number}.png", png(level))
    write(tmp_path / "scans.csv", "path,label\nscans/a,ill\nscans/b,well\n")
    dataset = read_dataset(tmp_path / "scans.csv")
    assert dataset.holds == "signals"
    assert [item.image for item in dataset.split("all")] == ["scans/a/", "scans/b/"]
    assert read_dataset(tmp_path).notes == ()
    write(tmp_path / "scans" / "c.npy", npy(np.zeros(3)))
    note = "1 signals are in no line and left out: scans/c.npy"
    assert read_dataset(tmp_path).notes == (note,)
    volume = SignalReader(dataset.files).read("scans/a/").values
    assert volume.shape == (1, 3, 3, 4)
    assert volume[0, :, 0, 0].tolist() == [1, 2, 10]  # by their numbers, not their letters
    write(tmp_path / "scans" / "b" / "slice3.png", png(1, size=(5, 3)))
    with pytest.raises(DataError, match=r"slice3\.png is 3x5 pixels"):
        SignalReader(open_tree(tmp_path)).read("scans/b/")


def test_slices_keep_all_their_levels_and_folders_below_are_others(tmp_path):
    deep = np.array([[0, 1, 4095], [300, 40000, 65535]], np.uint16)
    for number in range(2):
        stream = io.BytesIO()
        Image.fromarray(deep + np.uint16(number) * (deep < 300)).save(stream, "PNG")
        write(tmp_path / "ct" / f"{number}.png", stream.getvalue())
        write(tmp_path / "ct" / "below" / f"{number}.png", png(7))
    found = SignalReader(open_tree(tmp_path)).read("ct/").values[0]
    assert found[0].tolist() == deep.tolist()
    assert found[1, 0].tolist() == [1, 2, 4095]
    np.testing.assert_array_equal(signal_at(tmp_path / "ct").values[0], found)


def test_a_table_of_pictures_and_signals_is_refused(tmp_path):
    write(tmp_path / "1.png", png(1))
    write(tmp_path / "2.npy", npy(np.zeros(3)))
    write(tmp_path / "all.csv", "path,label\n1.png,a\n2.npy,b\n")
    with pytest.raises(DataError, match=r"all\.csv:3 names 2\.npy, and the lines before it"):
        read_dataset(tmp_path / "all.csv")


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((2, 9)), "signals of 1 and 2 channels: train/a/1.npy, train/b/1.npy"),
        (np.zeros((3, 4, 5)), "signals of 1 and 3 dimensions: train/a/1.npy, train/b/1.npy"),
    ],
)
def test_signals_of_several_kinds_are_refused(odd, message, tmp_path):
    write(tmp_path / "train" / "a" / "1.npy", npy(np.zeros(9)))
    write(tmp_path / "train" / "b" / "1.npy", npy(odd))
    with pytest.raises(DataError, match=message):
        look_at_signals(read_dataset(tmp_path))


def test_a_path_leads_to_a_series_a_file_or_a_volume(tmp_path, monkeypatch):
    write(tmp_path / "Walks_TEST.ts", TS)
    write(tmp_path / "a.npy", npy(np.arange(3)))
    for number, level in enumerate((5, 6)):
        write(tmp_path / "scan" / f"{number}.png", png(level))
    assert signal_at(tmp_path / "Walks_TEST.ts#1").values.tolist() == [[7, 8], [9, 10]]
    assert signal_at(tmp_path / "a.npy").values.tolist() == [[0, 1, 2]]
    assert signal_at(tmp_path / "scan").values[0, :, 0, 0].tolist() == [5, 6]
    monkeypatch.chdir(tmp_path / "scan")
    assert signal_at(Path()).values.shape == (1, 2, 3, 4)
    with pytest.raises(DataError, match=r"Walks_TEST\.ts holds 2 series"):
        signal_at(tmp_path / "Walks_TEST.ts")
    with pytest.raises(DataError, match=r"Walks_TEST\.ts#2: there is no series 2"):
        signal_at(tmp_path / "Walks_TEST.ts#2")
    with pytest.raises(DataError, match=r"cannot read .*none\.npy: No such file"):
        signal_at(tmp_path / "none.npy")
    write(tmp_path / "Walks_TEST.ts", TS.replace("7,8", "70,8"))
    assert signal_at(tmp_path / "Walks_TEST.ts#1").values[0, 0] == 70
