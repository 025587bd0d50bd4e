"""Batches made by other processes, in the order asked for.

Each worker has a pipe of its own, over which step numbers go and finished batches come back. That
is what `torch.utils.data.DataLoader` is not used for: its workers share one queue and hand tensors
over in shared memory. With a pipe each, the end of a worker is the end of its pipe, known at once
and with the signal that caused it; a small /dev/shm or a low limit of open files does no harm;
and no global generator or signal handler is touched.

Workers are started by a server process that has imported torch once ("forkserver"), so the second
one is there in milliseconds, and nothing is inherited from a process that has threads or holds a
GPU. Where that does not exist (Windows), each is a new Python.
"""

from __future__ import annotations

import atexit
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import BaseContext

import torch
from torch import Tensor

from manako.data.memory import keep_freed_memory
from manako.data.parcels import Arrays, to_arrays, to_tensors
from manako.data.processes import Pipe, open_pipe, worker_context
from manako.errors import ManakoError, ResourceError
from manako.structures import Batch, ClassTarget, Frame, LabelsTarget, MixedTarget

Make = Callable[[int], Batch]
"""A batch from its number. It is sent to every worker, so it must be possible to pickle it."""

Batches = Generator[Batch, None, None]
"""Batches one by one. `close()` (or `contextlib.closing`) ends their workers at once."""

AHEAD = 2  # steps each worker has been asked for: one is made while another waits to be taken
PATIENCE_SECONDS = 300.0  # without an answer, a worker is given up
GRACE_SECONDS = 5.0  # for a worker to end when asked to
_SIGKILL = 9  # Windows has no name for it


def batches_of_workers(make: Make, steps: Iterable[int], workers: int) -> Batches:
    """`make(step)` for each step in order, computed by `workers` processes.

    The result does not depend on their number. Closing the generator ends them.

    Errors: a ManakoError of `make` as it was raised; ResourceError when a worker was killed, ended
    or is silent for `PATIENCE_SECONDS`; RuntimeError, with the trace, for any other error.
    """
    pool = _Pool(make, workers)
    atexit.register(pool.close)
    try:
        waiting: deque[_Worker] = deque()
        remaining = iter(steps)
        for turn, step in enumerate(remaining):
            worker = pool.workers[turn % workers]
            worker.send(step)
            waiting.append(worker)
            if len(waiting) == AHEAD * workers:
                yield waiting.popleft().answer()
        while waiting:
            yield waiting.popleft().answer()
    finally:
        atexit.unregister(pool.close)
        pool.close()


class _Pool:
    def __init__(self, make: Make, workers: int) -> None:
        context = worker_context(preload=(__name__, "manako.data.loader"))
        self.workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self.workers.append(_Worker(context))
            for worker in self.workers:  # all are starting meanwhile
                worker.send(make)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers; by force those that do not end by themselves."""
        ending, self.workers = self.workers, []
        for worker in ending:
            worker.connection.close()
        for worker in ending:
            worker.end()


class _Worker:
    """One process, seen from the one that uses it."""

    def __init__(self, context: BaseContext) -> None:
        self.connection, theirs = open_pipe(context)
        self.process = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs,), name="manako-loader", daemon=True
        )
        try:
            self.process.start()
        finally:
            theirs.close()  # or the pipe would not end with the worker

    def send(self, message: Make | int) -> None:
        """First what makes batches, then the step of each batch that is wanted."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._lost() from error

    def answer(self) -> Batch:
        """The batch of the earliest step not yet answered."""
        try:
            if not self.connection.poll(PATIENCE_SECONDS):
                raise ResourceError(
                    f"a loader worker has not answered for {PATIENCE_SECONDS:g} s",
                    fix="see whether the disk with the pictures still answers; workers=0 does "
                    "without loader workers",
                )
            answer = self.connection.recv()
            if isinstance(answer, _Parcel):
                return _unpack(answer, self.connection)
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(answer, ManakoError):
            raise answer
        raise RuntimeError(f"a loader worker failed:\n{answer}")

    def end(self) -> None:
        """Wait for the process, whose pipe is closed."""
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()

    def _lost(self) -> ResourceError:
        self.process.join(GRACE_SECONDS)
        code = self.process.exitcode
        if code is not None and code < 0:
            return ResourceError(
                f"a loader worker was killed by the system (signal {-code}, "
                f"{signal.strsignal(-code)})",
                fix="most likely memory ran out: use fewer workers or smaller batches"
                if -code == _SIGKILL
                else "use workers=0 to see where it happens",
            )
        return ResourceError(
            f"a loader worker ended by itself (exit code {code})",
            fix="read what it wrote on stderr; a script that uses workers needs "
            '`if __name__ == "__main__":` around what it does; workers=0 does without',
        )


def _serve(connection: Pipe) -> None:
    """Answer until the pipe ends: what a worker process does."""
    # A signal to the whole group (Ctrl-C, a batch system that stops a job) is the main process's
    # to handle: it may want a few more batches before it saves, and it ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        make: Make = connection.recv()
    except EOFError:  # nothing was wanted
        return
    with suppress(EOFError, OSError):  # the other side is closed, or its process is gone
        while True:
            _answer(make, connection.recv(), connection)


def _answer(make: Make, step: int, connection: Pipe) -> None:
    try:
        parcel, pixels = _pack(make(step))
    except ManakoError as error:
        connection.send(error)
    except MemoryError:
        connection.send(
            ResourceError(
                "a loader worker ran out of memory", fix="use fewer workers or smaller batches"
            )
        )
    except Exception:  # a bug, told to the process that can end the run
        connection.send(traceback.format_exc())
    else:
        connection.send(parcel)
        connection.send_bytes(pixels.numpy().reshape(-1).data)


@dataclass(frozen=True)
class _Parcel:
    """A batch without its values, which follow as plain bytes.

    They are of `dtype` and have `shape`: [B, H, W, C] of pictures, as these lie in memory, and
    [B, C, *size] of signals. The truths are those of `to_arrays`.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    truths: tuple[Arrays | ClassTarget | MixedTarget | LabelsTarget | None, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]


def _pack(batch: Batch) -> tuple[_Parcel, Tensor]:
    images = batch.images
    values = images.permute(0, 2, 3, 1) if images.dtype == torch.uint8 else images
    truths = tuple(to_arrays(target) for target in batch.targets)
    parcel = _Parcel(tuple(values.shape), values.dtype, truths, batch.frames, batch.names)
    return parcel, values.contiguous()


def _unpack(parcel: _Parcel, connection: Pipe) -> Batch:
    values = torch.empty(parcel.shape, dtype=parcel.dtype)
    connection.recv_bytes_into(values.numpy().reshape(-1).data)
    images = values.permute(0, 3, 1, 2) if parcel.dtype == torch.uint8 else values
    targets = tuple(to_tensors(truth) for truth in parcel.truths)
    return Batch(images, targets, parcel.frames, parcel.names)
