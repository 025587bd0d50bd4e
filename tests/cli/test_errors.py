"""Exit codes and messages of the command line."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from manako.cli import main as module
from manako.cli.main import run
from manako.cli.options import parse_options
from manako.errors import (
    ArtefactError,
    BusyError,
    DataError,
    ManakoError,
    NumericError,
    ResourceError,
    Stopped,
    UsageError,
)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "Did you mean 'train'?"),
        (["train", "data", "--modle", "x"], 2, "no option '--modle'; did you mean --model"),
        (["train"], 2, "Missing argument 'data'"),
        (["train", "data", "--epochs", "many"], 2, "Invalid value for '--epochs'"),
        (["train", "data", "--lr"], 2, "requires an argument"),
        (["train", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (["info", "resnet81"], 2, "no model 'resnet81'; did you mean 'resnet18'"),
        (["models", "--task", "detektion"], 2, "no task 'detektion'; did you mean 'detection'?"),
        (["val", "/nowhere", "data"], 4, "/nowhere is no recognizer"),
        (["resume", "n" * 300], 2, "a name is too long for a file: nnn"),
        (["train", "n" * 300], 2, "a name is too long for a file: nnn"),
        (["val", "n" * 300, "data"], 2, "a name is too long for a file: nnn"),
        (["resume", "/nowhere"], 2, "/nowhere is not the folder of a run"),
        (["train", "data", "--budget", "soon"], 2, "'soon' is no duration"),
        (["train", "data", "--imgsz", "big"], 2, "'big' is no picture size"),
        (["train", "data", "--model-option", "width"], 2, "--model-option 'width' is not under"),
    ],
)
def test_a_mistake_ends_with_its_code_and_says_what_to_do(arguments, code, message, capsys):
    assert run(arguments) == code

    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err


def raising(error):
    """In place of the command line: one whose verb raises `error`."""

    def invoke(context):
        raise error

    context = nullcontext(SimpleNamespace(command=SimpleNamespace(invoke=invoke)))
    return lambda app: SimpleNamespace(make_context=lambda name, arguments: context)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ManakoError("x"), 1),
        (UsageError("x"), 2),
        (DataError("x"), 3),
        (ArtefactError("x"), 4),
        (ResourceError("x"), 5),
        (NumericError("x"), 6),
        (BusyError("x"), 7),
        (Stopped("x"), 75),
        (MemoryError(), 5),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_every_error_has_its_exit_code(error, code, monkeypatch, capsys):
    monkeypatch.setattr(module, "get_command", raising(error))

    assert run([]) == code
    assert capsys.readouterr().err.startswith("manako: ")


def test_a_bug_names_the_line_and_asks_for_a_report(monkeypatch, capsys):
    monkeypatch.setattr(module, "get_command", raising(ZeroDivisionError("on purpose")))

    run([])

    message = capsys.readouterr().err
    assert "a bug in manako: ZeroDivisionError: on purpose" in message
    assert "test_errors.py:" in message


def test_debugging_shows_the_whole_error(monkeypatch):
    monkeypatch.setattr(module, "get_command", raising(ZeroDivisionError("on purpose")))
    monkeypatch.setenv("MANAKO_DEBUG", "1")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        run([])


def test_the_code_reaches_the_shell_and_a_closed_pipe_is_no_error():
    wrong = subprocess.run(
        [sys.executable, "-m", "manako", "info", "resnet81"], capture_output=True, text=True
    )
    piped = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m manako models | head -1"],
        capture_output=True,
        text=True,
    )

    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert piped.stdout.startswith("name")
    assert (piped.returncode, piped.stderr) == (0, "")


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (None, None),
        (["width=32"], {"width": 32}),
        (["a=-1", "b=1.5", "c=1e-3", "d=true", "e=tanh", "f="],
         {"a": -1, "b": 1.5, "c": 1e-3, "d": True, "e": "tanh", "f": ""}),
    ],
)  # fmt: skip
def test_model_options_are_numbers_truths_or_texts(texts, options):
    assert parse_options(texts) == options


def test_without_a_verb_the_help_is_shown(capsys):
    assert run([]) == 0

    assert capsys.readouterr().out.startswith("Usage: manako")
