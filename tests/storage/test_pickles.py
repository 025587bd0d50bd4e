"""Files of torch.save, good and evil, each read by a process of its own: a second apiece."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from manako.errors import ArtefactError, ResourceError
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
        "unpickling.limit(300_000_000, 1000)\n"
        "try:\n    socket.socket()\nexcept OSError as error:\n    print(error)\n"
        "try:\n    bytearray(400_000_000)\nexcept MemoryError:\n    print('no memory')\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    with open(sys.argv[2], 'wb') as file: file.write(bytes(2000))\n"
        "except OSError as error:\n    print('no room')\n"
    )

    done = subprocess.run(
        [
            *(sys.executable, "-I", script, str(Path(unpickling.__file__).parent)),
            str(tmp_path / "file"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["no network here", "no memory", "no room"]


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_the_network_that_is_left_cannot_be_reached_where_the_kernel_allows_to_leave(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os, socket; sys.path.insert(0, sys.argv[1])\n"
        "import unpickling\n"
        "before = os.readlink('/proc/self/ns/net')\n"
        "unpickling.leave_network()\n"
        "left = os.readlink('/proc/self/ns/net') != before\n"
        "try:\n    socket.create_connection(('127.0.0.1', int(sys.argv[2]))).close()\n"
        "except OSError:\n    reached = False\n"
        "else:\n    reached = True\n"
        "print(left, reached)\n"
    )

    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-I", script, str(Path(unpickling.__file__).parent)),
                str(server.getsockname()[1]),
            ],
            capture_output=True,
            text=True,
            check=True,
        )

    assert done.stdout.split() in (["True", "False"], ["False", "True"])


def test_an_empty_file_is_refused_with_a_reason(tmp_path):
    (tmp_path / "empty.pth").touch()

    with pytest.raises(ArtefactError, match=r"empty\.pth cannot be read: \w+Error: ."):
        convert_pickle(tmp_path / "empty.pth", tmp_path / "w.safetensors")


def test_a_goal_that_cannot_be_written_is_no_fault_of_the_file(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    (tmp_path / "w.safetensors").mkdir()

    with pytest.raises(ResourceError, match=r"w\.safetensors cannot be written"):
        convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")


def test_the_reader_is_told_nothing_of_the_environment(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    program = tmp_path / "program.py"
    program.write_text("import os; raise SystemExit(' '.join(sorted(os.environ)))")
    monkeypatch.setattr(unpickling, "__file__", str(program))
    monkeypatch.setenv("MY_SECRET", "1")

    with pytest.raises(ArtefactError, match="PATH") as refused:
        convert_pickle(tmp_path / "w.pth", tmp_path / "w.safetensors")

    assert "SECRET" not in str(refused.value)
    assert "HOME" not in str(refused.value)


def test_whole_modules_are_refused(tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")

    with pytest.raises(ArtefactError, match="cannot be read"):
        convert_pickle(tmp_path / "module.pth", tmp_path / "w.safetensors")
