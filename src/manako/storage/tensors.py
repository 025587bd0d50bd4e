"""Named tensors in a file that holds nothing but numbers: safetensors.

Format: https://github.com/huggingface/safetensors. The same tensors and metadata give the same
bytes; the library alone writes its metadata in random order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from manako.errors import ArtefactError, UsageError
from manako.storage.files import write_bytes_atomic

ALIGNMENT_BYTES = 8
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files written by `torch.save` and `pickle` begin."""


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors of any strided type, shape and device; the file is whole or as it was before.

    Tensors that share memory are written each for itself. Errors: UsageError for what is no such
    tensor or for metadata that is not text, ResourceError where the disk refuses.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> save_tensors(path, {"bias": torch.ones(2)}, metadata={"epoch": "3"})
    >>> load_tensors(path), load_metadata(path)
    ({'bias': tensor([1., 1.])}, {'epoch': '3'})
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_meta:
            raise UsageError(f"{name!r} is not a dense tensor with values, so it cannot be saved")
    metadata = dict(sorted((metadata or {}).items()))
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise UsageError(f"metadata must be text: {key!r}: {value!r} is not")
    plain = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    write_bytes_atomic(path, _with_metadata(safetensors.torch.save(plain), metadata))


def load_tensors(path: Path, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """The tensors of a file, by sorted name, as copies: the file may be replaced afterwards.

    Errors: ArtefactError for a file that is missing, cut off, damaged or of another format.
    """
    loaded = _parse(path, _read(path))
    return {name: loaded[name].to(device) for name in sorted(loaded)}


def load_metadata(path: Path) -> dict[str, str]:
    """The text that `save_tensors` put beside the tensors. Errors: as for `load_tensors`."""
    data = _read(path)
    _parse(path, data)  # refuses a damaged header
    header, _ = _split(data)
    return dict(json.loads(header).get("__metadata__", {}))


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    header, values = _split(data)
    entries = {"__metadata__": metadata} | json.loads(header)
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    return b"".join([len(text).to_bytes(8, "little"), text, values])


def _split(data: bytes) -> tuple[bytes, memoryview]:
    """Header and values; the first 8 bytes are the length of the header."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], memoryview(data)[end:]


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist", expected="a safetensors file") from None
    # The length of a header may begin with the same bytes, so what follows it counts, too.
    if data.startswith(PICKLE_STARTS) and data[8:9] != b"{":
        raise ArtefactError(
            f"{path} is a pickle or zip file: opening it could run code",
            expected="a safetensors file",
            fix="save the weights as safetensors where you trust their origin",
        )
    return data


def _parse(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtefactError(
            f"{path} is damaged or not a safetensors file: {error}",
            expected="a whole safetensors file",
            fix="copy it anew from where it came from",
        ) from error
