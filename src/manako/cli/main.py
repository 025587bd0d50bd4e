"""The `manako` command: verbs, and errors turned into messages and exit codes.

Exit codes: 0 done · 1 a bug in manako · 2 usage · 3 bad data, also as `manako check` finds them ·
4 corrupt or refused artefact · 5 resource · 6 numeric failure · 7 busy · 75 stopped by a signal,
state saved · 130 or 143 stopped by a signal before any state could be saved.
"""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.main import get_command

from manako.cli import cache, check, demo, fetch, info, models, predict, resume, scale, train, val
from manako.errors import ManakoError

app = typer.Typer(
    name="manako",
    help="From a folder of pictures to a recognizer you can trust.",
    add_completion=False,
    rich_markup_mode=None,  # rich takes longer to import than --help may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check.check)
app.command("train")(train.train)
app.command("resume")(resume.resume)
app.command("val")(val.val)
app.command("predict")(predict.predict)
app.command("models")(models.models)
app.command("info")(info.info)
app.command("fetch")(fetch.fetch)
app.command("scale")(scale.scale)
app.command("cache")(cache.cache)
app.command("demo")(demo.demo)

_DEBUG = "MANAKO_DEBUG"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with the exit code of what happened."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    try:
        # Not `app(...)`: that turns some errors into exit codes of its own, without a word.
        with get_command(app).make_context("manako", arguments or ["--help"]) as context:
            context.command.invoke(context)
        return 0
    except typer.Exit as done:
        return done.exit_code
    except ManakoError as error:
        _tell(str(error))
        return error.exit_code
    except typer.TyperException as error:
        _tell(_usage_message(error, arguments))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        _tell("stopped; nothing was saved")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if _is_out_of_memory(error):
            _tell("out of memory\n  fix     : use a smaller --batch or --imgsz")
            return 5
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            _tell(f"a name is too long for a file: {error.filename}\n  fix     : give another path")
            return 2
        if os.environ.get(_DEBUG):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        _tell(
            f"a bug in manako: {type(error).__name__}: {error}\n"
            f"  where   : {where.filename}:{where.lineno}\n"
            f"  fix     : please report it with the output of the same command under {_DEBUG}=1"
        )
        return 1


def _is_out_of_memory(error: Exception) -> bool:
    """Python's own error, or torch's: for a GPU by its name, for the CPU by its text."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in str(error)
    )


def _tell(message: str) -> None:
    sys.stderr.write(f"manako: {message}\n")


def _usage_message(error: typer.TyperException, arguments: Sequence[str]) -> str:
    message = error.format_message()
    if type(error).__name__ == "NoSuchOption":
        wrong = getattr(error, "option_name", "")
        near = difflib.get_close_matches(wrong, _options_of(arguments), n=2, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        message = f"no option {wrong!r}{hint}"
    verb = next((one for one in arguments if not one.startswith("-")), "")
    return f"{message}\n  fix     : see manako {verb + ' ' if verb in _verbs() else ''}--help"


def _verbs() -> list[str]:
    return sorted(getattr(get_command(app), "commands", {}))


def _options_of(arguments: Sequence[str]) -> list[str]:
    commands = getattr(get_command(app), "commands", {})
    verb = next((one for one in arguments if one in commands), None)
    parameters = commands[verb].params if verb else []
    return [option for one in parameters for option in one.opts if option.startswith("--")]
