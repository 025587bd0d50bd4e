import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from manako.data.check.pictures import MaskFacts, see
from manako.data.dataset import Item, MaskFile
from manako.structures import BoxTargets
from planted import encoded, smooth, upside_down


class MemoryTree:
    """As much of a tree of files as the doctor reads."""

    def __init__(self, **files):
        self.files = files

    def read(self, path):
        return self.files[path]


def seen(data, name="a.png", truth=None, size_hw=None, **files):
    return see(MemoryTree(**{name: data}, **files), Item(name, truth, size_hw=size_hw))


def odd(data, name="a.png", truth=None):
    found = seen(data, name, truth)
    assert not found.error
    return dict(found.oddities)


def test_a_sound_picture_has_no_oddities_and_is_described():
    found = seen(encoded(smooth(0, (40, 60))))

    assert (found.error, found.oddities, found.size_hw) == ("", (), (40, 60))
    assert len(found.digest) == 16
    small = np.frombuffer(found.small, np.uint8).reshape(16, 16, 3)
    assert abs(small.mean() - np.asarray(smooth(0, (40, 60))).mean()) < 2


GREY_16 = Image.fromarray(np.arange(40 * 40, dtype=np.uint16).reshape(40, 40) * 40)


@pytest.mark.parametrize(
    ("data", "name", "kind", "what"),
    [
        (encoded(smooth(1)), "a.jpg", "ending", "its content is PNG"),
        (encoded(smooth(1), "JPEG"), "a.png", "ending", "its content is JPEG"),
        (encoded(GREY_16), "a.png", "deep", "mode I;16"),
        (encoded(GREY_16, "TIFF"), "a.tif", "deep", "mode I;16"),
        (encoded(smooth(1).convert("CMYK"), "JPEG"), "a.jpg", "cmyk", "CMYK"),
        (encoded(smooth(1).convert("RGBA")), "a.png", "transparent", "mode RGBA"),
        (encoded(smooth(1).convert("LA")), "a.png", "transparent", "mode LA"),
        (upside_down(smooth(1)), "a.jpeg", "turned", "turned by 180°"),
        (encoded(smooth(1, (15, 40))), "a.png", "tiny", "40 x 15"),
        (encoded(Image.new("L", (5000, 4001), 3).point(range(256))), "a.png", "huge", None),
        (encoded(Image.new("RGB", (40, 30), (1, 2, 3))), "a.png", "blank", ""),
    ],
)
def test_each_oddity_is_told_once(data, name, kind, what):
    found = odd(data, name)

    if what is not None:
        assert found == {kind: what}
    else:
        assert found.keys() == {kind, "blank"}


@pytest.mark.parametrize(("kind", "name"), [("GIF", "a.gif"), ("WEBP", "a.webp"), ("PNG", "a.png")])
def test_an_animation_is_told_with_its_frames(kind, name):
    frames = [smooth(seed, (40, 50)) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)

    assert odd(data, name)["animated"] == "3 frames"


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.jpe"])
def test_all_endings_of_a_format_are_right(name):
    assert odd(encoded(smooth(1), "JPEG"), name) == {}


def test_grey_and_colour_files_of_equal_pixels_are_the_same():
    grey = smooth(3).convert("L")

    assert seen(encoded(grey)).digest == seen(encoded(grey.convert("RGB"), "BMP")).digest


def test_equal_bytes_of_other_sizes_are_not_the_same():
    wide, tall = Image.new("L", (20, 30), 9), Image.new("L", (30, 20), 9)

    assert seen(encoded(wide)).digest != seen(encoded(tall)).digest


@given(data=st.binary(max_size=200), name=st.sampled_from(["a.png", "a.jpg", "a.gif"]))
def test_any_bytes_are_a_picture_or_an_error_that_names_the_file(data, name):
    found = seen(data, name)

    assert found.digest or found.error.startswith(name)


WHOLE = {
    kind: encoded(smooth(4, (24, 24)), kind)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
}


@given(kind=st.sampled_from(sorted(WHOLE)), place=st.floats(0, 1, exclude_max=True), data=st.data())
def test_a_damaged_file_is_a_picture_or_an_error_that_names_it(kind, place, data):
    whole = bytearray(WHOLE[kind])
    whole[int(place * len(whole))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))

    for content in (bytes(whole), bytes(whole[:cut])):
        found = seen(content, "a.bin")
        assert found.digest or found.error.startswith("a.bin")


def test_a_size_that_contradicts_the_annotation_is_an_error():
    found = seen(encoded(smooth(0, (40, 60))), size_hw=(60, 40))

    assert found.error == "a.png is 60 x 40 pixels, but its annotation says 40 x 60"


def test_boxes_are_looked_at():
    corners = [[0, 0, 10, 10], [5, 5, 5, 9], [50, 30, 61, 40], [1, 1, 3.5, 30], [9, 9, 20, 20]]
    boxes = BoxTargets(
        torch.tensor(corners, dtype=torch.float32), torch.zeros(5, dtype=torch.int64)
    )

    found = odd(encoded(smooth(0, (40, 60))), truth=boxes)

    assert found == {
        "box_empty": "1 of 5 boxes",
        "box_outside": "1 of 5 boxes",
        "box_tiny": "1 of 5 boxes",
    }


def test_a_picture_without_boxes_is_told():
    none = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))

    assert odd(encoded(smooth(0)), truth=none) == {"boxless": ""}


def test_a_mask_is_counted(mask):
    values = [[0, 0, 7, 255], [0, 0, 7, 255]]
    files = {"m.png": mask(values)}

    found = seen(encoded(smooth(0, (2, 4))), truth=MaskFile("m.png", {0: 0, 7: 1}), **files)

    assert found.mask == MaskFacts((0, 1), 0.25)


def test_a_damaged_mask_is_an_error_that_names_it(mask):
    files = {"m.png": mask([[0, 1], [0, 1]])[:40]}

    found = seen(encoded(smooth(0, (2, 2))), truth=MaskFile("m.png"), **files)

    assert found.error.startswith("m.png is")
