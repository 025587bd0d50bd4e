"""Signals brought to the size of a network's input, in evaluation and in training."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manako.config.signal_form import SignalForm
from manako.data.dataset import Item
from manako.data.files import open_tree
from manako.data.randomness import Draws
from manako.data.signals.preparation import SignalPreparation, placed
from manako.data.signals.source import SignalSource, load_signals, measure_signals
from manako.data.signals.transforms import (
    Gain,
    Mask,
    Noise,
    RandomPlace,
    SignalStrengths,
    Stretch,
    signal_pipeline,
    usual_strengths,
)
from manako.errors import ResourceError, ShapeError, UnknownName, UsageError
from manako.structures import ClassTarget, Sample

SERIES = SignalForm(kind="series", channels=2, size=(6,))


def sample(*shape, level=0.0):
    values = level + torch.arange(float(np.prod(shape))).reshape(shape)
    return Sample(values, ClassTarget(1), "a")


@given(
    st.lists(
        st.tuples(st.integers(1, 7), st.integers(1, 7), st.floats(0, 1)), min_size=1, max_size=3
    )
)
def test_what_fits_is_kept_in_order_and_the_rest_is_filled(sides):
    lengths, size, at = zip(*sides, strict=True)
    values = torch.arange(1.0, 1 + 2 * np.prod(lengths)).reshape(2, *lengths)

    found = placed(values, size, at, (-1.0, -2.0))

    assert found.shape == (2, *size)
    for channel, fill in ((0, -1.0), (1, -2.0)):
        kept = found[channel][found[channel] != fill]
        assert len(kept) == np.prod([min(a, b) for a, b in zip(lengths, size, strict=True)])
        assert torch.isin(kept, values[channel]).all()
        assert (kept.diff() > 0).all()


def test_filling_does_not_change_what_is_kept_by_rounding():
    values = torch.tensor([[0.1, 0.2, 0.3]])
    found = placed(values, [5], [0.5], (1e6,))
    assert torch.equal(found[:, 1:4], values)
    assert (found[:, [0, 4]] == 1e6).all()


def test_evaluation_takes_the_middle_and_normalises_filling_to_0():
    preparation = SignalPreparation(SERIES, mean=(1.0, 2.0), std=(2.0, 4.0))
    values, frame = preparation.prepare(torch.tensor([[1.0, 3.0], [2.0, 6.0]]))
    assert frame.original_hw == (1, 2)
    assert frame.input_hw == (1, 6)
    batch = preparation.normalise(values[None])
    assert batch.tolist() == [[[0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0]]]
    long, _ = preparation.prepare(torch.arange(16.0).reshape(2, 8))
    assert long[0].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("form", "form_in_memory"),
    [
        (SignalForm(kind="log-mel", channels=1, size=(4, 5)), torch.channels_last),
        (SignalForm(kind="volume", channels=1, size=(4, 5, 6)), torch.channels_last_3d),
    ],
)
def test_maps_and_volumes_lie_as_networks_take_them(form, form_in_memory):
    preparation = SignalPreparation(form, (0.0,), (1.0,))
    batch = preparation.normalise(torch.randn(2, 1, *form.size))
    assert batch.is_contiguous(memory_format=form_in_memory)


def test_other_signals_are_refused():
    preparation = SignalPreparation(SERIES, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ShapeError, match=r"the shape \(3, 8\)\n.*2 channels and 1 dimensions"):
        preparation.prepare(torch.zeros(3, 8))
    with pytest.raises(ShapeError, match=r"the shape \(2, 8, 8\)"):
        preparation.prepare(torch.zeros(2, 8, 8))
    with pytest.raises(ShapeError, match=r"signals are of shape \(1, 3, 6\)"):
        preparation.normalise(torch.zeros(1, 3, 6))
    for mean, std in (((0.0,), (1.0, 1.0)), ((0.0, float("nan")), (1.0, 1.0))):
        with pytest.raises(UsageError, match=r"mean .* cannot be used for 2 channels"):
            SignalPreparation(SERIES, mean, std)
    with pytest.raises(UsageError, match=r"std .* cannot be used"):
        SignalPreparation(SERIES, (0.0, 0.0), (1.0, 0.0))


def test_mean_and_deviation_are_those_of_each_channel():
    source = SignalSource((sample(2, 4), sample(2, 4, level=10.0)))
    mean, std = measure_signals(source)
    values = torch.cat([source[0].image, source[1].image], 1)
    assert mean == pytest.approx(values.mean(1).tolist(), rel=1e-4)
    assert std == pytest.approx(values.std(1, correction=0).tolist(), rel=1e-4)


def test_channels_far_from_zero_are_measured_exactly_and_constant_ones_stay_quiet():
    random = torch.Generator().manual_seed(0)
    pressure = 1_000_123 + 0.5 * torch.randn(7, 500, generator=random)
    signals = [
        Sample(torch.stack([one, torch.full((500,), 1013.25)]), None, "a") for one in pressure
    ]
    mean, std = measure_signals(SignalSource(tuple(signals)))
    assert mean[0] == pytest.approx(float(pressure.double().mean()), rel=1e-12)
    assert std[0] == pytest.approx(float(pressure.double().std(correction=0)), rel=1e-9)
    assert (mean[1], std[1]) == (1013.25, 1.0)
    form = SERIES.model_copy(update={"size": (600,)})
    prepared = SignalPreparation(form, mean, std).prepare(signals[0].image)[0]
    seen = SignalPreparation(form, mean, std).normalise(prepared[None])[0]
    assert (seen[1] == 0).all()
    assert seen[0].abs().max() < 6
    louder = Gain(0.5, mean)(signals[0], Draws([0.9]))
    assert (louder.image[1] == 1013.25).all()


def test_signals_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    for number in range(4):
        np.save(tmp_path / f"{number}.npy", np.zeros((2, 100), np.float32))
    items = [Item(f"{number}.npy", ClassTarget(0)) for number in range(4)]
    tree = open_tree(tmp_path)
    monkeypatch.setattr("manako.data.signals.source._memory_bytes", lambda: 5 * 800)
    with pytest.raises(ResourceError, match="the first 2 of 4 signals fill half of the memory"):
        load_signals(tree, items, SERIES)
    monkeypatch.undo()
    assert len(load_signals(tree, items, SERIES)) == 4


def test_a_source_gives_values_of_its_own():
    source = SignalSource((sample(1, 4),))
    source[0].image.zero_()
    assert source[0].image.sum() == 6


def test_a_source_travels_to_other_processes_as_arrays():
    """A tensor would take an open file, of which there are about a thousand."""
    source = SignalSource((sample(1, 4), sample(2, 3)))
    assert b"torch._utils" not in pickle.dumps(source)
    build, parts = source.__reduce__()
    again = build(*parts)
    for one, other in zip(source, again, strict=True):
        assert torch.equal(one.image, other.image)
        assert (one.target, one.name) == (other.target, other.name)


def test_transforms_keep_truth_name_and_the_sample_that_came():
    steps = (
        Stretch(0.5),
        RandomPlace((6,), (0.0, 0.0)),
        Gain(0.5, (0.0, 0.0)),
        Noise((0.1, 0.2)),
        Mask(0.5, (0.0, 0.0)),
    )
    for step in steps:
        came = sample(2, 9)
        before = came.image.clone()
        found = step(came, Draws([0.7] * step.draws))
        assert torch.equal(came.image, before)
        assert (found.target, found.name) == (came.target, came.name)
        assert found.image.dtype == torch.float32
        assert not torch.equal(found.image, before)


def test_stretching_changes_the_speed_and_not_the_ends():
    came = sample(1, 11)
    slower = Stretch(0.5)(came, Draws([1.0])).image
    faster = Stretch(0.5)(came, Draws([0.0])).image
    assert (slower.shape, faster.shape) == ((1, 16), (1, 6))
    torch.testing.assert_close(faster, torch.tensor([[0.0, 2, 4, 6, 8, 10]]))
    assert (slower[0, 0], slower[0, -1]) == (0, 10)


def test_places_are_from_the_first_to_the_last():
    place = RandomPlace((3,), (-1.0,))
    firsts = {place(sample(1, 9), Draws([u])).image[0, 0].item() for u in np.linspace(0, 1, 50)}
    assert firsts == {0, 1, 2, 3, 4, 5, 6}


def test_gain_noise_and_masks_have_the_strengths_asked():
    came = Sample(torch.full((2, 20000), 5.0), None, "a")
    louder = Gain(0.5, (4.0, 5.0))(came, Draws([1.0])).image
    assert louder[:, 0].tolist() == [5.5, 5.0]
    noisy = Noise((0.1, 2.0))(came, Draws([0.3, 0.9])).image
    assert noisy.std(1).tolist() == pytest.approx([0.1, 2.0], rel=0.03)
    assert noisy.mean(1).tolist() == pytest.approx([5, 5], abs=0.05)
    masked = Mask(0.2, (0.0,))(Sample(torch.ones(1, 50, 100), None, "a"), Draws([1.0, 0.5] * 2))
    assert (masked.image == 0).all(2).sum() == 10  # whole bands
    assert (masked.image == 0).all(1).sum() == 20  # whole moments


@pytest.mark.parametrize("kind", ["waveform", "log-mel", "series", "volume"])
def test_the_usual_pipelines_end_in_the_size_and_depend_on_the_seed_alone(kind):
    size = {"log-mel": (8, 10), "volume": (4, 6, 8)}.get(kind, (16,))
    form = SignalForm(kind=kind, channels=2, size=size)
    pipeline = signal_pipeline(form, usual_strengths(form), (0.0, 0.0), (1.0, 1.0))
    shape = (8, 13) if kind == "log-mel" else (5, 5, 9) if kind == "volume" else (20,)
    came = sample(2, *shape)
    numbers = [pipeline.numbers(seed, 0, [3])[0].tolist() for seed in (0, 0, 1)]
    first, again, other = (pipeline(came, row).image for row in numbers)
    assert first.shape == (2, *size)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_strengths_that_cannot_be_are_refused():
    assert SignalStrengths().changed({"gain": 0.5}).gain == 0.5
    with pytest.raises(UnknownName, match="no augmentation option 'gian'; did you mean 'gain'"):
        SignalStrengths().changed({"gian": 0.5})
    with pytest.raises(UsageError, match=r"noise cannot be 2\.0"):
        SignalStrengths().changed({"noise": 2})
    with pytest.raises(UsageError, match="mask cannot be 'much'"):
        SignalStrengths().changed({"mask": "much"})
