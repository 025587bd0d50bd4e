"""Scores: one headline, and JSON that gives back what went in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import ShapeError
from manako.structures import ReliabilityBin, Score, Scores

finite = st.floats(allow_nan=False, allow_infinity=False)
score = st.builds(Score, finite, st.none() | finite, st.none() | finite)
table = st.dictionaries(st.text(max_size=5), score, max_size=3)

share = st.floats(0, 1)
reliability_bin = st.builds(ReliabilityBin, share, share, st.integers(1, 10**6), share, share)


@st.composite
def all_scores(draw):
    overall = draw(st.dictionaries(st.text(max_size=5), score, min_size=1, max_size=3))
    count = draw(st.integers(0, 3))
    row = st.lists(st.integers(0, 10**9), min_size=count, max_size=count).map(tuple)
    matrix = st.lists(row, min_size=count, max_size=count).map(tuple)
    return Scores(
        headline=draw(st.sampled_from(sorted(overall))),
        overall=overall,
        per_class=draw(st.dictionaries(st.text(max_size=5), table, max_size=3)),
        confusion=draw(st.none() | matrix),
        pictures=draw(st.integers(0, 10**6)),
        reliability=draw(st.none() | st.lists(reliability_bin, max_size=3).map(tuple)),
    )


@given(all_scores())
def test_json_text_gives_back_the_same_scores(scores):
    text = json.dumps(scores.as_json(), allow_nan=False)

    assert Scores.from_json(json.loads(text)) == scores


def test_scores_written_before_there_was_reliability_are_read():
    scores = Scores("top1", {"top1": Score(0.9)}, pictures=3)
    old = {name: value for name, value in scores.as_json().items() if name != "reliability"}

    assert Scores.from_json(old) == scores


def test_the_main_score_is_the_one_the_headline_names():
    scores = Scores("top1", {"top5": Score(0.99), "top1": Score(0.9)})

    assert scores.main == Score(0.9)


def test_a_headline_without_a_score_is_refused():
    with pytest.raises(ShapeError, match=r"headline 'map' is not among the scores \['top1'\]"):
        Scores("map", {"top1": Score(0.9)})


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (Score(0.9123), "0.912"),
        (Score(0.9, 0.85, 0.95), "0.900 (95 %: 0.850 to 0.950)"),
        (Score(0.9, 0.85, None), "0.900"),
        (Score(float("nan")), "nan"),
    ],
)
def test_a_score_prints_its_interval_where_it_has_both_ends(score, text):
    assert str(score) == text
