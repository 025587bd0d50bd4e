"""How worker processes are started, and the two-way pipe to each of them.

Both are quickest with sockets of the machine itself (AF_UNIX). Where a sandbox forbids even those,
processes are started anew and talk through two one-way pipes: slower, and the same result.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

_PIPE_BYTES = 4 * 2**20  # about a batch of 32 pictures of 224 x 224


@dataclass(frozen=True)
class TwoPipes:
    """A pipe to read from and one to write to, used like one `Connection`."""

    reader: Connection
    writer: Connection

    def send(self, message: Any) -> None:
        """Pickle `message` and write it."""
        self.writer.send(message)

    def send_bytes(self, data: Any) -> None:
        """Write bytes as they are."""
        self.writer.send_bytes(data)

    def recv(self) -> Any:
        """The next message; EOFError when the other side is closed."""
        return self.reader.recv()

    def recv_bytes_into(self, buffer: Any) -> int:
        """The next bytes, written into `buffer`; their number."""
        return self.reader.recv_bytes_into(buffer)

    def poll(self, seconds: float | None = 0.0) -> bool:
        """Whether a message comes within `seconds`."""
        return self.reader.poll(seconds)

    def close(self) -> None:
        """Close both."""
        self.reader.close()
        self.writer.close()


Pipe = Connection | TwoPipes


def worker_context(preload: Sequence[str] = ()) -> BaseContext:
    """How processes are started here: copies of one that has imported `preload`, if possible."""
    if "forkserver" in multiprocessing.get_all_start_methods() and sockets_allowed():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*preload])
        return context
    return multiprocessing.get_context("spawn")


def open_pipe(context: BaseContext) -> tuple[Pipe, Pipe]:
    """The two ends of a two-way pipe: for this process and for the one to be started."""
    if os.name == "nt":
        return context.Pipe()
    if sockets_allowed():
        ends = context.Pipe()
        for end in ends:
            _widen(end)
        return ends
    reader, their_writer = context.Pipe(duplex=False)
    their_reader, writer = context.Pipe(duplex=False)
    return TwoPipes(reader, writer), TwoPipes(their_reader, their_writer)


def sockets_allowed() -> bool:
    """Whether this process may make a socket, be it one that does not leave the machine."""
    try:
        socket.socket(socket.AF_UNIX).close()
    except Exception:  # whatever a sandbox raises in place of making one, or Windows lacks
        return False
    return True


def _widen(connection: Connection) -> None:
    """Let a batch wait in the pipe, where the system can: each part of it waits for the reader.

    Where the system's own 200 kB are the limit, they stay.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIPE_BYTES)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIPE_BYTES)
