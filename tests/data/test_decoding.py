"""Several threads fill one file, and every picture is where `places.npy` says."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.data.decoding import TooLarge, write_decoded
from manako.errors import DataError
from manako.structures import MaskTarget, Sample

COUNT = 9


def sample(index):
    """Number `index`: 3 x (index + 1) pixels of its number, with a mask where it is odd."""
    image = torch.full((3, 3, index + 1), index, dtype=torch.uint8)
    mask = MaskTarget(torch.full((3, index + 1), 100 + index, dtype=torch.uint8))
    return Sample(image, mask if index % 2 else None, str(index))


def late_first(index):
    """As `sample`, the first ones last."""
    time.sleep(0.002 * (COUNT - index))
    return sample(index)


BYTES = sum(3 * (index + 1) * (3 + index % 2) for index in range(COUNT))


def portions_of(size):
    return [range(start, min(start + size, COUNT)) for start in range(0, COUNT, size)]


def write(into, load=sample, size=2, threads=3, limit_bytes=BYTES):
    told = []
    write_decoded(
        into,
        load,
        portions_of(size),
        threads=threads,
        limit_bytes=limit_bytes,
        on_progress=told.append,
    )
    return told


@given(st.integers(1, COUNT), st.integers(1, 4), st.sampled_from([sample, late_first]))
def test_every_picture_and_mask_lies_at_its_place(tmp_path_factory, size, threads, load):
    into = tmp_path_factory.mktemp("decoded")

    told = write(into, load, size, threads)

    assert told == [len(portion) for portion in portions_of(size)]
    pictures = np.fromfile(into / "pictures", np.uint8)
    masks = np.fromfile(into / "masks", np.uint8)
    places = np.load(into / "places.npy")
    assert places[:, 1:].tolist() == [[3, index + 1] for index in range(COUNT)]
    taken = sorted((start, start + height * width) for start, height, width in places)
    assert [start for start, _ in taken] == [0, *(end for _, end in taken[:-1])]
    assert pictures.size == 3 * taken[-1][1]
    for index, (start, height, width) in enumerate(places):
        end = start + height * width
        assert (pictures[3 * start : 3 * end] == index).all()
        if index % 2:
            assert (masks[start:end] == 100 + index).all()


def test_one_byte_less_than_all_is_too_little(tmp_path):
    with pytest.raises(TooLarge):
        write(tmp_path, limit_bytes=BYTES - 1)

    assert not (tmp_path / "places.npy").exists()


@pytest.mark.parametrize("threads", [1, 4])
def test_of_several_damaged_pictures_the_first_is_named(tmp_path, threads):
    def damaged(index):
        if index in (2, 7):
            time.sleep(0.05 if index == 2 else 0)
            raise DataError(f"{index} is damaged", fix="mend it")
        return sample(index)

    with pytest.raises(DataError, match="2 is damaged"):
        write(tmp_path, damaged, size=1, threads=threads)


def test_what_is_left_is_not_decoded_after_a_failure(tmp_path):
    seen = []

    def damaged(index):
        seen.append(index)
        if index == 0:
            raise DataError("0 is damaged", fix="mend it")
        time.sleep(0.05)
        return sample(index)

    with pytest.raises(DataError, match="0 is damaged"):
        write(tmp_path, damaged, size=1, threads=2)

    assert len(seen) < COUNT


def test_a_disk_that_refuses_is_an_oserror_as_of_any_writer(tmp_path):
    (tmp_path / "pictures").mkdir()

    with pytest.raises(IsADirectoryError):
        write(tmp_path)
