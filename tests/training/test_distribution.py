"""Two processes on gloo against one: the same curve, the same network."""

import json
import subprocess
import sys

import pytest

import shapes
from manako.errors import UsageError
from manako.storage.tensors import load_tensors
from manako.training.distribution import Processes
from manako.training.journal import Journal


class Joined(Processes):
    """One of two processes; what the first one shares is handed over by the test."""

    shared = None

    def share(self, value):
        if self.first:
            object.__setattr__(self, "shared", value)
            return value
        return self.shared


def test_what_the_first_process_did_or_refused_reaches_the_other():
    def refuse():
        raise UsageError("no room", fix="make some")

    def never():
        raise AssertionError("only the first process works")

    for work in (lambda: 7, refuse):
        first, second = Joined(0, 2), Joined(1, 2)
        outcomes = []
        for process, mine in ((first, work), (second, never)):
            object.__setattr__(second, "shared", first.shared)
            try:
                outcomes.append(process.by_first(mine))
            except UsageError as error:
                outcomes.append(str(error))
        assert outcomes in ([7, 7], ["no room\n  fix     : make some"] * 2)


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
    # Batches of 3 and 2, the larger one in two parts: they need not agree on the number of parts.
    parts = ["--accumulate", "2"]
    subprocess.run(
        [sys.executable, *launcher, *command, str(tmp_path / "two"), *parts],
        check=True,
        timeout=300,
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
