import os
import pickle
import warnings
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from PIL import Image

from manako.data import decoded
from manako.data.dataset import Item, MaskFile, load_sample
from manako.data.decoded import DecodedSplit, DecodingSource, decoded_split
from manako.data.files import open_tree
from manako.errors import DataError, ResourceError
from manako.storage.caches import Cache
from manako.structures import BoxTargets, ClassTarget, MaskTarget

SIZES_HW = [(5, 7), (1, 2), (8, 3), (5, 7), (20, 30)]
PLENTY = 10**6


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MANAKO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Five pictures of different sizes, and a mask of each with the values 0, 7 and 255."""
    made, generator = tmp_path / "data", np.random.default_rng(0)
    made.mkdir()
    for index, (height, width) in enumerate(SIZES_HW):
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(made / f"{index}.png")
        classes = generator.choice([0, 7, 255], (height, width)).astype(np.uint8)
        Image.fromarray(classes).save(made / f"{index}-mask.png")
    return made


def items_of(kind):
    truths = {
        "classes": lambda index: ClassTarget(index),
        "boxes": lambda index: BoxTargets(
            torch.ones(index, 4), torch.arange(index), torch.arange(index) > 1
        ),
        "masks": lambda index: MaskFile(f"{index}-mask.png", {0: 0, 7: 1}),
        "nothing": lambda index: None,
    }
    return tuple(Item(f"{index}.png", truths[kind](index)) for index in range(5))


def assert_same(ours, theirs):
    assert ours.name == theirs.name
    assert torch.equal(ours.image, theirs.image)
    assert type(ours.target) is type(theirs.target)
    if isinstance(ours.target, MaskTarget):
        assert torch.equal(ours.target.mask, theirs.target.mask)
    else:
        assert ours.target is theirs.target


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["classes", "boxes", "masks", "nothing"])
@pytest.mark.parametrize("limit_bytes", [0, PLENTY])
def test_samples_are_what_load_sample_gives(folder, kind, channels, limit_bytes):
    files, items = open_tree(folder), items_of(kind)

    source = decoded_split(files, items, channels, limit_bytes=limit_bytes, workers=2)

    assert isinstance(source, DecodedSplit if limit_bytes else DecodingSource)
    assert len(source) == 5
    for index in (4, 0, 3, 1, 2, -1):
        assert_same(source[index], load_sample(files, items[index], channels))
    with pytest.raises(IndexError):
        source[5]


def test_the_second_time_nothing_is_decoded(folder, monkeypatch):
    files, items = open_tree(folder), items_of("masks")
    first = decoded_split(files, items, 3, limit_bytes=PLENTY)
    monkeypatch.setattr(decoded, "load_sample", None)

    second = decoded_split(files, items, 3, limit_bytes=PLENTY)

    assert second.folder == first.folder
    assert_same(second[4], first[4])


def test_two_sets_of_the_same_names_sizes_and_times_are_not_taken_for_each_other(tmp_path):
    sources = []
    for colour in ("red", "blue"):
        (tmp_path / colour).mkdir()
        path = tmp_path / colour / "0.bmp"
        Image.new("RGB", (4, 4), colour).save(path)
        os.utime(path, ns=(0, 0))
        tree = open_tree(tmp_path / colour)
        sources.append(decoded_split(tree, (Item("0.bmp", None),), 3, limit_bytes=PLENTY))

    assert [one[0].image[:, 0, 0].tolist() for one in sources] == [[255, 0, 0], [0, 0, 255]]


def test_another_picture_mask_value_size_or_channel_count_is_another_entry(folder):
    files, items = open_tree(folder), items_of("masks")
    first = decoded_split(files, items, 3, limit_bytes=PLENTY)

    def folder_of(items=items, channels=3):
        tree = open_tree(folder)
        return decoded_split(tree, items, channels, limit_bytes=PLENTY).folder

    others = [
        folder_of(channels=1),
        folder_of(items[1:]),
        folder_of((items[1], items[0], *items[2:])),
        folder_of(tuple(replace(one, truth=MaskFile(one.truth.path)) for one in items)),
        folder_of(tuple(replace(i, size_hw=s) for i, s in zip(items, SIZES_HW, strict=True))),
    ]
    Image.new("RGB", (7, 5), "red").save(folder / "0.png")
    others.append(folder_of())

    assert len({first.folder, *others}) == 7
    changed = decoded_split(open_tree(folder), items, 3, limit_bytes=PLENTY)
    assert changed[0].image[:, 0, 0].tolist() == [255, 0, 0]


def test_a_sample_may_be_changed_without_changing_the_cache(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of arrays that cannot be written to
        source = decoded_split(open_tree(folder), items_of("masks"), 3, limit_bytes=PLENTY)
        before = source[0]
        source[0].image.zero_()
        source[0].target.mask.zero_()

    assert_same(source[0], before)
    assert before.image.any()


def test_sources_can_be_sent_to_another_process(folder):
    files, items = open_tree(folder), items_of("masks")

    for limit_bytes in (0, PLENTY):
        source = decoded_split(files, items, 3, limit_bytes=limit_bytes)
        expected = source[4]
        sent = pickle.dumps(source)
        assert len(sent) < 5000  # nothing of the memory maps
        assert_same(pickle.loads(sent)[4], expected)  # noqa: S301


@pytest.mark.parametrize("limit_bytes", [0, PLENTY])
def test_boxes_travel_by_value_and_take_no_open_files(folder, limit_bytes):
    source = decoded_split(open_tree(folder), items_of("boxes"), 3, limit_bytes=limit_bytes)

    sent = bytes(ForkingPickler.dumps(source))

    assert b"torch" not in sent
    for ours, theirs in zip(ForkingPickler.loads(sent).items, source.items, strict=True):
        assert (ours.image, ours.group, ours.size_hw) == (
            theirs.image,
            theirs.group,
            theirs.size_hw,
        )
        assert torch.equal(ours.truth.boxes_xyxy, theirs.truth.boxes_xyxy)
        assert torch.equal(ours.truth.labels, theirs.truth.labels)
        assert torch.equal(ours.truth.ignored, theirs.truth.ignored)


def decoded_bytes(channels, masks):
    return sum(height * width for height, width in SIZES_HW) * (channels + masks)


@pytest.mark.parametrize("kind", ["classes", "masks"])
def test_the_limit_counts_every_byte_of_pictures_and_masks(folder, kind):
    files, items = open_tree(folder), items_of(kind)
    limit = decoded_bytes(3, kind == "masks")

    too_large = decoded_split(files, items, 3, limit_bytes=limit - 1)
    fits = decoded_split(files, items, 3, limit_bytes=limit)

    assert isinstance(too_large, DecodingSource)
    assert isinstance(fits, DecodedSplit)


def test_what_does_not_fit_leaves_nothing_behind(folder):
    files, items = open_tree(folder), items_of("classes")

    decoded_split(files, items, 3, limit_bytes=decoded_bytes(3, masks=False) - 1)

    assert Cache("decoded").entries() == []
    assert list(Cache("decoded").root.iterdir()) == []


def test_what_clearly_does_not_fit_is_not_even_tried(folder, monkeypatch):
    files, items = open_tree(folder), items_of("classes")
    monkeypatch.setattr(decoded, "load_sample", None)

    source = decoded_split(files, items, 3, limit_bytes=100)

    assert isinstance(source, DecodingSource)
    assert not Cache("decoded").root.exists()


def test_many_portions_keep_their_order_and_tell_how_far_they_are(folder, monkeypatch):
    monkeypatch.setattr(decoded, "CHUNK_BYTES", 1)
    files, items = open_tree(folder), items_of("classes") * 7
    told = []

    source = decoded_split(files, items, 3, limit_bytes=PLENTY, workers=3, on_progress=told.append)

    assert told == [1] * 35
    for index in range(35):
        assert_same(source[index], load_sample(files, items[index], 3))


@pytest.mark.parametrize("limit_bytes", [0, PLENTY])
def test_a_damaged_picture_is_named(folder, limit_bytes):
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    files, items = open_tree(folder), items_of("classes")

    with pytest.raises(DataError, match=r"3\.png"):
        decoded_split(files, items, 3, limit_bytes=limit_bytes)[3]


def test_a_disk_that_refuses_only_costs_speed(folder, monkeypatch, capsys):
    def full(self, key, write, *, hashed):
        raise ResourceError("the disk is full")

    monkeypatch.setattr(Cache, "create", full)

    source = decoded_split(open_tree(folder), items_of("classes"), 3, limit_bytes=PLENTY)

    assert isinstance(source, DecodingSource)
    assert "warning: decoded pictures cannot be kept, so training is slower: the disk is full" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["places.npy", "pictures"])
def test_a_cache_that_was_cleared_meanwhile_is_reported(folder, name):
    source = decoded_split(open_tree(folder), items_of("classes"), 3, limit_bytes=PLENTY)
    (source.folder / name).unlink()

    with pytest.raises(ResourceError, match="were removed while they were needed"):
        source[0]


def test_a_split_without_pictures_is_empty(folder):
    assert len(decoded_split(open_tree(folder), (), 3, limit_bytes=PLENTY)) == 0
