import numpy as np
import pytest
import torch

from manako.decoders import segmentation
from manako.decoders.segmentation import decode_maps
from manako.errors import NumericError, ShapeError, UsageError
from manako.structures import Frame


def plain(size_hw):
    return Frame(size_hw, input_hw=size_hw, content_hw=size_hw)


def random_logits(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def resize_by_definition(plane, size_hw):
    """Bilinear, pixel centres at half-integers, edges repeated, in float64."""
    (rows, columns), (height, width) = plane.shape, size_hw

    def taps(length, new_length):
        at = np.clip((np.arange(new_length) + 0.5) * length / new_length - 0.5, 0, length - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, length - 1), at - low

    top, bottom, down = taps(rows, height)
    left, right, across = taps(columns, width)
    upper = plane[top][:, left] * (1 - across) + plane[top][:, right] * across
    lower = plane[bottom][:, left] * (1 - across) + plane[bottom][:, right] * across
    return upper * (1 - down[:, None]) + lower * down[:, None]


@pytest.mark.parametrize("original_hw", [(6, 10), (3, 5), (31, 17)])
def test_a_letterboxed_map_is_cut_out_and_resized_before_the_class_is_chosen(original_hw):
    logits = random_logits(1, 4, 8, 10)
    frame = Frame(original_hw, input_hw=(8, 10), content_hw=(6, 7), offset_yx=(1, 2))

    (found,) = decode_maps(logits, [frame])

    content = logits[0, :, 1:7, 2:9].double().numpy()
    expected = np.stack([resize_by_definition(plane, original_hw) for plane in content]).argmax(0)
    assert found.mask.dtype == torch.uint8
    assert found.mask.tolist() == expected.tolist()


def test_at_its_own_size_the_map_is_the_plain_argmax():
    logits = random_logits(2, 5, 7, 9)

    found = decode_maps(logits, [plain((7, 9))] * 2)

    assert all(
        torch.equal(one.mask.long(), row.argmax(0)) for one, row in zip(found, logits, strict=True)
    )


def test_classes_taken_a_few_at_a_time_give_the_same_map(monkeypatch):
    logits = random_logits(1, 7, 6, 6).round()  # many equal logits
    frame = Frame((9, 8), input_hw=(6, 6), content_hw=(6, 6))
    (whole,) = decode_maps(logits, [frame])

    monkeypatch.setattr(segmentation, "BLOCK_ELEMENTS", 2 * 9 * 8)
    (in_parts,) = decode_maps(logits, [frame])

    assert torch.equal(whole.mask, in_parts.mask)


def test_of_equal_logits_the_lower_class_wins():
    (found,) = decode_maps(torch.zeros(1, 3, 2, 2), [plain((2, 2))])

    assert found.mask.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "frame",
    [
        Frame((8, 8), input_hw=(4, 4), content_hw=(8, 4)),
        Frame((8, 8), input_hw=(4, 4), content_hw=(4, 4), offset_yx=(0, -1)),
        Frame((8, 8), input_hw=(4, 4), content_hw=(3, 3), offset_yx=(2, 0)),
    ],
)
def test_a_cropped_picture_cannot_be_undone(frame):
    with pytest.raises(UsageError, match=r"cropped to the input(.|\n)*'letterbox'"):
        decode_maps(torch.zeros(1, 2, 4, 4), [frame])


def test_what_does_not_fit_is_refused():
    frame = plain((4, 4))

    with pytest.raises(ShapeError, match=r"logits must have shape \(B, K, H, W\)"):
        decode_maps(torch.zeros(2, 4, 4), [frame])
    with pytest.raises(ShapeError, match=r"K from 1 to 255, not \(1, 256, 1, 1\)"):
        decode_maps(torch.zeros(1, 256, 1, 1), [frame])
    with pytest.raises(ShapeError, match=r"logits of \(4, 5\) pixels .* input of \(4, 4\)"):
        decode_maps(torch.zeros(1, 2, 4, 5), [frame])
    with pytest.raises(ShapeError, match="1 pictures came with 2 frames"):
        decode_maps(torch.zeros(1, 2, 4, 4), [frame, frame])
    with pytest.raises(NumericError, match="logits are not all finite"):
        decode_maps(torch.full((1, 2, 4, 4), torch.nan), [frame])
