import io
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from manako.data.check.copies import find_copies
from manako.data.check.pictures import see
from manako.data.dataset import Item
from planted import coded_anew, encoded, smooth


class MemoryTree:
    """As much of a tree of files as the doctor reads."""

    def __init__(self, files):
        self.files = files

    def read(self, path):
        return self.files[path]


def found_in(*contents):
    tree = MemoryTree({str(number): data for number, data in enumerate(contents)})
    items = [Item(name, None) for name in tree.files]
    return find_copies(tree, items, [see(tree, item) for item in items])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    quality=st.integers(30, 95),
    scale=st.floats(0.5, 2.0),
    size_hw=st.tuples(st.integers(96, 300), st.integers(96, 300)),
)
def test_a_picture_coded_and_scaled_anew_is_found(seed, quality, scale, size_hw):
    picture = smooth(seed, size_hw)

    found = found_in(
        encoded(smooth(seed + 1, size_hw)), encoded(picture), coded_anew(picture, quality, scale)
    )

    assert found.groups == ((1, 2),)
    assert found.complete


def changed(draw):
    picture = smooth(3, (120, 160))
    draw(picture)
    return encoded(picture)


@pytest.mark.parametrize(
    "other",
    [
        encoded(ImageOps.mirror(smooth(3, (120, 160)))),
        encoded(smooth(3, (120, 160)).convert("L")),
        encoded(smooth(3, (120, 160)).crop((20, 10, 150, 110))),
        encoded(smooth(3, (120, 160)).point(lambda level: min(level + 12, 255))),
        changed(lambda one: ImageDraw.Draw(one).ellipse((70, 50, 75, 55), (255, 255, 255))),
    ],
    ids=["mirrored", "without colour", "cut", "brighter", "with a ball"],
)
def test_a_picture_changed_on_purpose_is_no_copy(other):
    assert found_in(encoded(smooth(3, (120, 160))), other).groups == ()


def test_what_looks_alike_but_is_no_copy_is_told_as_such():
    moved = changed(lambda one: ImageDraw.Draw(one).ellipse((70, 50, 75, 55), (255, 255, 255)))

    found = found_in(encoded(smooth(3, (120, 160))), moved)

    assert (found.groups, found.alike) == ((), ((0, 1),))


def test_pictures_of_one_colour_are_the_same_only_if_their_pixels_are():
    grey, nearly = Image.new("L", (40, 40), 128), Image.new("L", (40, 40), 129)
    wider = Image.new("L", (50, 40), 128)

    found = found_in(encoded(grey), encoded(nearly), encoded(wider), encoded(grey.convert("RGB")))

    assert (found.groups, found.alike) == (((0, 3),), ())


def test_faint_pictures_of_different_things_are_not_copies():
    random = np.random.default_rng(0)
    faint = [
        encoded(Image.fromarray((120 + random.normal(0, 3, (64, 64)).clip(-9, 9)).astype(np.uint8)))
        for _ in range(20)
    ]

    found = found_in(*faint)

    assert (found.groups, found.alike) == ((), ())


def test_copies_of_copies_make_one_group():
    picture = smooth(8)

    found = found_in(
        encoded(picture),
        encoded(smooth(9)),
        coded_anew(picture, 80),
        coded_anew(picture, 50, 0.5),
        encoded(picture),
    )

    assert found.groups == ((0, 2, 3, 4),)


def test_pictures_that_cannot_be_decoded_are_passed_over():
    picture = encoded(smooth(8))

    found = found_in(b"no picture", picture, picture[:200], picture)

    assert found.groups == ((1, 3),)


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_nothing_to_compare_in_less_than_two_pictures(count):
    assert found_in(*[encoded(smooth(1))] * count).groups == ()


def test_handwritten_digits_are_all_different(shared_data):

    with tarfile.open(shared_data("mnist.tar.gz")) as archive:
        ones = []
        for member in archive:
            if "/test/1/" in member.name and member.isfile():
                ones.append(archive.extractfile(member).read())
            if len(ones) == 1000:
                break

    found = found_in(*ones)

    assert found.groups == ()
    assert len(ones) == 1000


def test_frames_of_a_standing_car_are_alike_but_not_the_same(shared_data):

    names = [f"0001TP_{number:06d}.jpg" for number in range(9240, 9420, 30)]
    with tarfile.open(shared_data("camvid.tar")) as archive:
        frames = [archive.extractfile(f"camvid/images/test/{name}").read() for name in names]
    again = coded_anew(Image.open(io.BytesIO(frames[3]), formats=["JPEG"]), 40, 0.7)

    found = found_in(*frames, again)

    assert found.groups == ((3, len(frames)),)
    assert len(found.alike) >= 3


def test_a_leak_in_the_pet_pictures_is_found(shared_data):

    names = ["test/Bombay/Bombay_150", "train/Bombay/Bombay_136", "train/Bombay/Bombay_134"]
    with tarfile.open(shared_data("oxford_pets_subset.tar")) as archive:
        known = set(archive.getnames())
        paths = [f"oxford_pets_subset/{name}.jpg" for name in names]
        data = [archive.extractfile(path).read() for path in paths if path in known]

    found = found_in(*data)

    assert found.groups == ((0, 1),)
