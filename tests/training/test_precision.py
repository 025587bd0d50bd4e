import pytest
import torch

from manako.errors import UsageError
from manako.training.precision import (
    autocast,
    choose_device,
    choose_precision,
    exact_arithmetic,
    seed_step,
    seeded,
)


def test_threads_and_determinism_are_restored_after_an_error():
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    with pytest.raises(RuntimeError, match="on purpose"), exact_arithmetic(threads=1):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(3)
        raise RuntimeError("on purpose")

    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def test_seeding_is_repeatable_and_leaves_the_callers_generator_alone():
    state = torch.get_rng_state()

    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        second = torch.rand(4)

    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_a_step_draws_depends_on_seed_and_step():
    draws = {}
    with seeded(0):
        for seed, step in [(0, 0), (0, 1), (1, 0), (0, 0)]:
            seed_step(seed, step)
            draws.setdefault((seed, step), []).append(torch.rand(4))

    assert torch.equal(*draws[0, 0])
    assert not torch.equal(draws[0, 0][0], draws[0, 1][0])
    assert not torch.equal(draws[0, 0][0], draws[1, 0][0])


def test_autocast_computes_products_in_bfloat16_only_when_asked():
    ones = torch.ones(2, 2)

    with autocast("cpu", "bfloat16"):
        half = ones @ ones
    with autocast("cpu", "float32"):
        full = ones @ ones

    assert (half.dtype, full.dtype) == (torch.bfloat16, torch.float32)


def test_precision_is_chosen_by_measuring_and_says_so():
    before = torch.get_num_threads()

    precision, why = choose_precision("cpu", threads=1)

    assert torch.get_num_threads() == before

    assert precision in ("float32", "bfloat16")
    assert "measured" in why


def test_a_device_that_is_not_here_is_refused():
    for name in ("gpu9", "meta", "mps"):
        with pytest.raises(UsageError, match=f"'{name}' is no device that manako works on"):
            choose_device(name)
    assert choose_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto") == choose_device(None) == "cpu"
        with pytest.raises(UsageError, match="torch finds no CUDA device here"):
            choose_device("cuda:0")


def test_a_gpu_beyond_the_last_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert [choose_device(name) for name in ("cuda", "cuda:1")] == ["cuda", "cuda:1"]
    with pytest.raises(UsageError, match="'cuda:2' was asked for, but there are 2 CUDA devices"):
        choose_device("cuda:2")
