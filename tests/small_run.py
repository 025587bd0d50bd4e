"""A small run to train in tests: 24 random grey pictures, a network with norm and dropout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from manako.config.settings import Settings
from manako.data.preparation import Preparation
from manako.data.transforms import HorizontalFlip, Pipeline
from manako.structures import ClassPrediction, ClassTarget, Sample
from manako.tasks import Classification
from manako.training.checkpoints import Checkpoints
from manako.training.distribution import Processes
from manako.training.journal import Journal
from manako.training.loop import Parts
from manako.training.precision import seeded


@dataclass(frozen=True)
class RandomPictures:
    count: int = 24

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 96, (1, 8, 8), generator=generator, dtype=torch.uint8)
        image[:, 2 * (index % 3)] += 120  # a bright row tells the class
        return Sample(image, ClassTarget(index % 3), f"picture-{index}.png")


class SmallNetwork(nn.Sequential):
    def stages(self):
        return (("0",), ("1",), ("5",))


def small_network():
    with seeded(5):
        return SmallNetwork(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
            nn.Linear(216, 3),
        )  # fmt: skip


def small_settings(**changes):
    plain = {
        "data": "d",
        "task": "classification",
        "model": "lenet5",
        "size_hw": (8, 8),
        "channels": 1,
        "batch": 5,
        "steps": 12,
        "validate_every": 4,
        "lr": 0.05,
        "average_decay": 0.9,
        "save_seconds": 1000.0,
    }
    return Settings(**{**plain, **changes})


def small_parts(folder, validate=None, source=None, mixing=None, **changes):
    task = Classification(("a", "b", "c"))

    def score(model):
        metric = task.metric()
        source = RandomPictures()
        for index in range(6):
            sample = source[index]
            with torch.inference_mode():
                probabilities = model(sample.image[None] / 255).softmax(1)[0]
            metric.update([ClassPrediction(probabilities)], [sample.target])
        return metric.scores(intervals=False)

    return Parts(
        settings=small_settings(**changes),
        task=task,
        source=source or RandomPictures(),
        pipeline=Pipeline((HorizontalFlip(),)),
        preparation=Preparation((8, 8), "stretch", 1, (0.5,), (0.25,)),
        validate=validate or score,
        checkpoints=Checkpoints(folder / "checkpoints"),
        journal=Journal(folder / "metrics.jsonl"),
        processes=Processes(),
        mixing=mixing,
    )
