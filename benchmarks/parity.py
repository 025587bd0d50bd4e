"""Every network against the libraries that have it, too, and the page that shows what was found.

python benchmarks/parity.py          the small members of all families, as every test run does
python benchmarks/parity.py --all    every name
python benchmarks/parity.py --page   nothing is compared

What is found goes into results/parity.json, where a row of `--all`, which has the whole widths, is
replaced by another of its kind only. Each writes `docs/parity.md` from there. What is compared, and
how: tests/parity.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import HERE, RESULTS, describe_machine

from manako.models.foreign.libraries import LIBRARIES
from manako.models.table import MODELS
from manako.models.zoo import list_models, model_info

RESULT = RESULTS / "parity.json"
PAGE = HERE.parent / "docs" / "parity.md"
AT_MOST = 1e-9
ABOUT = """# Parity

What manako calls a network equals the implementation that everybody means by that name. For every
name that torchvision, timm or transformers has, that library's network gets random weights, the
running statistics of its norms scrambled (at their defaults mix-ups do not show), and its state
dict goes through a file into ours by `weights="LIBRARY:PATH"`. Then, in float64, these must agree:
logits, the feature maps of all strides, the gradient with respect to the pictures, and after a step
of training the gradients of all parameters and the running statistics; the number of parameters,
too. The table shows the largest difference of any tensor, max |ours - theirs| / max |theirs|;
{at_most:g} is the most that passes.

A name is compared for 11 classes and three channels, one of each family also for 7 classes and one
channel. What to know of single rows:

- AlexNet and VGG: with 32 hidden units in the run of small members, with 4,096 in that of all.
- ViT: on pictures of two patches a side. transformers adds 1e-12 where the others add 1e-6 to a
  variance: ours are made with `eps=1e-12` for it. `vit_h_14` is too large for a file in float64 and
  takes its weights directly.
- PoolFormer: timm takes the mean before the last norm, the authors after it, and so do we and
  transformers; timm's is compared with the authors' head.
- Networks that no library has follow the paper or its authors' code, named as their reference;
  their layers, counts and starting weights are held by tests.

Every test run compares one or two small members of each family, as `make parity` does; `make
parity-all` compares all names. The page is made from the results of both. Multiply-adds are those
of convolutions and matrix products for one picture of the given size.
"""


def compare(every: bool) -> list[dict[str, Any]]:
    """What the tests found, case by case; they end this script where they fail."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parity.json"
        environment = os.environ | {"MANAKO_PARITY_RESULTS": str(path)}
        if every:
            environment["MANAKO_PARITY"] = "all"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "tests/parity"],
            cwd=HERE.parent,
            env=environment,
            check=False,
        )
        if done.returncode:
            sys.exit(done.returncode)
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return found


def record(every: bool) -> bool:
    """Compare, and put what was found into the results; whether all are close."""
    found = compare(every)
    before = json.loads(RESULT.read_text(encoding="utf-8"))["models"] if RESULT.exists() else {}
    models: dict[str, Any] = {}
    for name in list_models("classification"):
        info = model_info(name)
        libraries = dict(before.get(name, {}).get("libraries", {}))
        for library in info.weights:
            errors = [
                one["error"] for one in found if (one["name"], one["library"]) == (name, library)
            ]
            if errors and (every or not libraries.get(library, {}).get("whole")):
                row = {"cases": len(errors), "error": max(errors), "whole": every}
                libraries[library] = row
        models[name] = {
            "reference": info.reference,
            "params": info.params,
            "macs": info.macs,
            "size_hw": info.size_hw,
            "libraries": libraries,
        }
    result = {"claim": "parity", "at_most": AT_MOST, "models": models}
    result["machine"] = describe_machine()
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return max(one["error"] for one in found) < AT_MOST


def place(name: str, found: dict[str, Any], library: str) -> str:
    """What stands in the column of a library."""
    if library in found:
        return f"{found[library]['error']:.0e}"
    return "not yet" if library in MODELS[name].layouts else ""


def page() -> str:
    """`docs/parity.md`."""
    if not RESULT.exists():
        sys.exit(f"{RESULT} is not there; `make parity` makes it")
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    rows = [
        ("name", "reference", *LIBRARIES, "parameters", "multiply-adds"),
        ("---", "---", "---:", "---:", "---:", "---:", "---:"),
    ]
    compared: list[dict[str, Any]] = []
    for name, one in result["models"].items():
        height, width = one["size_hw"]
        compared += one["libraries"].values()
        rows.append(
            (
                f"`{name}`",
                one["reference"],
                *(place(name, one["libraries"], library) for library in LIBRARIES),
                f"{one['params']:,}",
                f"{one['macs'] / 1e6:,.1f} M at {height}×{width}",
            )
        )
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    largest = max(row["error"] for row in compared)
    cases = sum(row["cases"] for row in compared)
    counted = f"{cases} comparisons; the largest difference is {largest:.0e}."
    return f"{ABOUT.format(at_most=AT_MOST)}\n{counted}\n\n{table}\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(page() != PAGE.read_text(encoding="utf-8"))
    close = "--page" in sys.argv or record("--all" in sys.argv)
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0 if close else 8)
