"""One network of every family on CIFAR-10, from scratch, eight minutes each, everything included.

python benchmarks/families.py [NAME...]

A cell is a network and its options; each has a result file of its own, so that the series goes on
where it was interrupted. Most networks for pictures of 224 pixels see these enlarged to 64; the
recipes are those that manako chooses for the family. The budget is the same for all, whatever a
step costs: the table tells what to expect in minutes, not which architecture is best in the end.
"""

from __future__ import annotations

import sys

from record import prove
from train_from_scratch import Proof, measure

BUDGET = ("--budget", "8m")
LARGER = ("--imgsz", "64")
NARROW = ("--model-option", "hidden=512")  # the widths for 1,000 classes are most of the weights
CELLS: dict[str, tuple[str, ...]] = {
    "quick32": (),  # at its own width; `make bench-cifar10` gives it more of both
    "lenet5": (),
    "alexnet": (*LARGER, *NARROW),
    "vgg11_bn": NARROW,
    "all_cnn_c": (),
    "spp_zf5": (*LARGER, *NARROW),
    "googlenet": LARGER,
    "googlenet-without-auxiliary": (*LARGER, "--model-option", "auxiliary=false"),
    "resnet20": (),
    "resnet18": LARGER,
    "wrn_16_4": (),
    "resnetv2_18": LARGER,
    "densenet_bc_40_12": (),
    "mobilenetv1_050": LARGER,
    "efficientnet_b0": LARGER,
    "convnext_tiny": (),  # at 64 pixels it would see each picture but once
    "vit_tiny_patch4_32": ("--model-option", "patch=8"),  # likewise with patches of 4
    "swin_t_32": (),
    "poolformer_s12": LARGER,
}


def cell(name: str) -> dict[str, object]:
    """The run of a cell, and the size of its network."""
    from manako.models.zoo import create_model

    model, options = name.split("-")[0], CELLS[name]
    chosen = dict(option.split("=") for option in options if "=" in option)
    network = create_model(model, num_classes=10, **chosen)
    arguments = ("--model", model, *options, *BUDGET)
    found = measure(Proof("cifar10.tar.gz", "accuracy", None, arguments), f"families-{name}")
    return {"model": model, "params": sum(one.numel() for one in network.parameters()), **found}


if __name__ == "__main__":
    names = [one for one in sys.argv[1:] if not one.startswith("-")] or list(CELLS)
    if any(one not in CELLS for one in names):
        sys.exit(f"usage: families.py [{' | '.join(CELLS)}] [--again]")
    for one in names:
        prove(f"families/{one}", lambda one=one: cell(one))
