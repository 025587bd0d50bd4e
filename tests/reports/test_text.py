from __future__ import annotations

from manako.reports.text import class_table, splits_table
from manako.structures import Score, Scores


def test_the_headline_stands_first_and_intervals_where_they_are_known():
    overall = {"pixel_accuracy": Score(0.9), "mean_iou": Score(0.5, 0.4, 0.6)}

    columns, rows = splits_table({"test": Scores("mean_iou", overall)})

    assert columns == ("score", "test", "95 % interval")
    assert rows == [
        ("mean IoU", "0.500", "0.400 to 0.600"),
        ("pixel accuracy", "0.900", ""),
    ]


def test_classes_follow_in_the_given_order_and_those_without_scores_are_left_out():
    of_class = {
        "road": {"iou": Score(0.25), "accuracy": Score(0.75)},
        "car": {"iou": Score(float("nan"))},
    }

    table = class_table(Scores("x", {"x": Score(0)}, of_class), ["car", "road", "tree"])

    assert table == (
        ("class", "IoU", "accuracy"),
        [("car", "–", ""), ("road", "0.250", "0.750")],
    )
