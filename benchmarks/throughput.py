"""Pictures a second in training: manako's step against torchvision's network in a plain loop.

ResNet-18 at 64 px with batches of 128, and ResNet-50 at 128 px with batches of 16, on photographs
of pets that wait in memory. manako's side is `training.loop.learn` with the settings that
`manako train` chooses on this machine (its precision is measured), from a batch of uint8 pictures
to the updated network. The plain side is torchvision's network in float32 and its usual memory
layout, with cross-entropy and SGD with momentum; it gets one batch of random numbers again and
again, so that it spends nothing on preparing pictures.

Each side is a process of its own. They take turns of a few steps, and the ratio is that of the
medians over the turns. All of it is done twice: as the machine is, and with
ONEDNN_MAX_CPU_ISA=AVX2, where convolutions run as on a processor without AVX-512 and bfloat16.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from record import WORK, prove, shared
from sides import Side, serve, take_turns

STEPS, TURNS, BATCHES = 2, 12, 4
CASES = {
    # model, side in pixels, batch -> the least ratio
    ("resnet18", 64, 128): 1.5,
    ("resnet50", 128, 16): 2.0,
}
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
AVX2_AT_LEAST = 1.0

Step = Callable[[], None]


def manako_step(model: str, side: int, batch_size: int) -> tuple[Step, dict[str, Any]]:
    """One step of a run as it would be trained, and what was chosen for it."""
    from manako.data.opened import open_sources, read_for_training
    from manako.data.selection import Selection
    from manako.runs.folder import RunFolder
    from manako.runs.session import Facts, Session
    from manako.runs.start import resolve_settings
    from manako.training.distribution import Processes
    from manako.training.loop import learn
    from manako.training.state import TrainingState

    data = shared("oxford_pets_subset.tar")
    resolved = resolve_settings(data, model, size_hw=(side, side), batch=batch_size, seed=0)
    settings = resolved.settings
    sources = open_sources(
        read_for_training(data, Selection(0)), settings.channels, workers=1, splits=["train"]
    )
    session = Session(settings, Facts.measured(settings, sources), sources, Processes())
    parts = session.parts(RunFolder(WORK / "throughput"))
    batches = list(parts.batches(range(BATCHES)))
    state = TrainingState(session.new_model(), settings)

    def step() -> None:
        learn(state.model, batches[state.progress.step % BATCHES], state, parts)
        state.progress.step += 1

    chosen = {"precision": settings.precision, "threads": settings.threads}
    return step, chosen


def plain_step(model: str, side: int, batch_size: int) -> tuple[Step, dict[str, Any]]:
    """One step of the loop that every tutorial shows."""
    import torch
    import torchvision
    from torch import nn

    from manako.runs.choices import usable_cores

    torch.set_num_threads(usable_cores())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, side, side, generator=generator)
    labels = torch.randint(0, 37, (batch_size,), generator=generator)
    network = getattr(torchvision.models, model)(num_classes=37).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss = criterion(network(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return step, {"precision": "float32", "threads": torch.get_num_threads()}


SIDES = {"manako": manako_step, "plain": plain_step}


def served(side: str, model: str, pixels: int, batch_size: int) -> None:
    """What a side's process does."""
    from contextlib import ExitStack

    from manako.training.precision import exact_arithmetic

    with ExitStack() as stack:
        step, chosen = SIDES[side](model, pixels, batch_size)
        if side == "manako":
            stack.enter_context(exact_arithmetic(chosen["threads"]))
        serve({"step": step}, chosen)


def compare(case: tuple[str, int, int], environment: dict[str, str], at_least: float) -> dict:
    """Both sides of one case in turns."""
    ours, theirs = (
        Side(__file__, [name, *map(str, case)], environment) for name in ("manako", "plain")
    )
    take_turns((ours, theirs), "step", TURNS, STEPS)
    for side in (ours, theirs):
        side.end()
    ratio = theirs.median("step") / ours.median("step")
    fastest = [min(side.seconds["step"]) for side in (ours, theirs)]
    return {
        "manako_pictures_per_second": round(case[2] / ours.median("step"), 1),
        "plain_pictures_per_second": round(case[2] / theirs.median("step"), 1),
        "manako_precision": ours.facts["precision"],
        "threads": [side.facts["threads"] for side in (ours, theirs)],
        "ratio": round(ratio, 2),
        "ratio_of_fastest_turns": round(fastest[1] / fastest[0], 2),
        "at_least": at_least,
        "reached": ratio >= at_least,
    }


def measure() -> dict[str, object]:
    """All cases, as the machine is and without its newer instructions."""
    found: dict[str, Any] = {}
    for case, at_least in CASES.items():
        name = f"{case[0]}_{case[1]}px_batch{case[2]}"
        found[name] = compare(case, {}, at_least)
        found[f"{name}_avx2"] = compare(case, AVX2, AVX2_AT_LEAST)
    return {
        "steps_a_turn": STEPS,
        "turns": TURNS,
        **found,
        "reached": all(one["reached"] for one in found.values()),
    }


if __name__ == "__main__":
    if "--serve" in sys.argv:
        side, model, *numbers = sys.argv[sys.argv.index("--serve") + 1 :]
        served(side, model, *map(int, numbers))
    else:
        sys.exit(0 if prove("throughput", measure)["reached"] else 8)
