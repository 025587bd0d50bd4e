import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from manako.data.transforms import Mixing
from manako.errors import NumericError
from manako.structures import BoxTargets, ClassTarget, LabelsTarget, MaskTarget, Sample
from manako.training import preflight as module
from manako.training.precision import exact_arithmetic
from manako.training.preflight import chosen_pictures, preflight
from small_run import RandomPictures, small_network, small_parts


def tried(folder, model=None, steps=200, seconds=60.0, **changes):
    plain = {"batch": 8, "steps": 1000, "lr": 0.05}
    parts = small_parts(folder, **{**plain, **changes})
    with exact_arithmetic(threads=1):
        return preflight(model or larger_network(), parts, seconds=seconds, steps=steps)


def larger_network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 200), nn.ReLU(), nn.BatchNorm1d(200), nn.Linear(200, 3)
    )


def test_a_network_that_learns_eight_pictures_passes(tmp_path):
    found = tried(tmp_path)

    assert found.verdict == "passed"
    assert found.lowest_loss < 0.1 * found.first_loss
    assert found.steps < 200
    assert str(found).startswith("pre-flight passed: on 8 pictures the loss went from 1.")
    assert str(found).endswith(f"by step {found.steps}")


def test_of_fewer_pictures_it_tells_how_many(tmp_path):
    found = preflight(small_network(), small_parts(tmp_path, source=RandomPictures(3), batch=3))

    assert "on 3 pictures the loss" in str(found)


def test_smoothed_labels_and_mixed_pictures_do_not_hide_that_it_learns(tmp_path):
    found = tried(tmp_path, label_smoothing=0.5, mixing=Mixing(mixup=1.0))

    assert found.lowest_loss < 0.1 * found.first_loss


def test_a_rate_far_too_small_is_refused(tmp_path):
    with pytest.raises(
        NumericError,
        match=r"pre-flight failed: in 60 steps on the same 8 pictures the loss only went from"
        r"(.|\n)*larger --lr(.|\n)*--no-preflight",
    ) as caught:
        tried(tmp_path, lr=1e-9, steps=60)

    assert caught.value.exit_code == 6


def test_a_rate_far_too_large_is_refused(tmp_path):
    with pytest.raises(
        NumericError,
        match=r"pre-flight failed: the loss became (nan|inf) in step(.|\n)*smaller --lr",
    ):
        tried(tmp_path, lr=1e30, clip_norm=0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 20},
        {"seconds": 0.0},
        {"weights": "another"},
        {"norm_statistics": "frozen"},
        {"model": small_network()},
        {"model": small_network(), "freeze": 1},
    ],
    ids=["few steps", "no time", "loaded weights", "frozen norms", "tiny", "frozen"],
)
def test_where_nothing_is_shown_the_run_goes_on(tmp_path, changes):
    model = changes.pop("model", None)

    found = tried(tmp_path, model, **{"lr": 1e-9, "steps": 60, **changes})

    assert found.verdict == "inconclusive"


def test_the_network_the_generator_and_the_files_stay_as_they_were(tmp_path):
    model = larger_network()
    before, training = copy.deepcopy(model.state_dict()), model.training
    generator, threads = torch.get_rng_state(), torch.get_num_threads()

    tried(tmp_path, model, steps=10)

    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert model.training == training
    assert all(one.grad is None and one.requires_grad for one in model.parameters())
    assert torch.equal(generator, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert not (tmp_path / "metrics.jsonl").exists()


def test_the_rate_is_that_of_so_small_a_batch_and_memory_that_of_the_run(tmp_path, monkeypatch):
    seen = []

    def learn(network, batch, state, parts):
        seen.append((parts.settings.lr, parts.settings.accumulate, len(batch)))
        return {"loss": 1.0}

    monkeypatch.setattr(module, "learn", learn)
    tried(tmp_path, steps=1, batch=64, accumulate=16, lr=0.8)
    tried(tmp_path, steps=1, batch=32, accumulate=1, lr=0.8, optimizer="adamw")
    tried(tmp_path, steps=1, batch=4, lr=0.8)

    assert seen == [(pytest.approx(0.1), 2, 8), (pytest.approx(0.4), 1, 8), (0.8, 1, 8)]


def sample(number, target):
    return Sample(torch.zeros(1, 8, 8, dtype=torch.uint8), target, f"{number}.png")


def names(samples):
    return [one.name.removesuffix(".png") for one in samples]


def test_classes_take_turns():
    labels = [0] * 20 + [1] * 2 + [2] * 4

    chosen = chosen_pictures([sample(n, ClassTarget(label)) for n, label in enumerate(labels)])

    assert names(chosen) == ["0", "20", "22", "1", "21", "23", "2", "24"]


def test_pictures_without_objects_or_labels_come_last():
    boxes = torch.tensor([[1.0, 1.0, 4.0, 4.0]])
    none = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    ignored = BoxTargets(boxes, torch.tensor([0]), torch.tensor([True]))
    some = BoxTargets(boxes, torch.tensor([1]))

    assert names(chosen_pictures([sample(0, none), sample(1, ignored), sample(2, some)])) == [
        "2", "0", "1",
    ]  # fmt: skip
    assert names(
        chosen_pictures([sample(0, LabelsTarget(())), sample(1, LabelsTarget((0, 2)))])
    ) == ["1", "0"]
    mask = MaskTarget(torch.zeros(8, 8, dtype=torch.uint8))
    assert len(chosen_pictures([sample(n, mask) for n in range(30)])) == 8


def test_a_large_set_is_looked_at_here_and_there():
    asked = []

    class Counting(RandomPictures):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    chosen_pictures(Counting(1000))

    assert len(asked) == 64
    assert max(asked) > 900


def test_fewer_pictures_than_wanted_will_do(tmp_path):
    parts = replace(small_parts(tmp_path, batch=2, steps=1000), source=RandomPictures(3))

    with exact_arithmetic(threads=1):
        assert preflight(larger_network(), parts, steps=30).steps > 0
