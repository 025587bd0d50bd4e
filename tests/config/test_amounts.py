from __future__ import annotations

import pytest

from manako.config import parse_amount, parse_duration
from manako.errors import UsageError


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1G", 1e9), ("500M", 5e8), ("1.5k", 1500), ("2GB", 2e9), (" 3 t ", 3e12), ("7", 7)],
)
def test_amounts(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "1X", "1e9", "1 000", "nan"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UsageError, match="is no amount"):
        parse_amount(text)


def test_milliseconds():
    assert parse_duration("20ms") == 0.02
    assert parse_duration("1s500ms") == 1.5
