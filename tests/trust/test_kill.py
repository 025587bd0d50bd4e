"""A run that is killed with SIGKILL, twice, ends like one that was left alone."""

import subprocess
import sys
import time

import pytest

import shapes


def command(verb, *arguments):
    return [sys.executable, "-m", "manako", verb, *map(str, arguments), "--quiet"]


def begin(data, out):
    options = (
        "--model quick32 --model-option width=8 --batch 8 --steps 24 --validate-every 8 "
        "--threads 1 --precision float32 --average 0.9 --save-seconds 0"
    )
    return command("train", data, "--out", out, *options.split())


def kill_when(process, happened):
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_run_killed_twice_ends_with_the_same_bytes(tmp_path):
    data = shapes.class_folders(tmp_path / "data")
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    subprocess.run(begin(data, alone), check=True, capture_output=True)

    first = subprocess.Popen(begin(data, killed), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    kill_when(first, lambda: (killed / "checkpoints" / "step-00000003").exists())
    second = subprocess.Popen(
        command("resume", killed), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    kill_when(
        second,
        lambda: (
            (killed / "checkpoints" / "step-00000010").exists()
            and any((killed / "checkpoints").glob(".tmp-*"))
        ),
    )
    subprocess.run(command("resume", killed), check=True, capture_output=True)

    for name in ("recognizer/model.safetensors", "checkpoints/step-00000024/optimizer.safetensors"):
        assert (alone / name).read_bytes() == (killed / name).read_bytes()
