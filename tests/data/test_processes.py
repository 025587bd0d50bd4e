"""Worker processes where sockets are allowed, and where a sandbox forbids them."""

import socket

import numpy as np
import pytest

from manako.data.processes import TwoPipes, open_pipe, sockets_allowed, worker_context


def refuse_sockets(monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no sockets here")

    monkeypatch.setattr(socket, "socket", refuse)


def test_with_sockets_processes_are_copies_of_one_that_has_imported_everything():
    assert sockets_allowed()
    assert worker_context().get_start_method() == "forkserver"


@pytest.mark.parametrize("allowed", [True, False])
def test_both_sides_of_a_pipe_send_and_receive_until_one_is_closed(monkeypatch, allowed):
    if not allowed:
        refuse_sockets(monkeypatch)
    mine, theirs = open_pipe(worker_context())
    buffer = np.zeros(4, np.uint8)

    mine.send({"step": 3})
    asked = theirs.recv()
    nothing_yet = mine.poll(0.0)
    theirs.send_bytes(bytes([1, 2, 3, 4]))
    received = mine.recv_bytes_into(buffer)

    assert (asked, nothing_yet) == ({"step": 3}, False)
    assert (received, buffer.tolist()) == (4, [1, 2, 3, 4])
    theirs.close()
    with pytest.raises(EOFError):
        mine.recv()
    mine.close()


def test_without_sockets_processes_are_started_anew_and_have_two_pipes(monkeypatch):
    refuse_sockets(monkeypatch)

    assert not sockets_allowed()
    assert worker_context().get_start_method() == "spawn"
    ends = open_pipe(worker_context())
    assert all(isinstance(end, TwoPipes) for end in ends)
    for end in ends:
        end.close()
