"""`val` and `predict` give the same answers, labels are bound by name, damage is refused.

For each of three tasks, on real pictures: a recognizer is trained briefly; the predictions of
`val` and of `predict` over the same files are compared bit by bit, those of single pictures within
1e-5 of the network's largest answer; a split without one class is scored; and every file of the
recognizer is changed by one byte at several places.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import subsets
import torch
from record import WORK, fresh, prove

import manako
from manako.data.opened import open_sources, read_for_scoring
from manako.data.selection import Selection
from manako.recognizer import Recognizer, evaluate_data
from manako.structures import ClassPrediction, Detections, Prediction

CASES = {
    "classification": (subsets.cifar10, {"model": "quick32", "steps": 60}),
    "detection": (subsets.bccd, {"model": "ssd_resnet18", "size_hw": (96, 128), "steps": 40}),
    "segmentation": (subsets.camvid, {"model": "unet_bn", "size_hw": (96, 128), "steps": 20}),
}
PLACES = 16  # in each file of a recognizer, at which a byte is changed


def tensors(prediction: Prediction) -> list[torch.Tensor]:
    if isinstance(prediction, ClassPrediction):
        return [prediction.probabilities]
    if isinstance(prediction, Detections):
        return [prediction.boxes_xyxy, prediction.scores, prediction.labels]
    return [prediction.mask]


def same_bits(one: Prediction, other: Prediction) -> bool:
    pairs = zip(tensors(one), tensors(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def largest_difference(
    recognizer: Recognizer, paths: list[Path], batched: list[Prediction]
) -> float:
    """Between the network's raw answers for single pictures and for batches."""
    raws: dict[str, list[torch.Tensor]] = {"single": [], "batch": []}

    def note(kind: str) -> torch.utils.hooks.RemovableHandle:
        def hook(module, inputs, raw):
            parts = [raw] if isinstance(raw, torch.Tensor) else raw.learned
            rows = torch.cat([part.flatten(1) for part in parts], dim=1)
            raws[kind].extend(rows)

        return recognizer.model.register_forward_hook(hook)

    handle = note("batch")
    recognizer.predict(paths)
    handle.remove()
    handle = note("single")
    for path in paths:
        recognizer(path)
    handle.remove()
    pairs = zip(raws["single"], raws["batch"], strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs)


def changed_bytes_refused(folder: Path) -> tuple[int, int]:
    """Of so many changed bytes, how many were refused."""
    tried = refused = 0
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // PLACES)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            tried += 1
            try:
                manako.load(folder)
            except manako.errors.ArtefactError:
                refused += 1
        path.write_bytes(whole)
    return tried, refused


def without_a_class(data: Path) -> Path:
    """A copy of the class folders whose test split lacks the first class."""
    target = fresh("agreement/lacking")
    shutil.copytree(data, target)
    shutil.rmtree(target / "test" / subsets.CLASSES[0])
    return target


def measure_task(task: str) -> dict[str, object]:
    make, options = CASES[task]
    data = make()
    run = manako.train(data, out=fresh(f"agreement/{task}"), **options)
    recognizer = manako.load(run.folder)
    dataset, _ = read_for_scoring(data, recognizer.classes, Selection(), "test")
    paths = [data / item.image for item in dataset.splits["test"]]
    evaluation = evaluate_data(recognizer, data, split="test", batch_size=32).evaluation
    predicted = recognizer.predict(paths, batch_size=32)
    identical = sum(map(same_bits, evaluation.predictions, predicted))
    tried, refused = changed_bytes_refused(run.folder / "recognizer")
    difference = largest_difference(recognizer, paths, predicted)
    return {
        "pictures": len(paths),
        "val_equals_predict": identical,
        "single_against_batch": difference,
        "changed_bytes": tried,
        "changed_bytes_refused": refused,
        "reached": identical == len(paths) and refused == tried and difference <= 1e-5,
    }


def measure_lacking_class() -> dict[str, object]:
    """Predictions for a split that lacks a class are those of the whole split, name for name."""
    recognizer = manako.load(WORK / "agreement" / "classification")
    whole = subsets.cifar10()
    lacking = without_a_class(whole)
    answers = {}
    for data in (whole, lacking):
        dataset, _ = read_for_scoring(data, recognizer.classes, Selection(), "test")
        sources = open_sources(dataset, 3, workers=1, splits=["test"])
        named = recognizer.predict_source(sources.source("test"), batch_size=1)
        truths = {item.image: item.truth.label for item in dataset.splits["test"]}
        answers[data] = {name: (truths[name], one.label) for name, one in named}
    unchanged = all(answers[whole][name] == found for name, found in answers[lacking].items())
    return {"pictures": len(answers[lacking]), "reached": unchanged and len(answers[lacking]) > 0}


def measure() -> dict[str, object]:
    found: dict[str, dict[str, object]] = {task: measure_task(task) for task in CASES}
    found["split_without_a_class"] = measure_lacking_class()
    return {**found, "reached": all(one["reached"] for one in found.values())}


if __name__ == "__main__":
    sys.exit(0 if prove("trust-agreement", measure)["reached"] else 8)
