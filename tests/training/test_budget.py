import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.errors import UsageError
from manako.training import budget
from manako.training.budget import Pace, measure_step, plan_steps
from manako.training.precision import exact_arithmetic
from small_run import small_network, small_parts, small_settings

positive = st.floats(0.001, 2.0)


@given(positive, positive, st.floats(0.0, 10.0), st.floats(60.0, 3600.0))
def test_what_is_planned_fits_into_the_time(step, validation, finish, seconds):
    steps, every = plan_steps(small_settings(), Pace(step, validation, finish), seconds)

    validations = -(-steps // every)
    assert steps * step + validations * validation + finish <= seconds + 1e-6
    assert steps >= 10
    assert 1 <= validations <= 5


@given(positive, positive, st.integers(1, 50))
def test_an_asked_interval_of_validation_is_kept_and_paid_for(step, validation, every):
    seconds = 1000.0

    steps, kept = plan_steps(small_settings(), Pace(step, validation, 5.0), seconds, every)

    assert kept == every
    assert steps * step + -(-steps // every) * validation + 5.0 <= seconds


def test_most_of_the_time_is_used_and_a_reserve_is_kept():
    steps, _ = plan_steps(small_settings(), Pace(0.1, 1.0, 5.0), 600.0)

    # A machine that becomes 7 % slower, which happens, still ends in time.
    assert steps * 0.1 + 4 + 5 > 0.88 * 600
    assert 1.07 * (steps * 0.1 + 4 + 5) < 600


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
        seconds, learned = measure_step(build, parts, seconds=0.05)

    assert len(built) == 1
    assert isinstance(learned, type(built[0]))
    assert 0 < seconds < 5
    assert parts.journal.rows() == []
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(("steps", "taken"), [(1, 2), (4, 4), (40, 40)])
def test_so_many_steps_are_measured_and_one_more_than_does_not_count(
    tmp_path, monkeypatch, steps, taken
):
    learned = []
    monkeypatch.setattr(budget, "learn", lambda *arguments: learned.append(1))

    with exact_arithmetic(threads=1):
        measure_step(small_network, small_parts(tmp_path), seconds=60.0, steps=steps)

    assert len(learned) == taken
