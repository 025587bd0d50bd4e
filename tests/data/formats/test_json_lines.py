"""JSON lines: the forms of a line, and errors with file and line."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manako.data.dataset import Item
from manako.data.formats import json_lines, read_dataset
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget

PICTURES = {"a/1.jpg": "1", "a/2.jpg": "2", "3.jpg": "3"}


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
@pytest.mark.parametrize("path", ["path", "image", "file", "filename", "file_name"])
@pytest.mark.parametrize("label", ["label", "class"])
def test_a_line_gives_path_label_split_and_group(write, kind, path, label):
    text = lines(
        {path: "a/1.jpg", label: "dog", "split": "train", "group": "p1", "note": {"a": [1.5]}},
        {path: "3.jpg", label: "cat", "split": "valid", "group": 7},
        {path: "./a\\2.jpg", label: "cat", "split": "train", "group": None},
    )

    dataset = read_dataset(write({**PICTURES, "list.jsonl": text}, kind))

    assert dataset.described() == (
        "classification: JSON lines, 2 classes, train 2 · val 1 pictures"
    )
    assert dataset.splits == {
        "train": (Item("a/1.jpg", ClassTarget(1), "p1"), Item("a/2.jpg", ClassTarget(0))),
        "val": (Item("3.jpg", ClassTarget(0), "7"),),
    }


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
def test_marks_line_ends_and_blank_lines_are_understood(write, mark, end):
    records = [{"path": "3.jpg", "label": "cat"}, {"path": "a/1.jpg", "label": 10}]
    text = mark + end.join(json.dumps(record) for record in records)

    dataset = read_dataset(write({**PICTURES, "list.jsonl": text}) / "list.jsonl")

    assert dataset.classes == ("10", "cat")
    assert dataset.files.paths == ("3.jpg", "a/1.jpg")


def test_a_list_in_any_line_makes_the_set_multilabel(write):
    text = lines(
        {"path": "a/1.jpg", "label": "dog"},
        {"path": "3.jpg", "labels": []},
        {"path": "a/2.jpg", "label": ["dog", "cat", "dog"]},
    )

    dataset = read_dataset(write({**PICTURES, "list.jsonl": text}))

    assert (dataset.task, dataset.classes) == ("multilabel", ("cat", "dog"))
    assert [item.truth for item in dataset.splits["all"]] == [
        LabelsTarget((1,)),
        LabelsTarget(()),
        LabelsTarget((0, 1)),
    ]
    assert dataset.notes == ("1 of 3 pictures show none of the classes",)


@pytest.mark.parametrize("labels", ["cat|dog", " dog; cat ", ["cat", "dog"]])
def test_a_text_called_labels_is_a_list_as_it_is_in_a_csv_table(write, labels):
    given = {"3.jpg": "dog", "a/1.jpg": labels, "a/2.jpg": ""}
    text = lines(*({"path": path, "Labels": one} for path, one in given.items()))

    dataset = read_dataset(write({**PICTURES, "list.jsonl": text}))

    assert (dataset.task, dataset.classes) == ("multilabel", ("cat", "dog"))
    assert [item.truth for item in dataset.splits["all"]] == [
        LabelsTarget((1,)),
        LabelsTarget((0, 1)),
        LabelsTarget(()),
    ]


def test_line_ends_of_unicode_are_part_of_a_name(write):
    text = '{"path": "3.jpg", "label": "a\u2028b"}\n{"path": "a/1.jpg", "label": "c"}\n'

    assert read_dataset(write({**PICTURES, "list.jsonl": text})).classes == ("a\u2028b", "c")


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=10
).map(lambda text: unicodedata.normalize("NFC", text).strip() or "x")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(NAMES, max_size=3), min_size=1, max_size=6), st.booleans())
def test_what_is_written_is_read(write, labels, escaped):
    labels = [[], ["first"], *labels]
    text = "".join(
        json.dumps({"path": f"{n}.png", "labels": names}, ensure_ascii=escaped) + "\n"
        for n, names in enumerate(labels)
    )
    files = {f"{n}.png": "x" for n in range(len(labels))}

    dataset = read_dataset(write({**files, "list.jsonl": text}) / "list.jsonl")

    found = [
        {dataset.classes[label] for label in item.truth.labels} for item in dataset.splits["all"]
    ]
    assert found == [set(names) for names in labels]


GOOD = '{"path": "3.jpg", "label": "cat"}\n'


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ('{"path": "b.jpg", "label": "dog"}', "list.jsonl:2 names b.jpg, which does not exist"),
        ('{"path": "../3.jpg", "label": "dog"}', r"list.jsonl:2 leads out of the folder .*\.\./3"),
        ('{"path": "/3.jpg", "label": "dog"}', "list.jsonl:2 leads out of the folder"),
        ('{"path": "C:\\\\3.jpg", "label": "dog"}', "list.jsonl:2 leads out of the folder"),
        ('{"path": "s3://b/3.jpg", "label": "dog"}', "list.jsonl:2 names an address, not a file"),
        ('{"path": "a/1.jpg"}', r"list.jsonl:2 has no label\n  expected: a key label or class"),
        ('{"label": "dog"}', r"list.jsonl:2 has no path\n  expected: a key path or image"),
        ('{"path": "a/1.jpg", "label": null}', "list.jsonl:2 has null for a label"),
        ('{"path": "a/1.jpg", "label": 1.5}', "list.jsonl:2 has a fraction for a label"),
        ('{"path": "a/1.jpg", "label": true}', "list.jsonl:2 has true or false for a label"),
        ('{"path": "a/1.jpg", "label": {}}', "list.jsonl:2 has an object for a label"),
        ('{"path": "a/1.jpg", "label": [["a"]]}', "list.jsonl:2 has a list for a label"),
        ('{"path": "a/1.jpg", "label": "a|b"}', "list.jsonl:2 has the label 'a|b', which may be"),
        ('{"path": "a/1.jpg", "labels": "a|"}', r"list.jsonl:2 has an empty label in 'a\|'"),
        ('{"path": "a/1.jpg", "label": " "}', "list.jsonl:2 has an empty label"),
        ('{"path": "a/1.jpg", "label": ["a", ""]}', "list.jsonl:2 has an empty label"),
        ('{"path": 7, "label": "dog"}', "list.jsonl:2 has a number for a path"),
        ('{"path": "", "label": "dog"}', "list.jsonl:2 has no path"),
        ('{"path": "a\\u0000", "label": "dog"}', r"list.jsonl:2 has a path with .* '\\x00'"),
        ('{"path": "\\ud800", "label": "dog"}', r"list.jsonl:2 has a path with .* '\\ud800'"),
        ('{"path": "a/1.jpg", "label": "\\ud800"}', r"list.jsonl:2 has a label with the charac"),
        ('{"path": "3.jpg", "label": "dog"}', r"list.jsonl:2 lists 3.jpg again \(first in line 1"),
        (
            '{"path": "a/1.jpg", "path": "3.jpg", "label": "d"}',
            "list.jsonl:2 has the key 'path' tw",
        ),
        ('{"path": "3.jpg", "file": "3.jpg", "label": "d"}', "list.jsonl:2 has more than one colu"),
        ('{"path": "a/1.jpg", "label": "d", "x": NaN}', "list.jsonl:2 holds NaN, which is no JSON"),
        ('{"path": "a/1.jpg", "label": "d", "x": -Infinity}', "list.jsonl:2 holds -Infinity"),
        ('{"path": "a/1.jpg", "label": "d", "x": 1e400}', "list.jsonl:2 holds 1e400, which is too"),
        ('{"path": "a/1.jpg", "label": ' + 5000 * "1" + "}", "list.jsonl:2 cannot be read as JSON"),
        ('{"path": "a/1.jpg", "label": "d"', "list.jsonl:2 cannot be read as JSON"),
        ('["a/1.jpg", "dog"]', "list.jsonl:2 holds a list"),
        ('"a/1.jpg"', "list.jsonl:2 holds a text"),
        ('{"path": "a/1.jpg", "label": "d", "x": ' + 10**5 * "[", "list.jsonl:2 is nested too dee"),
        (
            '{"path": "a/1.jpg", "label": "d", "split": "val"}',
            "jsonl:1 has no split, but .*jsonl:2",
        ),
        ('{"path": "a/1.jpg", "label": "d", "group": ""}', "list.jsonl:2 has an empty group"),
        (b'{"path": "a/1.jpg", "label": "\xe9"}', "list.jsonl:2 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("given_by", ["folder", "file"])
def test_faults_are_named_with_file_and_line(write, second, message, given_by):
    second = second if isinstance(second, bytes) else second.encode()
    root = write({**PICTURES, "list.jsonl": GOOD.encode() + second})

    with pytest.raises(DataError, match=message):
        read_dataset(root if given_by == "folder" else root / "list.jsonl")


def test_a_split_of_another_name_is_refused(write):
    text = lines({"path": "3.jpg", "label": "cat", "split": "dev"})

    with pytest.raises(DataError, match=r"list\.jsonl:1 has the split 'dev'\n  expected: train"):
        read_dataset(write({**PICTURES, "list.jsonl": text}))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_with_what_to_do(write, encoding):
    root = write({**PICTURES, "list.jsonl": GOOD.encode(encoding)})

    with pytest.raises(DataError, match=r"list\.jsonl is UTF-16\n  fix     : save it as UTF-8"):
        read_dataset(root)


def test_a_line_that_is_too_long_is_refused(write, monkeypatch):
    monkeypatch.setattr(json_lines, "MOST_LINE_CHARACTERS", 30)

    with pytest.raises(DataError, match=r"list\.jsonl:1 has 33 characters"):
        read_dataset(write({**PICTURES, "list.jsonl": GOOD}))


def test_a_near_name_is_offered_for_a_missing_picture(write):
    root = write({**PICTURES, "list.jsonl": lines({"path": "a/11.jpg", "label": "cat"})})

    with pytest.raises(DataError) as caught:
        read_dataset(root)

    assert caught.value.fix.startswith("did you mean 'a/1.jpg'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list.jsonl is empty"),
        (
            '{"id": 1, "score": 2}\n',
            "list.jsonl has the keys 'id', 'score'\n  expected: one of path",
        ),
        ("hello\n", "list.jsonl has no keys"),
    ],
)
def test_other_json_lines_are_refused_when_asked_for_and_passed_over_when_not(write, text, message):
    root = write({"cat/1.jpg": "a", "dog/1.jpg": "b", "list.jsonl": text})

    with pytest.raises(DataError, match=message):
        read_dataset(root / "list.jsonl")
    assert read_dataset(root).format == "class folders"
