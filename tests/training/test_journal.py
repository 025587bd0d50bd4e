import pytest

from manako.errors import ArtefactError
from manako.training.journal import Journal


def test_rows_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "metrics.jsonl")

    journal.add({"step": 1, "loss": 0.5})
    journal.add({"step": 2, "loss": 0.25})

    assert journal.rows() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_a_last_line_torn_by_a_kill_is_left_out(tmp_path):
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.add({"step": 1, "loss": 0.5})
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')

    assert journal.rows() == [{"step": 1, "loss": 0.5}]


@pytest.mark.parametrize(
    "torn", [b'{"step": 2, "lo', b"\xff\xfe", b"[1]", b'{"loss": 1.0}', b'{"step": "two"}']
)
def test_a_damaged_line_between_others_is_named(tmp_path, torn):
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.add({"step": 1, "loss": 0.5})
    with journal.path.open("ab") as file:
        file.write(torn + b"\n")
    journal.add({"step": 3, "loss": 0.25})

    with pytest.raises(ArtefactError, match=r"metrics\.jsonl is damaged in line 2"):
        journal.rows()
    with pytest.raises(ArtefactError, match=r"metrics\.jsonl is damaged in line 2"):
        journal.rewind(1)


def test_rewinding_forgets_later_rows_and_the_torn_one(tmp_path):
    journal = Journal(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        journal.add({"step": step})
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"st')

    journal.rewind(2)
    journal.add({"step": 3, "again": 1})

    assert journal.rows() == [{"step": 1}, {"step": 2}, {"step": 3, "again": 1}]


def test_a_journal_that_does_not_exist_yet_is_empty(tmp_path):
    assert Journal(tmp_path / "none.jsonl").rows() == []


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        Journal(tmp_path / "metrics.jsonl").add({"step": 1, "loss": float("nan")})
