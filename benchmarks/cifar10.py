"""CIFAR-10 (JPEG copy) from scratch: three seeds of manako, and torchvision's ResNet-18 beside.

Each run of manako must train in twelve minutes. It plans its epochs by a budget of half a minute
more, which also pays for the start and for the last scores. The ResNet-18 is torchvision's own, at
32 px, trained for as many minutes as the longest of the three by its reference recipe (SGD 0.1,
momentum 0.9, weight decay 1e-4, cosine, batches of 128, crops and flips, float32) on the same
49,000 pictures, already decoded; its clock runs in the training loop alone. Both are scored on the
same test pictures, averaged over each picture and its mirror image.
"""

from __future__ import annotations

import math
import statistics
import sys
import time

import torch
from record import fresh, manako, prove, shared
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from manako.data.opened import open_sources, read_for_training
from manako.data.selection import Selection

SEEDS = (0, 1, 2)
MINUTES = 12
FOLD = (1, 50)  # a fiftieth of the training pictures validates
OPTIONS = ("--budget", "12m30s", "--model-option", "width=64", "--fold", "1/50", "--mirror")
PAD = 4
AT_LEAST, AHEAD_BY = 0.91, 0.10


def run_of(seed: int) -> dict[str, float]:
    """Test accuracy and minutes of one run of manako."""
    result = manako(
        "train",
        *(str(shared("cifar10.tar.gz")), "--out", str(fresh(f"cifar10-{seed}"))),
        *("--seed", str(seed), *OPTIONS),
    )
    return {
        "accuracy": result["scores"]["test"]["overall"]["accuracy"]["value"],
        "training_minutes": round(result["seconds"] / 60, 2),
    }


def pictures(split: str) -> tuple[Tensor, Tensor]:
    """All pictures of a split as uint8 [N, 3, 32, 32], and their labels."""
    dataset = read_for_training(shared("cifar10.tar.gz"), Selection(seed=0, fold=FOLD))
    source = open_sources(dataset, 3, workers=2, splits=[split]).source(split)
    samples = [source[index] for index in range(len(source))]
    labels = torch.tensor([one.target.label for one in samples])
    return torch.stack([one.image for one in samples]), labels


def peer(minutes: float) -> dict[str, float]:
    """Test accuracy of torchvision's ResNet-18 after so many minutes."""
    torch.manual_seed(0)
    images, labels = pictures("train")
    mean = images.float().mean((0, 2, 3), keepdim=True)
    std = images.float().std((0, 2, 3), keepdim=True)
    padded = functional.pad(images, (PAD,) * 4)
    model = resnet18(num_classes=10).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    start, steps, done = time.monotonic(), 0, 0.0
    while done < 1:
        for chosen in torch.randperm(len(images)).split(128)[:-1]:
            done = (time.monotonic() - start) / (60 * minutes)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 0.05 * (1 + math.cos(math.pi * done))
            batch = (cropped_and_flipped(padded[chosen]).float() - mean) / std
            loss = functional.cross_entropy(model(batch), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return {
        "accuracy": accuracy(model.eval(), mean, std),
        "training_minutes": minutes,
        "epochs": round(steps * 128 / len(images), 1),
    }


def cropped_and_flipped(padded: Tensor) -> Tensor:
    """A random 32 x 32 part of each padded picture, mirrored half of the time."""
    places = torch.randint(0, 2 * PAD + 1, (len(padded), 2)).tolist()
    crops = [one[:, y : y + 32, x : x + 32] for one, (y, x) in zip(padded, places, strict=True)]
    flips = torch.rand(len(crops)) < 0.5
    return torch.stack(
        [one.flip(-1) if flip else one for one, flip in zip(crops, flips, strict=True)]
    )


@torch.inference_mode()
def accuracy(model: nn.Module, mean: Tensor, std: Tensor) -> float:
    images, labels = pictures("test")
    right = 0
    for some, truth in zip(images.split(500), labels.split(500), strict=True):
        batch = (some.float() - mean) / std
        right += int(((model(batch) + model(batch.flip(-1))).argmax(1) == truth).sum())
    return right / len(labels)


def measure() -> dict[str, object]:
    runs = [run_of(seed) for seed in SEEDS]
    print(runs, flush=True)
    minutes = max(one["training_minutes"] for one in runs)
    beside = peer(minutes)
    mean = statistics.mean(one["accuracy"] for one in runs)
    return {
        "data": "cifar10.tar.gz",
        "command": " ".join(["manako train cifar10.tar.gz", *OPTIONS, "--seed 0|1|2"]),
        "runs": runs,
        "mean_accuracy": round(mean, 4),
        "deviation": round(statistics.stdev(one["accuracy"] for one in runs), 4),
        "torchvision_resnet18": beside,
        "ahead_by": round(mean - beside["accuracy"], 4),
        "at_least": AT_LEAST,
        "at_least_ahead_by": AHEAD_BY,
        "reached": mean >= AT_LEAST
        and mean - beside["accuracy"] >= AHEAD_BY
        and minutes <= MINUTES,
    }


if __name__ == "__main__":
    sys.exit(0 if prove("cifar10", measure)["reached"] else 8)
