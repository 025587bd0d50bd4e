"""Results on stdout, all else on stderr, and nothing that drives the terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.console import is_quiet, print_json, print_table, say, set_quiet, warn
from manako.errors import UsageError


@pytest.fixture(autouse=True)
def loud_again():
    yield
    set_quiet(False)


def test_messages_and_warnings_go_to_stderr(capsys):
    say("reading 12 pictures")
    warn("2 pictures are grey")

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "reading 12 pictures\nwarning: 2 pictures are grey\n"


def test_quiet_silences_messages_but_not_warnings_and_results(capsys):
    set_quiet(True)

    say("reading")
    warn("grey")
    print_json([1])

    out, err = capsys.readouterr()
    assert is_quiet()
    assert json.loads(out) == [1]
    assert err == "warning: grey\n"


def test_control_characters_of_file_names_do_not_reach_the_terminal(capsys):
    say("cat\x1b[2J\r.png\tsecond\nline")
    print_table(["class"], [["a\x1b[31m\nb"]])

    out, err = capsys.readouterr()
    assert err == "cat\ufffd[2J\ufffd.png\tsecond\nline\n"
    assert out == "class\na\ufffd[31m\ufffdb\n"


def test_text_that_the_stream_cannot_encode_is_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)

    print_table(["class"], [["Größe"], ["\udcff"]])

    assert stream.buffer.getvalue() == b"class\nGr\\xf6\\xdfe\n\\udcff\n"


def test_json_has_no_nan_at_any_depth(capsys):
    print_json({"a": [float("inf"), (1.5, float("nan"))], "b": {"c": -float("inf")}, "d": True})

    out, _ = capsys.readouterr()
    assert json.loads(out, parse_constant=pytest.fail) == {
        "a": [None, [1.5, None]],
        "b": {"c": None},
        "d": True,
    }


def test_json_in_an_ascii_terminal_is_still_json(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)

    print_json({"größe": "眼"})

    assert json.loads(stream.buffer.getvalue()) == {"größe": "眼"}


@given(
    rows=st.lists(
        st.tuples(st.text(st.characters(categories=["L", "N"]), min_size=1), st.integers())
    )
)
def test_a_table_keeps_every_cell_and_aligns_numbers_to_the_right(rows):
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)

        print_table(["class", "pictures"], rows)

    header, *lines = stream.getvalue().splitlines()
    assert header.split() == ["class", "pictures"]
    assert [line.split() for line in lines] == [[name, str(count)] for name, count in rows]
    assert all(line[-1].isdigit() for line in lines)


def test_wide_characters_count_as_two_columns_and_combining_marks_as_none(capsys):
    print_table(["name", "n"], [["眼", 1], ["e\u0301", 22], [None, None]])

    out, _ = capsys.readouterr()
    assert out == "name   n\n眼     1\ne\u0301     22\n\n"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(UsageError, match="a row of 1 cells in a table of 2 columns"):
        print_table(["a", "b"], [["only"]])
