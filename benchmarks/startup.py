"""What it costs to ask for help, and to import the package."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import prove

_TIMES = 15
_LOADED = "import sys, manako; print(sorted({m.partition('.')[0] for m in sys.modules}))"


def seconds_of(command: list[str]) -> float:
    """The median wall-clock seconds of a command."""
    times = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 4)


def measure() -> dict[str, object]:
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True
    )
    help_seconds = seconds_of([sys.executable, "-m", "manako", "--help"])
    silent = loaded.stderr == "" and loaded.stdout.count("\n") == 1
    torch_loaded = "'torch'" in loaded.stdout
    return {
        "help_seconds": help_seconds,
        "help_at_most": 0.3,
        "bare_python_seconds": seconds_of([sys.executable, "-c", "pass"]),
        "import_manako_seconds": seconds_of([sys.executable, "-c", "import manako"]),
        "import_is_silent": silent,
        "import_loads_torch": torch_loaded,
        "reached": help_seconds <= 0.3 and silent and not torch_loaded,
    }


if __name__ == "__main__":
    sys.exit(0 if prove("startup", measure)["reached"] else 8)
