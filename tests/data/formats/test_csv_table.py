"""Tables of pictures: their columns, dialects, and errors with file and line."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manako.data.dataset import Item
from manako.data.formats import read_dataset
from manako.errors import DataError
from manako.structures import ClassTarget, LabelsTarget

CAT, DOG = ClassTarget(0), ClassTarget(1)
PICTURES = {"a/1.jpg": "1", "a/2.jpg": "2", "3.jpg": "3"}


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tar.gz"])
def test_a_table_with_all_columns_gives_one_set_however_it_is_packed(write, kind):
    table = (
        "file,class,split,group,note\n"
        "a/1.jpg,dog,train,p1,x\n3.jpg,cat,valid,p2,\na/2.jpg,cat,train,,\n"
    )

    dataset = read_dataset(write({**PICTURES, "list.csv": table}, kind))

    assert (dataset.format, dataset.classes) == ("CSV table", ("cat", "dog"))
    assert dataset.splits == {
        "train": (Item("a/1.jpg", DOG, "p1"), Item("a/2.jpg", CAT)),
        "val": (Item("3.jpg", CAT, "p2"),),
    }
    assert dataset.notes == ("val holds nothing of dog",)


@pytest.mark.parametrize("path", ["path", "image", " File ", "FILENAME", "file_name"])
@pytest.mark.parametrize("label", ["label", "Class"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_columns_delimiters_and_byte_order_marks_are_understood(
    write, path, label, delimiter, mark
):
    rows = [(path, label), ("a/1.jpg", "dog"), ("./3.jpg", "cat"), ("a\\2.jpg", "cat")]
    table = mark + "\r\n".join(delimiter.join(row) for row in rows) + "\r\n\r\n"

    dataset = read_dataset(write({**PICTURES, "list.csv": table}) / "list.csv")

    assert dataset.splits == {
        "all": (Item("a/1.jpg", DOG), Item("3.jpg", CAT), Item("a/2.jpg", CAT))
    }


def test_a_table_given_by_its_path_reads_no_other_file(write):
    root = write({**PICTURES, "list.csv": "path,label\n3.jpg,cat\na/1.jpg,dog\n"})
    (root / "broken").symlink_to(root / "nothing")

    dataset = read_dataset(root / "list.csv")

    assert dataset.files.paths == ("3.jpg", "a/1.jpg")
    assert dataset.files.read("3.jpg") == b"3"


FIELDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="|"),
    min_size=1,
    max_size=10,
).map(lambda text: unicodedata.normalize("NFC", text).strip() or "x")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(FIELDS, st.sampled_from(["train", "val", "test"])), min_size=2, max_size=6),
    st.sampled_from([",", ";"]),
)
def test_what_is_written_is_read(write, rows, delimiter):
    rows = [
        ("first", "train"),
        ("second", "train"),
        *((label, "train") for label, _ in rows),
        *rows,
    ]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(["path", "label", "split"])
    writer.writerows([f"{n}.png", *row] for n, row in enumerate(rows))
    files = {f"{n}.png": "x" for n in range(len(rows))}

    dataset = read_dataset(write({**files, "list.csv": stream.getvalue()}) / "list.csv")

    found = {
        int(item.image[:-4]): (dataset.classes[item.truth.label], split)
        for split, items in dataset.splits.items()
        for item in items
    }
    assert found == dict(enumerate(rows))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,label\n3.jpg,cat\nb.jpg,dog\n", "list.csv:3 names b.jpg, which does not exist"),
        ("path,label\n../3.jpg,cat\n", r"list.csv:2 leads out of the folder of the table: \.\./3"),
        ("path,label\n/etc/3.jpg,cat\n", "list.csv:2 leads out of the folder"),
        ("path,label\nC:\\3.jpg,cat\n", "list.csv:2 leads out of the folder"),
        ("path,label\n3.jpg,\n", "list.csv:2 has no label"),
        ("path,label\n,cat\n", "list.csv:2 has no path"),
        ("path,label,split\n3.jpg,cat,\n", "list.csv:2 has no split"),
        ("path,label,split\n3.jpg,cat,dev\n", "list.csv:2 has the split 'dev'"),
        ("path,label\n3.jpg\n", "list.csv:2 has 1 fields"),
        ("path,label\n3.jpg,a,b\n", "list.csv:2 has 3 fields"),
        (
            "path,label\n3.jpg,cat\n\n./3.jpg,dog\n",
            r"list.csv:4 lists 3.jpg again \(first in line 2",
        ),
        ('path,label\n3.jpg,"cat\n', "list.csv:2 cannot be read: unexpected end of data"),
        ("path,label\n", "list.csv lists no picture"),
        ("path,file,label\n3.jpg,3.jpg,cat\n", "more than one column for the path: path, file"),
        (b"path,label\n3.jpg,caf\xe9\n", "list.csv:2 is not UTF-8"),
        ("path,label\n3.jpg,cat\n".encode("utf-16"), "list.csv is UTF-16\n  fix     : save it as"),
        ("path,label\n3.jpg,cat\n".encode("utf-16-le"), "list.csv is UTF-16"),
        ("path,label\n3.jpg,ca\0t\n", "list.csv:2 holds a zero byte"),
        ("path,label\n3.jpg,ca\x1bt\n", r"list.csv:2 has a label with the character '\\x1b'"),
        ('path,label\n"3\n.jpg",cat\n', r"list.csv:3 has a path with the character '\\n'"),
        ("path,label\n3.jpg," + 1001 * "c", "list.csv:2 has a label of 1,001 characters: ccc"),
        ("path,label\n" + 300 * "c" + ",cat", "list.csv:2 names ccc.*too long for a file"),
        ("path,label\n3.jpg," + 140_000 * "c", "list.csv:2 cannot be read: field larger than"),
        ("path,label\nhttps://a.b/3.jpg,cat\n", "list.csv:2 names an address, not a file: https"),
        ("path,label\ndata:image/png;base64;iVBO,cat", "list.csv:2 names an address"),
        ("path,label\n./,cat\n", "list.csv:2 leads out of the folder"),
        ("path,label\n3.jpg,cat|\n", r"list.csv:2 has an empty label in 'cat\|'"),
        ("path,label,labels\n3.jpg,cat,cat\n", "more than one column for the label: label, labels"),
        ("path,labels\n3.jpg,\n", "has no label: all 1 pictures show nothing"),
        ("path,labels\n3.jpg,cat\n", "holds the single label 'cat', on all pictures"),
        ("path;labels\n3.jpg;cat;dog\n", "list.csv:2 has 3 fields"),
        ("path,label\n3.jpg,cat\n", "holds the single class 'cat'"),
        ("path,label,split,group\n3.jpg,cat,train,p\na/1.jpg,dog,test,p\n", "the group 'p' is in"),
    ],
)
@pytest.mark.parametrize("given_by", ["folder", "table"])
def test_faults_are_named_with_file_and_line(write, table, message, given_by):
    root = write({**PICTURES, "list.csv": table})

    with pytest.raises(DataError, match=message):
        read_dataset(root if given_by == "folder" else root / "list.csv")


def test_a_near_name_is_offered_for_a_missing_picture(write):
    root = write({**PICTURES, "list.csv": "path,label\na/11.jpg,cat\n"})

    with pytest.raises(DataError) as caught:
        read_dataset(root)

    assert caught.value.fix.startswith("did you mean 'a/1.jpg'")


def test_a_table_without_the_columns_is_refused_when_asked_for_and_passed_over_when_not(write):
    root = write({"cat/1.jpg": "a", "dog/1.jpg": "b", "list.csv": "id,score\n1,2\n"})

    with pytest.raises(DataError, match="has the columns 'id', 'score'"):
        read_dataset(root / "list.csv")
    (root / "list.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"list\.csv is empty\n  expected: one of path, image"):
        read_dataset(root / "list.csv")
    assert read_dataset(root).format == "class folders"


@pytest.mark.parametrize(
    "content", [b"id,caf\xe9\n1,2\n", b"\xff\xfei\0d\0\n\0", b'"id', b"\0" * 99]
)
def test_another_table_at_the_top_is_no_reason_to_stop(write, content):
    root = write({"cat/1.jpg": "a", "dog/1.jpg": "b", "list.csv": content})

    assert read_dataset(root).format == "class folders"


@pytest.mark.parametrize(
    "table",
    [
        "path,label\na/1.jpg,dog|cat\n3.jpg,cat\na/2.jpg,\n",
        "path,labels\na/1.jpg,dog|cat\n3.jpg,cat\na/2.jpg,\n",
        "path,labels\na/1.jpg,dog;cat\n3.jpg,cat\na/2.jpg,\n",
        'path;labels\na/1.jpg;"dog;cat"\n3.jpg;cat\na/2.jpg;\n',
        "path;labels\na/1.jpg;dog | cat|dog\n3.jpg;cat\na/2.jpg;\n",
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_cell_with_several_labels_makes_the_set_multilabel(write, table, kind):
    dataset = read_dataset(write({**PICTURES, "list.csv": table}, kind))

    assert (dataset.task, dataset.classes) == ("multilabel", ("cat", "dog"))
    assert dataset.splits["all"] == (
        Item("a/1.jpg", LabelsTarget((0, 1))),
        Item("3.jpg", LabelsTarget((0,))),
        Item("a/2.jpg", LabelsTarget(())),
    )
    assert dataset.notes == ("1 of 3 pictures show none of the classes",)


def test_a_column_of_labels_is_multilabel_though_no_cell_holds_two(write):
    table = "path,labels\na/1.jpg,dog\n3.jpg,cat\n"

    assert read_dataset(write({**PICTURES, "list.csv": table})).task == "multilabel"


def test_a_semicolon_in_a_column_of_one_label_is_part_of_the_label(write):
    table = "path,label\na/1.jpg,dog; large\n3.jpg,cat\n"

    dataset = read_dataset(write({**PICTURES, "list.csv": table}))

    assert (dataset.task, dataset.classes) == ("classification", ("cat", "dog; large"))


def test_of_two_tables_one_must_be_named(write):
    table = "path,label\n3.jpg,cat\na/1.jpg,dog\n"
    root = write({**PICTURES, "one.csv": table, "two.csv": table})

    with pytest.raises(DataError, match=r"more than one table of pictures: one\.csv, two\.csv"):
        read_dataset(root)
    assert read_dataset(root / "two.csv").classes == ("cat", "dog")


def test_accents_may_be_written_in_either_form(write):
    nfc, nfd = (unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD"))
    root = write(
        {f"{nfd}.jpg": "x", "3.jpg": "3", "list.csv": f"path,label\n{nfc}.jpg,{nfd}\n3.jpg,bee\n"}
    )

    dataset = read_dataset(root)

    assert dataset.splits["all"][0].image == f"{nfd}.jpg"
    assert nfc in dataset.classes
