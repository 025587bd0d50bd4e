from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
import torch

from manako.reports.contents import Picture
from manako.reports.page import render, write_report
from manako.structures import (
    BoxTargets,
    ClassPrediction,
    ClassTarget,
    Detections,
    LabelMap,
    LabelsPrediction,
    LabelsTarget,
    MaskTarget,
    Score,
    Scores,
)

TASKS = ("classification", "multilabel", "detection", "segmentation")
VOID = {"meta", "img", "br", "link", "input", "hr", "rect", "path", "line", "circle"}
SECTIONS = ["data", "curves", "scores", "pictures", "configuration", "environment"]


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """All elements of a page with the text inside each; refuses tags that do not match."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def with_id(self, name: str) -> Element:
        return next(one for one in self.elements if one.attributes.get("id") == name)


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def words(element: Element) -> str:
    return " ".join(element.text.split())


@pytest.mark.parametrize("task", TASKS)
def test_every_section_is_there_and_linked(task, contents_of):
    page = parsed(render(contents_of(task)))

    assert [one.attributes["id"] for one in page.all("section")] == SECTIONS
    assert [one.attributes["href"] for one in page.all("a")] == [f"#{one}" for one in SECTIONS]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("section", "empty"),
    [
        ("data", {"data": {}, "notes": ()}),
        ("curves", {"curves": []}),
        ("curves", {"curves": [{"step": 3, "seconds": 1.5}]}),
        ("scores", {"scores": {}}),
        ("pictures", {"pictures": []}),
        ("configuration", {"config": {}}),
        ("environment", {"environment": {}}),
    ],
)
def test_a_section_without_content_is_left_out(task, section, empty, contents_of):
    page = parsed(render(contents_of(task, **empty)))

    left = [one for one in SECTIONS if one != section]
    assert [one.attributes["id"] for one in page.all("section")] == left
    assert [one.attributes["href"] for one in page.all("a")] == [f"#{one}" for one in left]


@pytest.mark.parametrize("task", TASKS)
def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(task, contents_of):
    text = render(contents_of(task))
    page = parsed(text)

    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), (element.tag, name)
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                assert value is not None
                assert value.startswith(("#", "data:image/")), (element.tag, value)
    assert {"script", "link", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        element.tag for element in page.elements
    )
    assert re.search(r"https?://|@import|url\(", text) is None


def test_the_policy_allows_only_the_style_sheet_of_the_page(contents_of):
    text = render(contents_of())

    style = re.search("<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = parsed(text).all("meta")[1].attributes["content"]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; form-action 'none'"
    )
    assert " style=" not in text  # it would be refused by that policy


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;"


@pytest.mark.parametrize("task", TASKS)
def test_hostile_names_are_text_everywhere(task, contents_of, picture_of):
    classes = (HOSTILE, HOSTILE + "2", "{{ 7 * 7 }}")
    picture = picture_of(task)
    picture = Picture(picture.image, HOSTILE, picture.truth, picture.prediction, picture.error)
    scores = contents_of(task).scores["test"]
    scores = Scores(
        "<b>", {"<b>": Score(0.5)}, {HOSTILE: {"<i>": Score(0.5)}}, scores.confusion, 10,
        scores.reliability,
    )  # fmt: skip
    contents = contents_of(
        task,
        title=HOSTILE,
        classes=classes,
        facts={HOSTILE: HOSTILE},
        data={HOSTILE: {HOSTILE: 1}},
        notes=(HOSTILE,),
        curves=[{"step": 1, "loss/" + HOSTILE: 1.0, "val/" + HOSTILE: 0.5}],
        scores={HOSTILE: scores},
        pictures=[picture],
        config={HOSTILE: (HOSTILE, HOSTILE), HOSTILE + "3": (HOSTILE, "default")},
        environment={HOSTILE: HOSTILE},
    )

    text = render(contents)

    page = parsed(text)
    assert page.all("script") == []
    assert page.all("i") == page.all("b") == []
    assert all(one.attributes["src"].startswith("data:image/") for one in page.all("img"))
    assert "49" not in words(page.with_id("data"))
    assert page.all("h1")[0].text == HOSTILE
    assert page.all("img")[0].attributes["alt"].startswith(HOSTILE)


def test_letters_that_cannot_be_seen_are_shown_as_escapes(contents_of):
    notes = ("abc\u202edef", "nul\x00", "bytes\udcff", "wide\u3000space")
    page = parsed(render(contents_of(notes=notes)))

    shown = [element.text for element in page.all("bdi")]
    assert {"abc\\u202edef", "nul\\x00", "bytes\\udcff", "wide\u3000space"} <= set(shown)


@pytest.mark.parametrize("task", TASKS)
def test_the_headline_is_the_score_of_test_with_its_interval(task, contents_of):
    page = parsed(render(contents_of(task)))

    score = next(one for one in page.all("p") if one.attributes.get("class") == "score")
    assert words(score) == "accuracy 0.851 95 % interval 0.801 to 0.901 on test, 1,234 pictures"


def test_without_test_the_headline_is_the_score_of_val(contents_of):
    scores = {"val": Scores("iou", {"iou": Score(0.5)})}

    page = parsed(render(contents_of(scores=scores)))

    score = next(one for one in page.all("p") if one.attributes.get("class") == "score")
    assert words(score) == "IoU 0.500 on val"


def rows_of(text: str, caption: str) -> list[list[str]]:
    """The cells of the first table whose caption begins with `caption`."""
    table = next(
        one
        for one in re.findall(r"<table.*?</table>", text, re.DOTALL)
        if words(parsed(one).all("caption")[0]).startswith(caption)
    )
    rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    return [[words(one) for one in parsed(row).elements if one.tag in ("th", "td")] for row in rows]


def test_numbers_of_the_tables_equal_the_scores(contents_of):
    text = render(contents_of())

    assert rows_of(text, "Overall") == [
        ["Score", "val", "test"],
        ["accuracy", "0.851 0.801 to 0.901", "0.851 0.801 to 0.901"],
        ["F1", "0.765", "0.765"],
        ["ECE", "0.043", "0.043"],
    ]
    assert rows_of(text, "Each class on test") == [
        ["Class", "recall", "precision"],
        ["cat", "0.801", "0.889"],
        ["dog", "0.902", "0.603"],
        ["owl", "–", "1.000"],
    ]
    assert rows_of(text, "Number of pictures") == [
        ["Class", "train", "test"],
        ["cat", "4,321", "5"],
        ["dog", "10", "6"],
        ["owl", "7", "0"],
        ["all", "4,338", "11"],
    ]


def test_confusion_counts_pictures_and_shares_pixels(contents_of):
    pictures = rows_of(render(contents_of("classification")), "Confusion on test")
    pixels = rows_of(render(contents_of("segmentation")), "Confusion on test")

    assert pictures[1:] == [["cat", "8", "2", ""], ["dog", "1", "9", ""], ["owl", "", "4", "6"]]
    assert pixels[1:] == [["cat", "80", "20", ""], ["dog", "10", "90", ""], ["owl", "", "40", "60"]]


def test_pictures_that_show_a_class_are_not_summed(contents_of):
    counts = rows_of(render(contents_of("segmentation")), "Number of pictures that show the class")

    assert [row[0] for row in counts] == ["Class", "cat", "dog", "owl"]


def test_many_classes_are_summarised_and_confusion_becomes_a_list(contents_of):
    classes = tuple(f"class {index}" for index in range(60))
    matrix = [[10 if row == column else 0 for column in range(60)] for row in range(60)]
    matrix[3][4], matrix[8][2] = 5, 30
    scores = Scores("accuracy", {"accuracy": Score(0.5)}, {}, tuple(map(tuple, matrix)))
    data = {"train": {name: index for index, name in enumerate(classes)}}
    contents = contents_of(classes=classes, scores={"val": scores}, data=data, pictures=[])

    text = render(contents)

    assert rows_of(text, "60 classes")[1:] == [["train", "0 (class 0)", "29.5", "59 (class 59)"]]
    assert rows_of(text, "Most frequent mistakes on val")[1:] == [
        ["class 8", "class 2", "30", "75.0%"],
        ["class 3", "class 4", "5", "33.3%"],
    ]
    whole = rows_of(text, "Confusion on val")
    assert whole[9][1:] == ["", "", "30", *[""] * 5, "10", *[""] * 51]
    assert "The whole confusion matrix of val" in words(parsed(text).with_id("scores"))
    assert len(text) < 100_000


@pytest.mark.parametrize(("count", "tables"), [(40, 1), (41, 1), (150, 1), (151, 0)])
def test_a_matrix_that_nobody_could_read_is_left_out(count, tables, contents_of):
    classes = tuple(f"class {index}" for index in range(count))
    matrix = tuple(tuple(int(row == column) for column in range(count)) for row in range(count))
    scores = Scores("accuracy", {"accuracy": Score(0.5)}, {}, matrix)

    text = render(contents_of(classes=classes, scores={"val": scores}, data={}, pictures=[]))

    assert text.count("Confusion on val: truth in rows") == tables
    assert ("The whole confusion matrix" in text) == (40 < count <= 150)


def test_every_table_has_headers_and_every_picture_a_text(contents_of):
    for task in TASKS:
        text = render(contents_of(task))
        page = parsed(text)

        assert all(one.attributes["scope"] in ("row", "col") for one in page.all("th"))
        assert all(one.attributes["alt"] for one in page.all("img"))
        charts = [one for one in page.all("svg") if one.attributes.get("role") == "img"]
        assert len(charts) == (5 if task in ("classification", "multilabel") else 3)
        assert all(one.attributes["aria-labelledby"] for one in charts)


def test_the_picture_of_a_classification_says_truth_and_prediction(contents_of):
    page = parsed(render(contents_of("classification")))

    shown = words(page.with_id("pictures"))
    assert "wrong test/cat/7.png truth cat (0.12) predicted dog (0.75)" in shown
    image = page.all("img")[0].attributes
    assert (image["class"], image["width"], image["height"]) == ("crisp", "192", "192")
    assert image["alt"] == "test/cat/7.png: truth cat (0.12); predicted dog (0.75)"


def test_the_pictures_of_a_classification_are_called_what_they_are(contents_of):
    headings = {
        task: words(parsed(render(contents_of(task))).with_id("pictures-title")) for task in TASKS
    }

    assert headings == {
        "classification": "The most confident mistakes",
        "multilabel": "Missed and wrong labels, the worst first",
        "detection": "Pictures, the worst first",
        "segmentation": "Pictures, the worst first",
    }


def test_the_picture_of_several_labels_says_what_was_missed_and_what_is_wrong(contents_of):
    page = parsed(render(contents_of("multilabel")))

    assert (
        "wrong test/7.png truth cat (0.88), dog (0.25) found cat (0.88), owl (0.75) "
        "missed dog (0.25) wrong owl (0.75)"
    ) in words(page.with_id("pictures"))


def test_right_labels_are_called_right(contents_of):
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    said = LabelsPrediction(torch.tensor([0.9, 0.1, 0.1]))
    picture = Picture(image, "a.png", LabelsTarget((0,)), said, 0.1)

    shown = words(parsed(render(contents_of("multilabel", pictures=[picture]))).with_id("pictures"))

    assert shown.endswith("right a.png truth cat (0.90) found cat (0.90)")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_reliability_is_drawn_and_told_in_words(task, contents_of):
    page = parsed(render(contents_of(task)))

    assert "Reliability on test; expected calibration error (ECE) 0.043" in words(
        page.with_id("scores")
    )
    what, hit = {
        "classification": ("answers with confidence", "right"),
        "multilabel": ("labels with probability", "shown"),
    }[task]
    assert f"80 {what} 0.60 to 1.00, mean 0.900: 1.000 of them {hit}" in words(
        page.with_id("reliability-1-text")
    )
    scores = words(page.with_id("scores"))
    assert ("share of them shown too high too low" in scores) == (task == "multilabel")
    assert ("surer than right" in scores) == (task == "classification")
    bars = [one for one in page.all("rect") if one.attributes.get("class") == "rate"]
    assert len(bars) == 2 * (2 + 1)  # on test and on val two bars and one in the legend


def test_where_reliability_was_not_measured_nothing_is_drawn(contents_of):
    assert "Reliability" not in render(contents_of("detection"))


def test_options_with_default_values_are_folded_away(contents_of):
    text = render(contents_of())

    folded = re.search(
        r"<details>\s*<summary>1 options? with.*?</details>", text, re.DOTALL
    ).group()
    assert "lr" in folded
    assert "epochs" not in folded
    assert "epochs12budget 10m" in words(parsed(text).with_id("configuration"))


def test_the_picture_of_a_detection_counts_what_is_sure_enough(contents_of):
    shown = words(parsed(render(contents_of("detection"))).with_id("pictures"))

    assert "images/7.jpg truth 1 × cat, 1 × dog found 1 × cat, 1 × owl error 0.50" in shown


def test_the_picture_of_a_segmentation_has_three_panels_and_a_legend(contents_of):
    page = parsed(render(contents_of("segmentation")))

    alts = [one.attributes["alt"] for one in page.all("img")]
    assert alts == ["images/7.png: picture", "images/7.png: truth", "images/7.png: prediction"]
    assert "cat dog unknown, not scored" in words(page.with_id("pictures"))


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        (None, None),
        (ClassTarget(1), None),
        (None, ClassPrediction(torch.tensor([0.5, 0.3, 0.2]))),
        (LabelsTarget((1,)), None),
        (LabelsTarget(()), None),
        (None, LabelsPrediction(torch.tensor([0.5, 0.3, 0.2]))),
        (BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)), None),
        (None, Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))),
        (MaskTarget(torch.zeros(20, 30, dtype=torch.uint8)), None),
        (None, LabelMap(torch.zeros(20, 30, dtype=torch.uint8))),
    ],
)
def test_truth_or_prediction_may_be_missing(truth, prediction, contents_of):
    image = torch.zeros(1, 20, 30, dtype=torch.uint8)
    picture = Picture(image, "a.png", truth, prediction, 0.0)

    page = parsed(render(contents_of(pictures=[picture])))

    assert page.all("img")[0].attributes["alt"].startswith("a.png")
    if isinstance(truth, BoxTargets):
        assert "truth nothing" in words(page.with_id("pictures"))


@pytest.mark.parametrize("task", TASKS)
def test_large_pictures_in_any_number_keep_the_file_small(task, contents_of, tmp_path):
    image = torch.randint(0, 256, (3, 750, 1000), dtype=torch.uint8)  # noise: the worst for JPEG
    mask = torch.zeros(750, 1000, dtype=torch.uint8)
    truths = {
        "classification": (ClassTarget(0), None),
        "multilabel": (LabelsTarget((0,)), None),
        "detection": (BoxTargets(torch.zeros(1, 4), torch.tensor([0])), None),
        "segmentation": (MaskTarget(mask), LabelMap(mask)),
    }
    truth, prediction = truths[task]
    picture = Picture(image, "a.png", truth, prediction, 1.0)
    contents = contents_of(task, pictures=[picture] * 24)

    write_report(tmp_path / "report.html", contents)

    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(text) < 5_000_000
    page = parsed(text)
    shown = len(
        [one for one in page.all("figure") if "chart" not in one.attributes.get("class", "")]
    )
    assert 4 <= shown <= 24
    if shown < 24:
        assert f"{24 - shown} more left out" in words(page.with_id("pictures"))


def test_the_same_contents_give_the_same_file(contents_of, tmp_path):
    write_report(tmp_path / "a.html", contents_of("detection"))
    write_report(tmp_path / "b.html", contents_of("detection"))

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.html", "b.html"]
