"""Two or more ways to do the same thing, each in a process of its own, timed in turns.

Machines are shared, and slow down and recover; what takes turns of a second is slowed down alike.
A script that uses this calls `serve` when it is started with `--serve`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

Step = Callable[[], object]


def serve(steps: Mapping[str, Step], facts: dict[str, Any]) -> None:
    """What a side's process does: for every line "NAME COUNT" read, so many steps of that name.

    Each has been done once before; the seconds are answered. `facts` are told first. At the end
    of the input the peak of the memory is answered, in bytes.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed goes to stderr
    for step in steps.values():
        step()
    print(json.dumps(facts), file=answers, flush=True)
    for line in sys.stdin:
        name, count = line.split()
        start = time.perf_counter()
        for _ in range(int(count)):
            steps[name]()
        print(time.perf_counter() - start, file=answers, flush=True)
    print(peak_bytes(), file=answers, flush=True)


def peak_bytes() -> int:
    """The most memory that this process ever had, where the system tells (Linux), else 0."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


class Side:
    """A side's process, and the seconds of its turns for each name."""

    def __init__(
        self, script: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, "--serve", *arguments],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds: dict[str, list[float]] = {}
        self.facts: dict[str, Any] = json.loads(self._answer())

    def turn(self, name: str, count: int) -> None:
        """`count` steps."""
        questions = self._pipe(self.process.stdin)
        questions.write(f"{name} {count}\n")
        questions.flush()
        self.seconds.setdefault(name, []).append(float(self._answer()) / count)

    def end(self) -> int:
        """Wait for the process to end; the peak of its memory in bytes."""
        self._pipe(self.process.stdin).close()
        peak = int(self._answer())
        self.process.wait()
        return peak

    def median(self, name: str) -> float:
        """Seconds of a step."""
        return statistics.median(self.seconds[name])

    def times_as_fast_as(self, other: Side, name: str) -> float:
        """The median of the ratios of neighbouring turns: what slows a while slows both."""
        return statistics.median(self.ratios_to(other, name))

    def ratios_to(self, other: Side, name: str) -> list[float]:
        """Those of the neighbouring turns."""
        pairs = zip(other.seconds[name], self.seconds[name], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def _answer(self) -> str:
        answer = self._pipe(self.process.stdout).readline()
        if not answer:
            raise SystemExit(f"{' '.join(map(str, self.process.args))} ended early")
        return answer

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def take_turns(sides: Sequence[Side], name: str, turns: int, count: int) -> None:
    """So many turns of every side, in an order that turns around; one before does not count."""
    for side in sides:
        side.turn(name, count)
        side.seconds[name].clear()  # the first steps of a process are slower
    for number in range(turns):
        for side in sides if number % 2 else reversed(sides):
            side.turn(name, count)
