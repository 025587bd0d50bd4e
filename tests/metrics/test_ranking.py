import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from manako.metrics.ranking import affordable_resamples, average_precisions, ranked, roc_areas

MEASURES = {"roc": (roc_areas, roc_auc_score), "ap": (average_precisions, average_precision_score)}
every_measure = pytest.mark.parametrize("name", list(MEASURES))


@st.composite
def cases(draw):
    """Scores with many ties, truths of both kinds, and how often each picture counts."""
    count = draw(st.integers(2, 30))
    scores = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    truth = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    weights = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    return np.array(scores) / 6, np.array(truth), np.array(weights)


@every_measure
@given(case=cases())
def test_a_draw_scores_what_scikit_learn_gives_its_pictures(name, case):
    scores, truth, weights = case
    measure, reference = MEASURES[name]

    (found,) = measure(ranked(scores, truth), weights[:, None])

    drawn = np.repeat(np.arange(len(scores)), weights)
    if truth[drawn].any() and not (name == "roc" and truth[drawn].all()):
        assert found == pytest.approx(reference(truth[drawn], scores[drawn]), abs=1e-12)
    else:
        assert np.isnan(found)


@every_measure
def test_scores_without_ties_and_many_draws_agree_with_weights(name):
    generator = np.random.default_rng(0)
    truth = generator.random(300) < 0.2
    scores = generator.random(300).astype(np.float32) + truth * 0.3
    weights = generator.integers(0, 4, (300, 7))
    measure, reference = MEASURES[name]

    found = measure(ranked(scores, truth), weights)

    expected = [reference(truth, scores, sample_weight=column) for column in weights.T]
    assert found == pytest.approx(expected, abs=1e-12)


@every_measure
@pytest.mark.parametrize("truth", [[False] * 3, [True] * 3])
def test_without_two_kinds_of_pictures_there_is_no_area(name, truth):
    found = MEASURES[name][0](ranked(np.array([0.1, 0.5, 0.5]), np.array(truth)), np.ones((3, 2)))

    assert len(found) == 2
    assert np.isnan(found).all() == (name == "roc" or not any(truth))


def test_fewer_draws_are_made_only_where_all_of_them_would_take_long():
    assert affordable_resamples(1, 1) == 1000
    assert affordable_resamples(10_000, 60) == 500
    assert affordable_resamples(10**6, 10**4) == 100
