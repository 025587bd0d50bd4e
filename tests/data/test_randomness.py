import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.data.randomness import Draws, permutation, philox4x32, uniforms
from manako.errors import UsageError

ALL = 0xFFFFFFFF

# Random123's kat_vectors, "philox4x32 10".
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ALL, ALL, ALL, ALL), (ALL, ALL), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, words):
    assert " ".join(f"{int(word):08x}" for word in philox4x32(counter, key)) == words


def test_philox_of_arrays_is_philox_of_each_element():
    counters = np.random.default_rng(0).integers(0, 2**32, (4, 20), dtype=np.uint64)

    together = np.stack(philox4x32(tuple(counters), (7, 9)))

    one_by_one = [philox4x32([int(word) for word in column], (7, 9)) for column in counters.T]
    assert np.array_equal(together.T, one_by_one)


def test_uniforms_are_the_words_of_the_counter_of_index_and_epoch():
    seed, epoch, index = 2**40 + 5, 3, 17

    row = uniforms(seed, epoch, [index], 6)[0]

    words = [
        int(word) for block in (0, 1) for word in philox4x32((index, epoch, block, 0), (5, 2**8))
    ]
    assert (row == np.array(words[:6]) / 2**32).all()


@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**32 - 1),
    indices=st.lists(st.integers(0, 2**32 - 1), max_size=5),
    count=st.integers(0, 9),
)
def test_a_row_of_uniforms_does_not_depend_on_the_others(seed, epoch, indices, count):
    rows = uniforms(seed, epoch, indices, count)

    assert rows.shape == (len(indices), count)
    assert ((rows >= 0) & (rows < 1)).all()
    for index, row in zip(indices, rows, strict=True):
        assert (uniforms(seed, epoch, [index], count + 3)[0, :count] == row).all()


def test_uniforms_are_spread_evenly_and_do_not_follow_each_other():
    numbers = uniforms(seed=1, epoch=2, indices=np.arange(50_000), count=4)

    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    expected = numbers.size / 20
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    correlations = np.corrcoef(numbers.T) - np.eye(4)
    lagged = np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]
    assert chi_squared < 43.8  # exceeded once in a thousand, at 19 degrees of freedom
    assert abs(correlations).max() < 4 / np.sqrt(50_000)
    assert abs(lagged) < 4 / np.sqrt(50_000)


def test_seeds_and_epochs_give_other_numbers():
    rows = [tuple(uniforms(seed, epoch, [0], 4)[0]) for seed in (0, 1, 2**32) for epoch in range(3)]

    assert len(set(rows)) == 9


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(0, 300))
def test_a_permutation_holds_every_number_once(seed, epoch, n):
    order = permutation(seed, epoch, n)

    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    assert (permutation(seed, epoch, n) == order).all()


def test_a_permutation_sorts_the_numbers_by_64_bit_draws():
    seed, epoch, n = 3, 4, 9
    blocks = [[int(w) for w in philox4x32((i, epoch, 0, 1), (seed, 0))] for i in range(5)]
    draws = [half for w0, w1, w2, w3 in blocks for half in (w0 << 32 | w1, w2 << 32 | w3)]

    order = permutation(seed, epoch, n)

    assert order.tolist() == sorted(range(n), key=lambda number: draws[number])


def test_permutations_stay_what_they_are_and_differ_by_seed_and_epoch():
    assert permutation(0, 0, 8).tolist() == [4, 5, 0, 3, 6, 7, 2, 1]
    assert permutation(1, 0, 8).tolist() != permutation(0, 0, 8).tolist()
    assert permutation(0, 1, 8).tolist() != permutation(0, 0, 8).tolist()


def test_all_permutations_are_equally_likely():
    seen = [tuple(permutation(seed, 0, 3)) for seed in range(1200)]

    counts = np.unique(seen, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 200) ** 2 / 200).sum() < 20.5  # once in a thousand, 5 degrees of freedom


def test_draws_turn_uniforms_into_what_is_asked_for():
    lowest, highest = np.nextafter(1, 0), 0.0

    draws = Draws([0.5, lowest, highest, lowest, 0.3, 0.3, 0.7])

    assert draws.uniform(-1, 3) == 1
    assert draws.integer(-2, 3) == 2
    assert draws.integer(-2, 3) == -2
    assert draws.choice(["a", "b"]) == "b"
    assert draws.chance(0.31)
    assert not draws.chance(0.3)
    assert draws.integer(5, 6) == 5


@given(st.integers(-50, 50), st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_whole_numbers_stay_in_their_range(low, span, number):
    assert low <= Draws([number]).integer(low, low + span) < low + span


def test_a_chance_comes_as_often_as_it_says():
    numbers = uniforms(seed=3, epoch=0, indices=range(20_000), count=1)

    hits = sum(Draws(row).chance(0.3) for row in numbers)

    assert abs(hits - 6000) < 4 * np.sqrt(20_000 * 0.3 * 0.7)


@pytest.mark.parametrize("make", [uniforms, permutation])
@pytest.mark.parametrize(
    ("seed", "epoch", "message"),
    [
        (-1, 0, "seed -1 cannot be used"),
        (2**64, 0, "seed 18446744073709551616 cannot be used"),
        (0, -1, "epoch -1 cannot be used"),
        (0, 2**32, "epoch 4294967296 cannot be used"),
    ],
)
def test_a_seed_or_epoch_out_of_range_is_refused(make, seed, epoch, message):
    with pytest.raises(UsageError, match=message):
        make(seed, epoch, *([[0], 1] if make is uniforms else [3]))


def test_a_negative_number_of_things_is_not_permuted():
    with pytest.raises(UsageError, match="cannot permute -1 things"):
        permutation(0, 0, -1)


def test_an_empty_range_has_no_whole_number():
    with pytest.raises(UsageError, match="no whole number is at least 3 and below 3"):
        Draws([0.5]).integer(3, 3)


def test_taking_more_numbers_than_there_are_is_refused():
    draws = Draws([0.1])
    draws.chance(0.5)

    with pytest.raises(UsageError, match="took more than its 1 random numbers"):
        draws.chance(0.5)
