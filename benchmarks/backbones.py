"""Every family's network beside the library's that has it: seconds of a pass, and memory.

A forward pass in evaluation and a step of training (cross-entropy, SGD with momentum) on one batch
of random pictures, in three processes that take turns:

* theirs: the library's network in float32, memory laid out as torch does it by itself;
* ours: manako's network in the same loop, in the same mode;
* default: manako's network as `manako train` computes on this machine (the precision is measured,
  mostly bfloat16; channels last; deterministic).

The ratio is the median of those of neighbouring turns; above 1 ours is faster. There are a few
rounds, each with processes of its own, because how the memory of a process lies makes some percent.
Each network has a result file of its own.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from statistics import median
from typing import Any

from record import prove
from sides import Side, serve, take_turns

ROUNDS, TURNS = 3, 7
SAME_AT_LEAST, DEFAULT_AT_LEAST = 0.95, 1.5
CASES = {
    # model: (library, its name there, side in pixels, pictures in a batch, steps a turn)
    "alexnet": ("torchvision", "alexnet", 224, 16, 4),
    "vgg11_bn": ("torchvision", "vgg11_bn", 224, 4, 1),
    "googlenet": ("torchvision", "googlenet", 224, 8, 2),
    "resnet50": ("torchvision", "resnet50", 224, 8, 1),
    "resnetv2_50": ("timm", "resnetv2_50", 224, 8, 1),
    "wide_resnet50_2": ("torchvision", "wide_resnet50_2", 224, 4, 1),
    "densenet121": ("torchvision", "densenet121", 224, 8, 1),
    "mobilenetv1_100": ("timm", "mobilenetv1_100", 224, 16, 2),
    "efficientnet_b0": ("torchvision", "efficientnet_b0", 224, 8, 2),
    "convnext_tiny": ("torchvision", "convnext_tiny", 224, 8, 1),
    "poolformer_s12": ("timm", "poolformer_s12", 224, 8, 1),
    "vit_b_16": ("torchvision", "vit_b_16", 224, 4, 1),
    "swin_t": ("torchvision", "swin_t", 224, 8, 1),
}
FAST_BY_DEFAULT = ("resnet50", "convnext_tiny", "vit_b_16", "efficientnet_b0")


def theirs(library: str, name: str) -> Any:
    """The library's network for ten classes."""
    if library == "timm":
        import timm

        return timm.create_model(name, num_classes=10)
    import torchvision

    extra = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, num_classes=10, **extra)


def ours(name: str) -> Any:
    """manako's network for ten classes."""
    from manako.models.zoo import create_model

    extra = {"auxiliary": False} if name == "googlenet" else {}
    return create_model(name, num_classes=10, **extra)


def served(side: str, name: str) -> None:
    """What a side's process does."""
    import torch
    from torch.nn.functional import cross_entropy

    from manako.runs.choices import usable_cores
    from manako.structures import ClassRaw
    from manako.training.precision import autocast, choose_precision, exact_arithmetic

    library, their_name, pixels, batch, _ = CASES[name]
    threads = usable_cores()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = theirs(library, their_name) if side == "theirs" else ours(name)
    images = torch.randn(batch, 3, pixels, pixels)
    labels = torch.randint(0, 10, (batch,))
    precision = "float32"
    with ExitStack() as stack:
        if side == "default":
            precision, _ = choose_precision("cpu", threads)
            stack.enter_context(exact_arithmetic(threads))
            network = network.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

        def logits() -> torch.Tensor:
            with autocast("cpu", precision):
                return ClassRaw.of(network(images)).logits

        @torch.inference_mode()
        def forward() -> None:
            network.eval()
            logits()

        def train() -> None:
            network.train()
            optimizer.zero_grad()
            cross_entropy(logits().float(), labels).backward()
            optimizer.step()

        serve({"forward": forward, "train": train}, {"precision": precision, "threads": threads})


def compare(name: str) -> dict[str, Any]:
    """The three sides of one network."""
    print(name, flush=True)
    library, _, side, batch, steps = CASES[name]
    same: dict[str, list[float]] = {"forward": [], "train": []}
    default: dict[str, list[float]] = {"forward": [], "train": []}
    speeds: dict[str, list[float]] = {"forward": [], "train": []}
    for _ in range(ROUNDS):
        sides = {side: Side(__file__, [side, name]) for side in ("theirs", "ours", "default")}
        for kind in same:
            take_turns(list(sides.values()), kind, TURNS, steps)
            same[kind] += sides["ours"].ratios_to(sides["theirs"], kind)
            default[kind] += sides["default"].ratios_to(sides["theirs"], kind)
            speeds[kind] += [batch / seconds for seconds in sides["theirs"].seconds[kind]]
        peaks = {one: process.end() for one, process in sides.items()}
    found: dict[str, Any] = {"library": library, "batch": batch, "side": side}
    found["default_precision"] = sides["default"].facts["precision"]
    for kind in same:
        found[kind] = {
            "theirs_pictures_per_second": round(median(speeds[kind]), 1),
            "same_mode_ratio": round(median(same[kind]), 3),
            "default_ratio": round(median(default[kind]), 3),
        }
    found["peak_megabytes"] = {one: round(peak / 1e6) for one, peak in peaks.items()}
    least = min(median(ratios) for ratios in same.values())
    least_by_default = min(median(ratios) for ratios in default.values())
    bar = DEFAULT_AT_LEAST if name in FAST_BY_DEFAULT else None
    found |= {"rounds": ROUNDS, "turns": TURNS}
    found |= {"same_mode_at_least": SAME_AT_LEAST, "default_at_least": bar}
    found["reached"] = least >= SAME_AT_LEAST and (bar is None or least_by_default >= bar)
    return found


if __name__ == "__main__":
    if "--serve" in sys.argv:
        served(*sys.argv[sys.argv.index("--serve") + 1 :])
    else:
        names = [one for one in sys.argv[1:] if not one.startswith("-")] or list(CASES)
        found = [prove(f"backbones/{one}", lambda one=one: compare(one)) for one in names]
        sys.exit(0 if all(one["reached"] for one in found) else 8)
