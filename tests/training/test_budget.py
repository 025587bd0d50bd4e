import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import UsageError
from manako.training.budget import Pace, measure_pace, plan_steps
from manako.training.precision import exact_arithmetic
from small_run import small_network, small_parts, small_settings

positive = st.floats(0.001, 2.0)


@given(positive, positive, st.floats(60.0, 3600.0))
def test_what_is_planned_fits_into_the_time(step_seconds, validation_seconds, seconds):
    steps, every = plan_steps(small_settings(), Pace(step_seconds, validation_seconds), seconds)

    validations = -(-steps // every)
    assert steps * step_seconds + (validations + 1) * validation_seconds <= seconds + 1e-6
    assert steps >= 10
    assert 1 <= validations <= 5


@given(positive, positive, st.integers(1, 50))
def test_an_asked_interval_of_validation_is_kept_and_paid_for(step, validation, every):
    seconds = 1000.0

    steps, kept = plan_steps(small_settings(), Pace(step, validation), seconds, every)

    assert kept == every
    assert steps * step + (steps // every + 1) * validation <= seconds


def test_most_of_the_time_is_used():
    steps, _ = plan_steps(small_settings(), Pace(0.1, 1.0), 600.0)

    assert steps * 0.1 > 0.9 * 600


def test_a_budget_without_room_for_ten_steps_is_refused():
    with pytest.raises(UsageError, match=r"leaves 10 s for training, and one step of 5 .* 2.00 s"):
        plan_steps(small_settings(), Pace(2.0, 1.0), 10.4)


def test_the_pace_is_measured_on_a_network_of_its_own(tmp_path):
    parts = small_parts(tmp_path)
    built = []

    def build():
        built.append(small_network())
        return built[-1]

    with exact_arithmetic(threads=1):
        pace = measure_pace(build, parts, seconds=0.05, validation_seconds=lambda model: 0.25)

    assert len(built) == 1
    assert 0 < pace.step_seconds < 5
    assert pace.validation_seconds == 0.25
    assert parts.journal.rows() == []
    assert list((tmp_path / "checkpoints").iterdir()) == []
