"""Errors say what came, what was expected and what helps; they cross process borders whole."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from manako.errors import DataError, ManakoError, UnknownName, UsageError

CODES = {
    "ManakoError": 1,
    "UsageError": 2,
    "ShapeError": 2,
    "UnknownName": 2,
    "DataError": 3,
    "ArtefactError": 4,
    "ResourceError": 5,
    "NumericError": 6,
    "BusyError": 7,
    "Stopped": 75,
}


def all_kinds():
    found, waiting = [], [ManakoError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found


def through_pickle(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


def make(kind):
    if kind is UnknownName:
        return UnknownName("model", "resnet81", ["resnet18"], fix="see `manako models`")
    return kind("7.jpg is cut off", expected="a whole picture", fix="copy it anew")


def test_every_error_ends_the_command_line_with_its_own_code():
    codes = {
        kind.__name__: kind.exit_code for kind in all_kinds() if kind.__module__ == "manako.errors"
    }

    assert codes == CODES


def test_the_text_says_what_came_what_was_expected_and_what_helps():
    error = DataError("7.jpg is cut off", expected="a whole picture", fix="copy it anew")

    assert str(error) == "7.jpg is cut off\n  expected: a whole picture\n  fix     : copy it anew"
    assert (error.what, error.expected, error.fix) == (
        "7.jpg is cut off",
        "a whole picture",
        "copy it anew",
    )


def test_lines_without_content_are_left_out():
    assert str(DataError("7.jpg is cut off")) == "7.jpg is cut off"
    assert str(DataError("a", fix="b")) == "a\n  fix     : b"


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("duplicate", [copy.copy, through_pickle])
def test_every_error_survives_pickling_and_copying(kind, duplicate):
    error = make(kind)

    same = duplicate(error)

    assert type(same) is kind
    assert str(same) == str(error)
    assert (same.what, same.expected, same.fix) == (error.what, error.expected, error.fix)


def test_errors_of_a_worker_process_arrive_with_all_their_parts():
    code = """
from multiprocessing import get_context
from manako.errors import ManakoError, UnknownName

def fail(name):
    raise UnknownName("model", name, ["resnet18"], fix="see the list")

if __name__ == "__main__":
    with get_context("fork").Pool(1) as pool:
        try:
            pool.apply(fail, ("resnet81",))
        except UnknownName as error:
            print(error.what, "|", error.fix, "|", error.exit_code)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "no model 'resnet81'; did you mean 'resnet18'? | see the list | 2\n"


def test_usage_errors_are_value_errors_too():
    with pytest.raises(ValueError, match="no such option"):
        raise UsageError("no such option")


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("resnet81", ["unet", "resnet18"], "no model 'resnet81'; did you mean 'resnet18'?"),
        ("resnet8", ["resnet18", "resnet34", "unet"], "did you mean 'resnet18' or 'resnet34'?"),
        ("xyz", ["unet", "resnet18"], "no model 'xyz'; known: resnet18, unet"),
        ("xyz", [f"a{n:02}" for n in range(21)], "a18, a19, …"),
        ("", [], "no model ''; known: "),
    ],
)
def test_an_unknown_name_offers_near_names_else_the_known_ones(name, known, message):
    text = str(UnknownName("model", name, iter(known)))

    assert text.startswith(f"no model {name!r}; ")
    assert text.endswith(message)
