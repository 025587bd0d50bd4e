"""Two processes on gloo against one: the same curve, the same network."""

import json
import subprocess
import sys

import pytest

import shapes
from manako.storage.tensors import load_tensors
from manako.training.journal import Journal

ARGUMENTS = (
    "--model lenet5 --grey --steps 8 --batch 8 --validate-every 4 --threads 1 --workers 0 "
    "--precision float32 --lr 0.05 --schedule constant --quiet --json"
)

MASK_ARGUMENTS = (
    "--model unet --model-option width=4 --steps 4 --batch 5 --imgsz 32 --threads 1 "
    "--precision float32 --optimizer sgd --lr 0.01 --average 0 --augment none --quiet"
)


def train(data, out, processes):
    module = ["-m", "manako", "train", str(data), *ARGUMENTS.split(), "--out", str(out)]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        module = [*launcher, "--standalone", *module]
    return subprocess.run(
        [sys.executable, *module], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path):
    data = shapes.class_folders(tmp_path / "data", {"train": 26, "val": 8, "test": 8}, side=28)

    alone = train(data, tmp_path / "one", 1)
    together = train(data, tmp_path / "two", 2)

    assert (alone.returncode, together.returncode) == (0, 0), together.stderr
    assert json.loads(together.stdout)["folder"] == str(tmp_path / "two")  # one document, not two
    first, second = (
        load_tensors(tmp_path / name / "recognizer" / "model.safetensors")
        for name in ("one", "two")
    )
    for name, value in first.items():
        assert float((value - second[name]).abs().max()) < 1e-5, name
    losses = [
        [row["loss"] for row in Journal(tmp_path / name / "metrics.jsonl").rows() if "loss" in row]
        for name in ("one", "two")
    ]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    scores = [
        json.loads((tmp_path / name / "scores.json").read_text(encoding="utf-8"))["scores"]
        for name in ("one", "two")
    ]
    assert scores[0]["test"]["overall"]["accuracy"] == scores[1]["test"]["overall"]["accuracy"]


@pytest.mark.slow
def test_two_processes_learn_masks_as_one_does_where_pixels_are_unknown(tmp_path):
    data = shapes.mask_pairs(tmp_path / "data", {"train": 14, "val": 4, "test": 4})
    command = ["-m", "manako", "train", str(data), *MASK_ARGUMENTS.split(), "--out"]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]

    subprocess.run([sys.executable, *command, str(tmp_path / "one")], check=True, timeout=300)
    subprocess.run(
        [sys.executable, *launcher, *command, str(tmp_path / "two")], check=True, timeout=300
    )

    losses = [
        [row["loss"] for row in Journal(tmp_path / name / "metrics.jsonl").rows() if "loss" in row]
        for name in ("one", "two")
    ]
    assert len(losses[0]) == 4
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.slow
def test_a_budget_is_planned_alike_by_all_processes(tmp_path):
    data = shapes.class_folders(tmp_path / "data", {"train": 26, "val": 8, "test": 8}, side=28)
    arguments = [one for one in ARGUMENTS.split() if one != "--steps"]
    arguments.remove("8")
    module = ["-m", "manako", "train", str(data), *arguments, "--budget", "8s"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]

    done = subprocess.run(
        [*launcher, "--standalone", *module, "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
