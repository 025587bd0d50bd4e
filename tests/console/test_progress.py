"""A bar for those who watch a terminal; nothing for files, pipes, the quiet and the quick."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr

import pytest

from manako.console import progress, say, set_quiet, track


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    yield Terminal()
    set_quiet(False)


def shown(stream):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_a_terminal_sees_title_share_rate_and_note(terminal):
    with redirect_stderr(terminal), track("training", total=4, unit="pictures") as bar:
        bar.advance(1, note="loss [0.41]")
        bar.advance(2)
        bar._bar.refresh()

    text = shown(terminal)
    assert "training" in text
    assert "75 %" in text
    assert re.search(r"[\d.e+]+ pictures/s", text)
    assert "loss [0.41]" in text


def test_a_message_during_the_work_appears_beside_the_bar(terminal):
    with redirect_stderr(terminal), track("training", total=2) as bar:
        bar.advance()
        say("step 1 is saved")

    assert "step 1 is saved" in shown(terminal)


def test_without_a_total_the_count_is_shown(terminal):
    with redirect_stderr(terminal), track("reading", unit="files") as bar:
        bar.advance(7)
        bar._bar.refresh()

    assert re.search(r"reading.* 7 ", shown(terminal))


def test_a_bar_inside_a_bar_stays_silent_and_the_next_one_shows(terminal):
    with redirect_stderr(terminal):
        with track("outer", total=1) as outer:
            outer.advance()
            with track("inner", total=1) as inner:
                inner.advance()
        with track("after", total=1) as after:
            after.advance()

    assert "inner" not in shown(terminal)
    assert "after" in shown(terminal)


def test_the_bar_ends_with_an_error_and_the_terminal_is_given_back(terminal):
    with redirect_stderr(terminal):
        with pytest.raises(KeyError), track("training", total=2) as bar:
            {}[bar.advance()]
        given_back = sys.stderr

    assert "training" in shown(terminal)
    assert progress._shown == []
    assert given_back is terminal


def test_quiet_work_and_quick_work_show_nothing(terminal, monkeypatch):
    with redirect_stderr(terminal):
        set_quiet(True)
        with track("quiet", total=1) as bar:
            bar.advance()
        set_quiet(False)
        monkeypatch.setattr(progress, "PATIENCE_SECONDS", 60.0)
        with track("quick", total=1) as bar:
            bar.advance()

    assert terminal.getvalue() == ""


def test_a_pipe_gets_messages_but_no_bar():
    code = """
from manako.console import progress, say, track
progress.PATIENCE_SECONDS = 0.0
with track("training", total=3) as bar:
    bar.advance()
    say("step 1 is saved")
    bar.advance(2)
import sys
assert "rich" not in sys.modules
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "step 1 is saved\n")


def test_importing_the_console_is_silent_and_cheap():
    code = """
import sys, manako.console
assert not {"rich", "torch", "numpy"} & set(sys.modules), "not lazy"
"""

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
