from __future__ import annotations

from manako.reports.text import scores_table
from manako.structures import Score, Scores


def test_the_first_row_is_the_whole_and_each_class_follows_in_the_given_order():
    scores = Scores(
        "mean_iou",
        {"pixel_accuracy": Score(0.9), "mean_iou": Score(0.5, 0.4, 0.6)},
        {"road": {"iou": Score(0.25)}, "car": {"iou": Score(float("nan"))}},
    )

    columns, rows = scores_table(scores, ["car", "road", "tree"])

    assert columns == ("class", "mean iou", "pixel accuracy", "iou")
    assert rows == [
        ("all", "0.500", "0.900", ""),
        ("95 % from", "0.400", "", ""),
        ("95 % to", "0.600", "", ""),
        ("car", "", "", "–"),
        ("road", "", "", "0.250"),
    ]


def test_a_score_of_the_same_name_stands_in_one_column():
    scores = Scores("recall", {"recall": Score(0.5)}, {"car": {"recall": Score(0.25)}})

    assert scores_table(scores, ["car"]) == (
        ("class", "recall"),
        [("all", "0.500"), ("car", "0.250")],
    )
