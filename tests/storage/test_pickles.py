"""Files of torch.save, good and evil, each read by a process of its own: a second apiece."""

import os
import pickle

import pytest
import torch
from torch import nn

from manako.errors import ArtefactError
from manako.storage import pickles, unpickling
from manako.storage.pickles import convert_pickle
from manako.storage.tensors import load_tensors


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_tensors_come_out_as_they_were_also_where_they_share_memory(tmp_path):
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    state = {"a": weight, "b": weight, "c.t": weight.T, "n": torch.tensor(3), "h": weight.half()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "w.pth")

    convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")

    found = load_tensors(tmp_path / "w.safetensors")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"a": torch.ones(1), "b": Evil(str(tmp_path / "made"))}, tmp_path / "evil.pth")

    with pytest.raises(ArtefactError, match=r"evil\.pth cannot be read: UnpicklingError"):
        convert_pickle(tmp_path / "evil.pth", tmp_path / "w.safetensors")

    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "w.safetensors").exists()


def test_plain_pickles_and_damaged_files_are_refused(tmp_path):
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(str(tmp_path / "made"))))
    torch.save({"a": torch.ones(1000)}, tmp_path / "whole.pth")
    half = (tmp_path / "whole.pth").read_bytes()[:2000]
    (tmp_path / "half.pth").write_bytes(half)

    for name in ("plain.pth", "half.pth"):
        with pytest.raises(ArtefactError, match="cannot be read"):
            convert_pickle(tmp_path / name, tmp_path / "w.safetensors")
    assert not (tmp_path / "made").exists()


def test_what_holds_no_named_tensors_is_refused_with_what_it_holds(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "list.pth")

    with pytest.raises(ArtefactError, match="it holds a list, not named tensors"):
        convert_pickle(tmp_path / "list.pth", tmp_path / "w.safetensors")


def test_a_reader_that_dies_or_takes_too_long_is_said(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    program = tmp_path / "program.py"
    monkeypatch.setattr(unpickling, "__file__", str(program))

    program.write_text("raise SystemExit('no memory')")
    with pytest.raises(ArtefactError, match=r"w\.pth cannot be read: no memory"):
        convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")
    program.write_text("import time; time.sleep(20)")
    monkeypatch.setattr(pickles, "SECONDS", 0.3)
    with pytest.raises(ArtefactError, match=r"reading it took more than 0\.3 s"):
        convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")


def test_the_reader_has_no_network_and_limited_memory(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, socket; sys.path.insert(0, sys.argv[1])\n"
        "import unpickling\n"
        "unpickling.limit(300_000_000)\n"
        "try:\n    socket.socket()\nexcept OSError as error:\n    print(error)\n"
        "try:\n    bytearray(400_000_000)\nexcept MemoryError:\n    print('no memory')\n"
    )
    import subprocess
    import sys
    from pathlib import Path

    done = subprocess.run(
        [sys.executable, "-I", script, str(Path(unpickling.__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["no network here", "no memory"]


def test_whole_modules_are_refused(tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")

    with pytest.raises(ArtefactError, match="cannot be read"):
        convert_pickle(tmp_path / "module.pth", tmp_path / "w.safetensors")
