"""All pictures of a data set looked at, by processes that may die of one without ending the check.

Each process has a pipe of its own and answers picture by picture, so a process that ends or falls
silent is known at once, with the picture that it was at. That picture gets a second chance in a
new process, in case something else was the cause, then it is named and the others go on.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait

import torch

from manako.data.check.pictures import Seen, see
from manako.data.dataset import Item
from manako.data.decoded import DecodingSource
from manako.data.files import FileTree
from manako.data.processes import Pipe, open_pipe, worker_context
from manako.errors import ResourceError

See = Callable[[FileTree, Item], Seen]

PATIENCE_SECONDS = 60.0
"""So long may a single picture take."""
START_SECONDS = 300.0  # for a process to begin; it imports torch first
PORTION = 32  # pictures a process is asked for at a time
WORTH_A_PROCESS = 100  # pictures; starting one takes longer than looking at fewer
CHANCES = 2


def all_seen(
    files: FileTree,
    items: Sequence[Item],
    *,
    workers: int,
    threads: int = 1,
    on_progress: Callable[[int], None] = lambda pictures: None,
    look: See = see,
) -> list[Seen]:
    """`look(files, item)` for each item, in order, by `workers` processes, or threads without any.

    `on_progress` is told how many more are done. Errors: ResourceError where no process can be
    started.
    """
    if workers < 1:
        return _by_threads(files, items, threads, on_progress, look)
    found: list[Seen | None] = [None] * len(items)
    workers = min(workers, -(-len(items) // WORTH_A_PROCESS))
    team = _Team(DecodingSource(files, tuple(items), 3), look, workers)
    try:
        for index, seen in team.answers():
            found[index] = seen
            on_progress(1)
    finally:
        team.close()
    return [seen for seen in found if seen is not None]


def _by_threads(
    files: FileTree,
    items: Sequence[Item],
    threads: int,
    on_progress: Callable[[int], None],
    look: See,
) -> list[Seen]:
    found: list[Seen] = []
    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="checking") as pool:
        try:
            for seen in pool.map(lambda item: look(files, item), items):
                found.append(seen)
                on_progress(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


class _Team:
    """The processes, and what is still to be done."""

    def __init__(self, source: DecodingSource, look: See, workers: int) -> None:
        self.source, self.look = source, look
        self.waiting = deque(range(len(source)))
        self.failures: dict[int, int] = {}
        self.members: list[_Member] = []
        try:
            for _ in range(workers):
                self.members.append(_Member(source, look))
        except BaseException:
            self.close()
            raise

    def answers(self) -> Iterator[tuple[int, Seen]]:
        """(index, what was seen) of every picture, in the order of coming."""
        for member in self.members:
            self._give(member)
        while busy := [member for member in self.members if member.asked]:
            patience = min(member.deadline for member in busy) - time.monotonic()
            ready = wait([member.answers_from for member in busy], max(patience, 0.0))
            for member in busy:
                if member.answers_from in ready:
                    yield from self._received(member)
                elif time.monotonic() > member.deadline:
                    yield from self._lost(member, f"took more than {PATIENCE_SECONDS:g} s")

    def close(self) -> None:
        """End the processes at once: they hold nothing that could be lost."""
        for member in self.members:
            member.end()
        self.members = []

    def _give(self, member: _Member) -> None:
        share = min(PORTION, -(-len(self.waiting) // len(self.members)))
        member.ask([self.waiting.popleft() for _ in range(share)])

    def _received(self, member: _Member) -> Iterator[tuple[int, Seen]]:
        try:
            answer = member.connection.recv()
        except (EOFError, OSError):
            yield from self._lost(member, member.cause_of_end())
            return
        index = member.answered()
        if index is None:  # it says that it has begun
            return
        yield index, answer
        if not member.asked and self.waiting:
            self._give(member)

    def _lost(self, member: _Member, cause: str) -> Iterator[tuple[int, Seen]]:
        """Replace a process; the picture it was at comes again, or is given up."""
        place = self.members.index(member)
        member.end()
        if not member.has_begun:
            del self.members[place]
            raise ResourceError(
                f"a process that looks at pictures cannot be started: it {cause}",
                fix="read what it wrote on stderr; a script that uses workers needs "
                '`if __name__ == "__main__":` around what it does; workers=0 does without',
            )
        index, *rest = member.asked
        self.waiting.extendleft(reversed(rest))
        self.failures[index] = self.failures.get(index, 0) + 1
        if self.failures[index] < CHANCES:
            self.waiting.appendleft(index)
        else:
            name = self.source.items[index].image
            error = f"{name} cannot be decoded: the process that did it {cause}"
            yield index, Seen(error, is_passing=True)
        self.members[place] = _Member(self.source, self.look)
        if self.waiting:
            self._give(self.members[place])


class _Member:
    """One process, seen from the one that uses it."""

    def __init__(self, source: DecodingSource, look: See) -> None:
        self.has_begun = False
        self.asked: deque[int] = deque()
        self.deadline = time.monotonic() + START_SECONDS
        context = worker_context(preload=(__name__,))
        self.connection, theirs = open_pipe(context)
        self.process = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs,), name="manako-check", daemon=True
        )
        try:
            self.process.start()
        finally:
            theirs.close()  # or the pipe would not end with the process
        with suppress(OSError):  # a process that is gone is noticed when it should answer
            self.connection.send((source, look))

    @property
    def answers_from(self) -> Connection:
        """Where its answers come from, to wait for."""
        pipe = self.connection
        return pipe if isinstance(pipe, Connection) else pipe.reader

    def ask(self, indices: list[int]) -> None:
        self.asked.extend(indices)
        if self.has_begun:
            self.deadline = time.monotonic() + PATIENCE_SECONDS
        with suppress(OSError):
            self.connection.send(indices)

    def answered(self) -> int | None:
        """The index of the picture that an answer is about; None for the first, of the start."""
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        if not self.has_begun:
            self.has_begun = True
            return None
        return self.asked.popleft()

    def cause_of_end(self) -> str:
        self.process.join(5.0)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"was killed by the system (signal {-code}, {signal.strsignal(-code)})"
        return f"ended by itself (exit code {code})"

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()
        self.process.close()


def _serve(connection: Pipe) -> None:
    """Look at pictures until the pipe ends: what a process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends this one
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):  # the other side is closed, or its process is gone
        source, look = connection.recv()
        connection.send(None)
        while True:
            for index in connection.recv():
                connection.send(look(source.files, source.items[index]))
