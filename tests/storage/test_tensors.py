"""Tensors come back bit for bit; what is damaged is refused."""

from __future__ import annotations

import pickle

import pytest
import torch

from manako.errors import ArtefactError, UsageError
from manako.storage import hash_file
from manako.storage.tensors import load_metadata, load_tensors, save_tensors

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (2, 3, 4, 5)], ids=str)
def test_type_shape_and_values_come_back(path, dtype, shape):
    generator = torch.Generator().manual_seed(1)
    tensor = (torch.rand(shape, generator=generator) * 100).to(dtype)

    save_tensors(path, {"x": tensor})

    loaded = load_tensors(path)["x"]
    assert loaded.dtype == dtype
    assert loaded.shape == shape
    assert loaded.reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8))


def test_not_a_number_and_infinity_keep_their_bits(path):
    bits = torch.tensor([0x7FC00001, 0x7F800000, -0x80000000, 0x00000001], dtype=torch.int32)

    save_tensors(path, {"x": bits.view(torch.float32)})

    assert load_tensors(path)["x"].view(torch.int32).equal(bits)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(0, 1),
        lambda x: x[:, ::2],
        lambda x: x[:1].expand(5, 6),
        lambda x: x.reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        lambda x: x.requires_grad_(),
    ],
)
def test_views_and_layouts_are_written_as_plain_contiguous_values(path, view):
    tensor = view(torch.arange(24.0).reshape(4, 6))

    save_tensors(path, {"x": tensor})

    loaded = load_tensors(path)["x"]
    assert loaded.equal(tensor)
    assert loaded.is_contiguous()
    assert not loaded.requires_grad


def test_tensors_that_share_memory_are_written_each_for_itself(path):
    shared = torch.arange(4.0)

    save_tensors(path, {"head": shared, "tail": shared[2:], "tied": shared})
    loaded = load_tensors(path)
    loaded["head"].zero_()

    assert loaded["tail"].tolist() == [2, 3]
    assert loaded["tied"].tolist() == [0, 1, 2, 3]


def test_what_was_loaded_does_not_change_when_the_file_does(path):
    save_tensors(path, {"x": torch.ones(1000)})
    loaded = load_tensors(path)

    path.write_bytes(b"\0" * path.stat().st_size)

    assert loaded["x"].equal(torch.ones(1000))


def test_metadata_and_order_come_back_sorted(path):
    metadata = {"größe": "3", "a": "", "epoch": "2"}

    save_tensors(path, {"b": torch.ones(1), "a": torch.ones(1)}, metadata=metadata)

    assert list(load_tensors(path)) == ["a", "b"]
    assert load_metadata(path) == metadata


def test_no_tensors_and_no_metadata_are_fine(path):
    save_tensors(path, {})

    assert load_tensors(path) == {}
    assert load_metadata(path) == {}


def test_the_same_content_always_gives_the_same_bytes(path):
    hashes = set()

    for step in (1, -1) * 5:
        names = "abcdefgh"[::step]
        save_tensors(path, {n: torch.ones(3) for n in names}, metadata={n: n for n in names})
        hashes.add(hash_file(path))

    assert len(hashes) == 1


def test_a_file_cut_off_anywhere_is_refused(path):
    save_tensors(path, {"x": torch.ones(5)}, metadata={"a": "b"})
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtefactError, match="is damaged or not a safetensors file"):
            load_tensors(path)
        with pytest.raises(ArtefactError, match="is damaged or not a safetensors file"):
            load_metadata(path)


def test_a_damaged_header_is_refused_or_read_as_another_whole_file(path):
    save_tensors(path, {"x": torch.ones(5)}, metadata={"a": "b"})
    whole = path.read_bytes()
    refused = 0

    for at in range(len(whole) - 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            load_tensors(path)
        except ArtefactError:
            refused += 1

    assert refused > (len(whole) - 20) // 2


def test_a_missing_file_is_an_artefact_error(path):
    with pytest.raises(ArtefactError, match="does not exist"):
        load_tensors(path)


@pytest.mark.parametrize("header_bytes", [0x280, 0x380, 0x480, 0x580])
def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(path, header_bytes):
    for letters in range(header_bytes):
        save_tensors(path, {"x" * letters: torch.ones(1)})
        if int.from_bytes(path.read_bytes()[:8], "little") == header_bytes:
            break

    assert path.read_bytes()[:2] == header_bytes.to_bytes(2, "little")
    assert load_tensors(path) == {"x" * letters: torch.ones(1)}


@pytest.mark.parametrize("write", ["torch", *range(2, 6)])
def test_a_pickle_is_refused_before_anything_of_it_is_opened(path, write):
    if write == "torch":
        torch.save({"x": torch.ones(1)}, path)
    else:
        path.write_bytes(pickle.dumps({"x": 1}, protocol=write))

    with pytest.raises(ArtefactError, match="is a pickle or zip file: opening it could run code"):
        load_tensors(path)


@pytest.mark.parametrize(
    "value", [3.0, None, torch.ones(2, device="meta"), torch.eye(2).to_sparse()]
)
def test_what_is_no_dense_tensor_is_refused_and_nothing_is_written(path, value):
    with pytest.raises(UsageError, match="'x' is not a dense tensor with values"):
        save_tensors(path, {"x": value})

    assert not path.exists()


def test_metadata_that_is_not_text_is_refused(path):
    with pytest.raises(UsageError, match="metadata must be text: 'epoch': 3 is not"):
        save_tensors(path, {}, metadata={"epoch": 3})
