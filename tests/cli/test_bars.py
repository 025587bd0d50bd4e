"""Whoever watches a terminal sees how far the work is; files, pipes and the quiet see no bar."""

from __future__ import annotations

import io
import re

import pytest
import torch

import shapes
from manako.cli.main import run
from manako.console import progress, set_quiet
from manako.reports.contents import Picture
from manako.reports.figures import figures
from manako.structures import ClassTarget

TRAIN = ["--model", "quick32", "--model-option", "width=8", "--batch", "8", "--steps", "2",
         "--threads", "1"]  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """Runs a command without patience; what its stderr showed, without colours."""
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")

    def run_and_look(arguments, stream):
        monkeypatch.setattr("sys.stderr", stream)
        assert run([str(one) for one in arguments]) == 0
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())

    yield run_and_look
    set_quiet(False)


def test_every_long_piece_of_work_has_a_bar(watch, tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    folder = tmp_path / "run"

    trained = watch(["train", data, *TRAIN, "--out", folder], Terminal())
    scored = watch(["val", folder, data, "--out", tmp_path / "p.csv"], Terminal())
    found = watch(["predict", folder, data / "test"], Terminal())
    silent = watch(["val", folder, data, "--quiet"], Terminal())
    piped = watch(["predict", folder, data / "test"], io.StringIO())

    for title in ("checking", "decoding train", "training", "evaluating val", "evaluating test",
                  "finding intervals", "writing predictions"):  # fmt: skip
        assert title in trained
    for title in ("evaluating test", "finding intervals", "writing predictions"):
        assert title in scored
    assert re.search(r"predicting.*pictures/s", found)
    assert (silent, piped) == ("", "")
    capsys.readouterr()


def test_drawing_a_report_has_a_bar(watch, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)

    figures([Picture(image, "a.png", ClassTarget(0), None, 1.0)], ["cat"])

    assert "drawing the report" in stream.getvalue()
