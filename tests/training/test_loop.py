import os
import signal

import pytest
import torch

from manako.data.transforms import Mixing
from manako.errors import NumericError, Stopped
from manako.structures import Score, Scores
from manako.training.loop import fit, learn
from manako.training.precision import exact_arithmetic
from manako.training.state import TrainingState
from small_run import RandomPictures, small_network, small_parts


def train(folder, until=None, **changes):
    """Train in `folder` from its newest checkpoint, stopping by a signal after step `until`."""
    parts = small_parts(folder, **changes)
    state = TrainingState(small_network(), parts.settings)
    parts.checkpoints.load_newest(state)
    parts.journal.rewind(state.progress.step)
    with exact_arithmetic(threads=1):
        if until is None:
            fit(parts, state)
        else:
            advance = state.average.update

            def update_then_stop(model):
                advance(model)
                if state.progress.step + 1 == until:
                    os.kill(os.getpid(), signal.SIGTERM)

            state.average.update = update_then_stop
            with pytest.raises(Stopped, match=f"stopped by SIGTERM after step {until}"):
                fit(parts, state)
    return state


def same_bits(one, other):
    first, second = one.tensors(), other.tensors()
    return first.keys() == second.keys() and all(
        first[stem].keys() == second[stem].keys()
        and all(torch.equal(value, second[stem][name]) for name, value in first[stem].items())
        for stem in first
    )


@pytest.mark.parametrize("stop_after", range(1, 12))
def test_a_run_stopped_after_any_step_ends_with_the_same_bits(tmp_path, stop_after):
    whole = train(tmp_path / "whole")

    train(tmp_path / "parts", until=stop_after)
    resumed = train(tmp_path / "parts")

    assert same_bits(whole, resumed)
    assert whole.progress.best_step == resumed.progress.best_step
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in parts.journal.rows()]
        for parts in (small_parts(tmp_path / "whole"), small_parts(tmp_path / "parts"))
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path, optimizer):
    whole = train(tmp_path / "whole", optimizer=optimizer, clip_norm=1.0)

    train(tmp_path / "parts", until=3, optimizer=optimizer, clip_norm=1.0)
    train(tmp_path / "parts", until=8, optimizer=optimizer, clip_norm=1.0)
    resumed = train(tmp_path / "parts", optimizer=optimizer, clip_norm=1.0)

    assert same_bits(whole, resumed)


EVERYTHING = {
    "accumulate": 2,
    "freeze": 1,
    "stage_lr_factor": 0.5,
    "bias_lr_factor": 4.0,
    "average_decay": 0.9,
    "mixing": Mixing(mixup=0.4, cutmix=1.0),
}


@pytest.mark.parametrize("stop_after", [1, 5, 11])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_with_parts_stages_averages_and_mixing_too(tmp_path, optimizer, stop_after):
    whole = train(tmp_path / "whole", optimizer=optimizer, **EVERYTHING)

    train(tmp_path / "parts", until=stop_after, optimizer=optimizer, **EVERYTHING)
    resumed = train(tmp_path / "parts", optimizer=optimizer, **EVERYTHING)

    assert same_bits(whole, resumed)


@pytest.mark.parametrize(
    "name", ["accumulate", "freeze", "stage_lr_factor", "bias_lr_factor", "mixing"]
)
def test_each_of_them_changes_the_run(tmp_path, name):
    plain = train(tmp_path / "plain")

    other = train(tmp_path / "other", **{name: EVERYTHING[name]})

    differing = [
        key for key, value in plain.model.state_dict().items()
        if not torch.equal(value, other.model.state_dict()[key])
    ]  # fmt: skip
    assert "5.weight" in differing


def test_a_frozen_stage_and_its_norm_keep_every_bit(tmp_path):
    before = small_network().state_dict()

    after = train(tmp_path, freeze="backbone").model.state_dict()

    kept = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert kept == [name for name in before if not name.startswith("5.")]


def test_frozen_norms_keep_statistics_and_learn_their_scale(tmp_path):
    before = small_network().state_dict()

    after = train(tmp_path, norm_statistics="frozen").model.state_dict()

    assert torch.equal(before["1.running_mean"], after["1.running_mean"])
    assert int(after["1.num_batches_tracked"]) == 0
    assert not torch.equal(before["1.weight"], after["1.weight"])


def test_every_part_of_a_batch_draws_its_own_dropout(tmp_path):
    parts = small_parts(tmp_path, accumulate=2, batch=8, source=RandomPictures(8))
    state = TrainingState(small_network(), parts.settings)
    seen = []
    state.model[4].register_forward_hook(lambda layer, given, out: seen.append(out == 0))
    batch = next(parts.batches(range(1)))

    with exact_arithmetic(threads=1):
        learn(state.model, batch, state, parts)

    assert [len(one) for one in seen] == [4, 4]
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("name", ["accumulate", "mixing"])
def test_a_loss_that_is_not_finite_is_told_with_parts_and_mixed_pictures(tmp_path, name):
    parts = small_parts(tmp_path, **{name: EVERYTHING[name]})
    model = small_network()
    with torch.no_grad():
        model[5].bias.fill_(float("inf"))
    state = TrainingState(model, parts.settings)
    before = {key: value.clone() for key, value in model.named_parameters()}

    with (
        exact_arithmetic(threads=1),
        pytest.raises(NumericError, match=r"the loss became nan in step 1, on pic"),
    ):
        fit(parts, state)

    assert all(torch.equal(before[key], value) for key, value in model.named_parameters())


def test_the_seed_changes_the_run(tmp_path):
    first = train(tmp_path / "first", seed=0)
    second = train(tmp_path / "second", seed=1)

    assert not same_bits(first, second)


def test_workers_do_not_change_a_bit(tmp_path):
    alone = train(tmp_path / "alone", workers=0)
    helped = train(tmp_path / "helped", workers=2)

    assert same_bits(alone, helped)


def test_training_learns_what_can_be_learned(tmp_path):
    parts = small_parts(tmp_path, steps=100, validate_every=100, lr=0.02)
    state = TrainingState(small_network(), parts.settings)

    with exact_arithmetic(threads=1):
        fit(parts, state)

    losses = [row["loss"] for row in parts.journal.rows() if "loss" in row]
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])


def test_a_loss_that_is_not_finite_ends_the_run_before_the_weights_are_touched(tmp_path):
    parts = small_parts(tmp_path, lr=0.05)
    model = small_network()
    with torch.no_grad():
        model[5].bias.fill_(float("inf"))
    state = TrainingState(model, parts.settings)
    before = {name: value.clone() for name, value in model.named_parameters()}

    with (
        exact_arithmetic(threads=1),
        pytest.raises(NumericError, match=r"the loss became nan in step 1, on pic"),
    ):
        fit(parts, state)

    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert parts.checkpoints.load_newest(state) is None


def test_early_stopping_ends_the_run_and_a_resume_does_not_go_on(tmp_path):
    falling = iter([0.5, 0.4, 0.3, 0.2, 0.1])

    def validate(model):
        return Scores("accuracy", {"accuracy": Score(next(falling))})

    first = train(tmp_path, validate=validate, validate_every=2, stop_after=2)
    again = train(tmp_path, validate=validate, validate_every=2, stop_after=2)

    assert (first.progress.step, first.progress.best_step) == (6, 2)
    assert again.progress.step == 6


def test_the_best_network_is_kept_not_the_last(tmp_path):
    scores = iter([0.2, 0.9, 0.5])
    seen = []

    def validate(model):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return Scores("accuracy", {"accuracy": Score(next(scores))})

    state = train(tmp_path, validate=validate)
    best = small_parts(tmp_path).checkpoints.load_best()

    assert state.progress.best_step == 8
    assert all(torch.equal(best[name], value) for name, value in seen[1].items())


def test_of_equally_good_networks_the_latest_is_kept_and_patience_still_ends(tmp_path):
    scores = iter([0.5, 0.9, 0.9, 0.9, 0.9, 0.9])

    def validate(model):
        return Scores("accuracy", {"accuracy": Score(next(scores))})

    state = train(tmp_path, validate=validate, validate_every=2, stop_after=3)

    assert (state.progress.step, state.progress.best_step) == (10, 10)
    best = small_parts(tmp_path).checkpoints.load_best()
    assert all(torch.equal(best[name], value) for name, value in state.product.state_dict().items())


def test_a_checkpoint_is_saved_after_every_step_when_asked(tmp_path):
    train(tmp_path, save_seconds=0.0, steps=5)

    kept = sorted(one.name for one in (tmp_path / "checkpoints").glob("step-*"))
    assert kept == ["step-00000004", "step-00000005"]


def test_a_small_last_batch_is_spread_so_that_norms_can_use_it(tmp_path):
    state = train(tmp_path, source=RandomPictures(6), steps=4)

    assert state.progress.step == 4
