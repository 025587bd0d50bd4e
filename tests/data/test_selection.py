"""What options ask for, made a selection."""

from __future__ import annotations

import pytest

from manako.data.selection import Selection
from manako.errors import DataError, UsageError


def test_nothing_asked_is_the_plain_selection():
    assert Selection.parsed() == Selection()


def test_options_are_parsed(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\n# no\n", encoding="utf-8")

    selection = Selection.parsed(3, "p([0-9]+)", "2/5", tmp_path / "list.txt")

    assert selection == Selection(3, "p([0-9]+)", (2, 5), frozenset({"a.jpg"}))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"group_by": "p("}, UsageError, "is no regular expression"),
        ({"fold": "5/2"}, UsageError, "fold cannot be '5/2'"),
        ({"exclude": "gone.txt"}, DataError, r"cannot be read: gone\.txt"),
    ],
)
def test_faults_are_found_before_any_data_are_read(options, error, message):
    with pytest.raises(error, match=message):
        Selection.parsed(**options)
