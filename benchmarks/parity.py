"""Every network against the libraries that have it, too, and the page that shows what was found.

python benchmarks/parity.py          the small members of all families, as every test run does
python benchmarks/parity.py --all    every name; written to results/parity.json
python benchmarks/parity.py --page   nothing is compared

Each writes `docs/parity.md` from the results. What is compared, and how: tests/parity.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import HERE, RESULTS, prove

PAGE = HERE.parent / "docs" / "parity.md"
AT_MOST = 1e-9
LIBRARIES = ("torchvision", "timm", "transformers")
ABOUT = """# Parity

What manako calls a network equals the implementation that everybody means by that name. For every
name that torchvision, timm or transformers has, that library's network gets random weights, the
running statistics of its norms scrambled (at their defaults mix-ups do not show), and its state
dict goes through a file into ours by `weights="LIBRARY:PATH"`. Then, in float64, these must agree:
logits, the feature maps of all strides, the gradient with respect to the pictures, and after a step
of training the gradients of all parameters and the running statistics; the number of parameters,
too. The table shows the largest difference of any tensor, max |ours - theirs| / max |theirs|;
{at_most:g} is the most that passes.

All names are compared for 11 classes and three channels, one of each family also for 7 classes and
one channel. What to know of single rows:

- ViT: on pictures of two patches a side. transformers adds 1e-12 where the others add 1e-6 to a
  variance: ours are made with `eps=1e-12` for it. `vit_h_14` is too large for a file in float64 and
  takes its weights directly.
- PoolFormer: timm takes the mean before the last norm, the authors after it, and so do we and
  transformers; timm's is compared with the authors' head.
- Networks that no library has follow the paper or its authors' code, named as their reference;
  their layers, counts and starting weights are held by tests.

Every test run compares one or two small members of each family (`make parity`), `make parity-all`
all of them; the page is made from its results. Multiply-adds are those of convolutions and matrix
products for one picture of the given size.
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


def measure() -> dict[str, object]:
    """All names: what they cost, and how far they are from each library's."""
    from manako.models.zoo import list_models, model_info

    found = compare(every=True)
    models: dict[str, Any] = {}
    for name in list_models("classification"):
        info = model_info(name)
        errors = {
            library: max(
                one["error"] for one in found if (one["name"], one["library"]) == (name, library)
            )
            for library in info.weights
            if library in LIBRARIES
        }
        models[name] = {
            "reference": info.reference,
            "params": info.params,
            "macs": info.macs,
            "size_hw": info.size_hw,
            "errors": errors,
        }
    largest = max(one["error"] for one in found)
    return {
        "at_most": AT_MOST,
        "compared": len(found),
        "largest": largest,
        "models": models,
        "reached": largest < AT_MOST,
    }


def page() -> str:
    """`docs/parity.md`."""
    path = RESULTS / "parity.json"
    if not path.exists():
        sys.exit(f"{path} is not there; `make parity-all` makes it")
    result = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        ("name", "reference", *LIBRARIES, "parameters", "multiply-adds"),
        ("---", "---", "---:", "---:", "---:", "---:", "---:"),
    ]
    for name, one in result["models"].items():
        height, width = one["size_hw"]
        errors = [one["errors"].get(library) for library in LIBRARIES]
        rows.append(
            (
                f"`{name}`",
                one["reference"],
                *("" if error is None else f"{error:.0e}" for error in errors),
                f"{one['params']:,}",
                f"{one['macs'] / 1e9:.3f} G at {height}×{width}",
            )
        )
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    counted = (
        f"{result['compared']} comparisons; the largest difference is {result['largest']:.0e}."
    )
    return f"{ABOUT.format(at_most=AT_MOST)}\n{counted}\n\n{table}\n"


if __name__ == "__main__":
    reached = True
    if "--all" in sys.argv:
        sys.argv.append("--again")
        reached = bool(prove("parity", measure)["reached"])
    elif "--page" not in sys.argv and "--check" not in sys.argv:
        compare(every=False)
    if "--check" in sys.argv:
        sys.exit(page() != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0 if reached else 8)
