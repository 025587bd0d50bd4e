"""How far a long piece of work is: a bar for those who watch, nothing for those who do not."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from manako.console.messages import is_quiet

if TYPE_CHECKING:  # rich takes a tenth of a second to import, which `manako --help` can spare
    import rich.progress

PATIENCE_SECONDS = 1.0
"""Work that is done sooner shows no bar."""

_shown: list[Progress] = []


class Progress:
    """A bar on stderr with rate and remaining time, inside a `with` block; made by `track`.

    It shows only on a terminal, when not quiet, after a second, and never inside another bar.
    """

    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done, self.note = 0, ""
        self._start_seconds = time.monotonic()
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> Self:
        self._start_seconds = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            _shown.remove(self)

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are done; `note` stays beside the bar until another comes."""
        self.done += count
        self.note = note or self.note
        if self._bar is None and self._is_wanted():
            self._show()
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=self.done, rate=self.rate_text(), note=self.note)

    def rate_text(self) -> str:
        """Units a second since the start, such as "131 pictures/s"."""
        seconds = max(time.monotonic() - self._start_seconds, 1e-9)
        return f"{self.done / seconds:.3g} {self.unit}/s"

    def _is_wanted(self) -> bool:
        waited = time.monotonic() - self._start_seconds >= PATIENCE_SECONDS
        return waited and not is_quiet() and not _shown and sys.stderr.isatty()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %" if self.total else "{task.completed}"),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        bar.add_task(self.title, total=self.total, rate="", note="")
        bar.start()
        self._bar = bar
        _shown.append(self)


def track(title: str, *, total: int | None = None, unit: str = "steps") -> Progress:
    """Progress of `total` units (None: not known), to be advanced inside a `with` block.

    >>> with track("reading", total=2, unit="pictures") as bar:
    ...     bar.advance(note="a.png")
    ...     bar.advance(note="b.png")
    >>> bar.done
    2
    """
    return Progress(title, total, unit)
