import re

import pytest

import shapes
from manako.data.check import check_dataset
from manako.data.formats import read_dataset
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.reports import check_page
from manako.reports.check_page import render_check, write_check_page
from manako.reports.check_text import check_text, class_rows, sections
from planted import encoded, faulty_set, smooth, write


def examined(root):
    dataset = with_validation(read_dataset(root), Selection())
    return check_dataset(dataset, workers=0), dataset


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return examined(faulty_set(tmp_path_factory.mktemp("faulty") / "set"))


def test_every_finding_stands_on_the_page_with_its_pictures(faulty):
    page = render_check(*faulty)

    for section in sections(faulty[0]):
        assert section.title in page
    assert page.count("<img") == 2 + 2 + 2 + 2 + 2 + 7  # leaks, conflict, repeat, blank, oddities
    assert 'alt="train/cat/both.png"' in page


def test_the_page_asks_nobody_for_anything(faulty):
    page = render_check(*faulty)

    assert "default-src &#39;none&#39;; img-src data:" in page
    assert not re.search(r"<script|https?://|@import|url\(", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)', page))


def test_names_of_files_and_classes_cannot_become_markup(tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    for number in range(4):
        for split in ("train", "test"):
            for place, name in enumerate((evil, "b")):
                seed = number + 10 * place + 100 * (split == "test")
                write(tmp_path / split / name / f"{number}.png", encoded(smooth(seed)))
    write(tmp_path / "train" / evil / "'\"&.png", (tmp_path / "test/b/0.png").read_bytes())

    page = render_check(*examined(tmp_path))

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_picture_that_is_gone_leaves_a_page_without_it(tmp_path):
    root = faulty_set(tmp_path / "set")
    report, dataset = examined(root)
    (root / "train" / "cat" / "both.png").unlink()

    write_check_page(tmp_path / "page.html", report, dataset)

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'alt="train/cat/both.png"' not in page
    assert "train: train/cat/both.png (cat)" in page


@pytest.mark.parametrize("task", sorted(shapes.MAKERS))
def test_classes_are_summed_where_a_report_of_a_run_sums_them(task, tmp_path):
    report, dataset = examined(shapes.MAKERS[task](tmp_path / "set"))

    summed = "<tfoot>" in render_check(report, dataset)

    assert summed == (task in ("classification", "detection"))


def test_long_lists_are_cut_with_a_count(faulty, monkeypatch):
    monkeypatch.setattr(check_page, "MOST_LISTED", 2)
    monkeypatch.setattr(check_page, "MOST_FIGURES", 1)

    page = render_check(*faulty)

    assert "and 1 more" in page
    assert page.count("<img") == 2 + 2 + 2 + 1 + 7


def test_the_text_shows_a_few_rows_of_each_and_says_how_many_more(tmp_path):
    for number in range(9):
        for name in ("a", "b"):
            content = encoded(smooth(number + 20 * (name == "b"))) if number < 2 else b""
            write(tmp_path / "train" / name / f"{number}.png", content)
            write(tmp_path / "val" / name / f"{number}.png", encoded(smooth(50 + number, (50, 60))))
    report, _ = examined(tmp_path)

    lines = check_text(report).splitlines()

    assert lines[0] == "refused  14 pictures cannot be used"
    assert lines[1:6] == [f"           train/a/{number}.png is empty" for number in range(2, 7)]
    assert lines[6] == "           and 9 more"


def test_of_many_classes_the_rarest_and_the_most_frequent_are_shown(tmp_path):
    for label in range(30):
        for number in range(2 + label % 3):
            data = encoded(smooth(10 * label + number, (20, 24)))
            write(tmp_path / f"class{label:02d}" / f"{number}.png", data)
    report, _ = examined(tmp_path)

    columns, rows = class_rows(report)

    assert columns[:3] == ("class", "train", "val")
    assert len(rows) == 11
    assert rows[5][0] == "(20 more)"
    assert sum(rows[0][1:]) < sum(rows[-1][1:])
