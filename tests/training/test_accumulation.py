"""A batch in parts gives the gradient of the whole batch."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from manako.structures import (
    IGNORE,
    AnchorRaw,
    Batch,
    BoxTargets,
    ClassRaw,
    ClassTarget,
    Frame,
    LabelsTarget,
    MaskTarget,
    MixedTarget,
)
from manako.tasks import Classification, Detection, Multilabel, Segmentation
from manako.training.accumulation import divisor_of_parts, factor_of_part, parts_of_batch
from manako.training.distribution import Processes
from manako.training.loop import learn
from manako.training.precision import exact_arithmetic, seeded
from manako.training.state import TrainingState
from small_run import small_parts

FRAME = Frame((8, 8), (8, 8), (8, 8))


def batch_of(targets):
    generator = torch.Generator().manual_seed(len(targets))
    images = torch.randint(0, 256, (len(targets), 1, 8, 8), generator=generator, dtype=torch.uint8)
    names = tuple(f"{number}.png" for number in range(len(targets)))
    return Batch(images, tuple(targets), (FRAME,) * len(targets), names)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 3))
def test_parts_are_even_whole_and_large_enough(pictures, parts, least):
    batch = batch_of([ClassTarget(0)] * pictures)

    cut = parts_of_batch(batch, parts, least)

    sizes = [len(part) for part in cut]
    assert len(cut) <= parts
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(least, pictures)
    assert sum((part.names for part in cut), ()) == batch.names
    assert torch.equal(torch.cat([part.images for part in cut]), batch.images)
    assert len(cut) == max(1, min(parts, pictures // least))


def masks(known):
    """Masks of which the first so many pixels of each are known."""
    targets = []
    for number, count in enumerate(known):
        mask = torch.full((64,), IGNORE, dtype=torch.uint8)
        mask[:count] = number % 3
        targets.append(MaskTarget(mask.reshape(8, 8)))
    return targets


def boxes(sides):
    """Objects of so many pixels in the upper left corner; 0: an empty picture."""
    found = []
    for side in sides:
        corners = torch.tensor([[0, 0, side, side]] if side else []).reshape(-1, 4).float()
        found.append(BoxTargets(corners, torch.zeros(len(corners), dtype=torch.int64)))
    return found


CLASSES = ("a", "b", "c")
CASES = {
    "classes": (Classification(CLASSES, 0.1), [ClassTarget(n % 3) for n in range(7)]),
    "weighted": (
        Classification(CLASSES, class_weights=(0.2, 3.0, 1.0)),
        [ClassTarget(n % 3) for n in range(7)],
    ),
    "mixed": (
        Classification(CLASSES, 0.1, class_weights=(0.2, 3.0, 1.0)),
        [MixedTarget(n % 3, (n + 1) % 3, n / 7) for n in range(7)],
    ),
    "auxiliary": (
        Classification(CLASSES, 0.1, class_weights=(0.2, 3.0, 1.0)),
        [ClassTarget(n % 3) for n in range(7)],
    ),
    "auxiliary of labels": (
        Multilabel(CLASSES, class_weights=(0.2, 3.0, 1.0)),
        [LabelsTarget(frozenset(range(n % 3))) for n in range(7)],
    ),
    "masks": (Segmentation(CLASSES), masks([64, 1, 9, 0, 33, 0, 2])),
    "unknown": (Segmentation(CLASSES), masks([0, 0, 0])),
    "labels": (
        Multilabel(CLASSES, class_weights=(0.2, 3.0, 1.0)),
        [LabelsTarget(frozenset(range(n % 3))) for n in range(7)],
    ),
    # A large object has many anchors, a small one few, and one picture shows nothing.
    "boxes": (Detection(CLASSES), boxes([8, 2, 0, 4, 8, 1, 3])),
    "no boxes": (Detection(CLASSES), boxes([0, 0, 0])),
}

AUXILIARY = ("auxiliary", "auxiliary of labels")


class BoxNetwork(nn.Module):
    """Two anchors of 3 and 6 pixels at each of 8 x 8 places."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2 * (4 + 4), 3, padding=1)
        grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)).flip(1)
        self.anchors_xyxy = torch.cat(
            [torch.cat([grid - side / 2, grid + side / 2], 1) for side in (3, 6)]
        )

    def forward(self, images):
        found = self.layer(images).flatten(2).unflatten(1, (2, 8)).permute(0, 1, 3, 2).flatten(1, 2)
        return AnchorRaw(found[..., :4], found[..., 4:], self.anchors_xyxy)


class WithAuxiliary(nn.Module):
    """A second classifier on an inner layer."""

    def __init__(self):
        super().__init__()
        self.layer, self.inner = nn.Conv2d(1, 4, 3), nn.Linear(144, 3)
        self.rest = nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))

    def forward(self, images):
        found = self.layer(images).relu()
        return ClassRaw(self.rest(found), (self.inner(found.flatten(1)),))


def network(task, auxiliary=False):
    with seeded(3):
        if auxiliary:
            return WithAuxiliary()
        if task.name == "detection":
            return BoxNetwork()
        if task.name == "segmentation":
            return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def gradients(folder, case, accumulate):
    task, targets = CASES[case]
    parts = replace(small_parts(folder, accumulate=accumulate, average_decay=0.0), task=task)
    state = TrainingState(network(task, case in AUXILIARY), parts.settings)
    with exact_arithmetic(threads=1):
        losses = learn(state.model, batch_of(targets), state, parts)
    return losses, [one.grad for one in state.model.parameters()]


@pytest.mark.parametrize("accumulate", [2, 3, 7, 100])
@pytest.mark.parametrize("case", list(CASES))
def test_the_gradient_is_that_of_the_whole_batch(tmp_path, case, accumulate):
    whole_losses, whole = gradients(tmp_path, case, 1)

    losses, summed = gradients(tmp_path, case, accumulate)

    assert losses == pytest.approx(whole_losses, rel=1e-6, abs=1e-6)
    assert ("auxiliary" in losses) == (case in AUXILIARY)
    for one, other in zip(whole, summed, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-6 * max(1, float(one.abs().max())))
    if case != "unknown":
        assert max(float(one.abs().max()) for one in whole) > 1e-3


class Second(Processes):
    """A process beside another one, whose weight is known."""

    others = 0.0

    def mean(self, value):
        return (value + self.others) / 2


@pytest.mark.parametrize("case", [name for name in CASES if name != "unknown"])
def test_parts_of_all_processes_add_up_to_the_whole_batch(case):
    task, targets = CASES[case]
    model, batch = network(task, case in AUXILIARY), batch_of(targets)

    def loss_and_weight(part):
        raw = model(part.images / 255)
        return sum(task.loss(raw, part.targets).values()), task.weight(raw, part.targets)

    halves = parts_of_batch(batch, 2)
    total = 0.0
    for half, other in (halves, halves[::-1]):
        process = Second(0, 2)
        object.__setattr__(process, "others", loss_and_weight(other)[1])
        found = [loss_and_weight(piece) for piece in parts_of_batch(half, 2)]
        divisor = divisor_of_parts([weight for _, weight in found], process)
        # Gradients of two processes are averaged.
        total = total + sum(loss * factor_of_part(weight) for loss, weight in found) / divisor / 2

    torch.testing.assert_close(total, loss_and_weight(batch)[0])
