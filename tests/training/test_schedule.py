import pytest

from manako.config.settings import Settings
from manako.training.schedule import learning_rate, schedule_factor


def settings(**changes):
    plain = {
        "data": "d",
        "task": "classification",
        "model": "lenet5",
        "size_hw": (28, 28),
        "batch": 8,
        "steps": 100,
        "validate_every": 5,
        "lr": 2.0,
    }
    return Settings(**{**plain, **changes})


@pytest.mark.parametrize("schedule", ["cosine", "step", "onecycle", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000])
def test_every_schedule_stays_within_zero_and_the_peak(schedule, steps):
    factors = [schedule_factor(schedule, step, steps) for step in range(steps)]

    assert all(0 < factor <= 1 for factor in factors)
    assert schedule == "step" or steps < 10 or max(factors) > 0.99


def test_cosine_is_half_way_in_the_middle_and_falls_all_the_time():
    factors = [schedule_factor("cosine", step, 100) for step in range(100)]

    assert factors[0] == 1
    assert factors[50] == pytest.approx(0.5)
    assert factors == sorted(factors, reverse=True)


def test_steps_divide_by_ten_at_a_half_and_at_three_quarters():
    factors = [schedule_factor("step", step, 64) for step in (0, 31, 32, 47, 48, 63)]

    assert factors == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_one_cycle_peaks_after_a_fifth():
    factors = [schedule_factor("onecycle", step, 100) for step in range(100)]

    assert factors.index(max(factors)) == 20
    assert factors[-1] < 0.02


def test_warm_up_rises_in_equal_steps_to_the_schedule():
    warming = settings(schedule="constant", warmup_steps=4)

    rates = [learning_rate(warming, step) for step in range(6)]

    assert rates == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0, 2.0])
