import random
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from manako.data.dataset import Item, MaskFile
from manako.data.decoded import DecodingSource
from manako.data.files import open_tree
from manako.data.loader import Order, evaluation_batches, training_batches
from manako.data.order import batch_at
from manako.data.preparation import Preparation
from manako.data.transforms import (
    ColourJitter,
    HorizontalFlip,
    Mixing,
    Pipeline,
    RandomResizedCrop,
    ScaleAndCrop,
)
from manako.errors import DataError, UsageError
from manako.structures import BoxTargets, ClassTarget, Frame, LabelsTarget, MaskTarget

COUNT = 11
ORDER = Order(seed=5, batch_size=4)  # three batches an epoch: 4, 4 and 3 pictures
PIPELINE = Pipeline((ScaleAndCrop((6, 8)), HorizontalFlip(), ColourJitter()))
LETTERBOX = Preparation((6, 8), "letterbox", 3, (0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eleven pictures of different sizes, each with a mask."""
    made, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for index in range(COUNT):
        size_hw = (5 + index, 16 - index)
        pixels = generator.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(made / f"{index}.png")
        Image.fromarray(pixels[:, :, 0] // 100).save(made / f"{index}-mask.png")
    return made


def source_of(folder, kind="classes"):
    truths = {
        "classes": ClassTarget,
        "boxes": lambda index: BoxTargets(
            torch.tensor([[1.0, 1.0, 4.0, 4.0]] * index).view(-1, 4),
            torch.arange(index),
            torch.arange(index) > 2 if index % 2 else None,
        ),
        "masks": lambda index: MaskFile(f"{index}-mask.png"),
        "several": lambda index: LabelsTarget(tuple(range(index % 3))),
        "nothing": lambda index: None,
    }
    items = tuple(Item(f"{index}.png", truths[kind](index)) for index in range(COUNT))
    return DecodingSource(open_tree(folder), items, 3)


def assert_same_target(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, MaskTarget):
        assert torch.equal(ours.mask, theirs.mask)
    elif isinstance(ours, BoxTargets):
        assert torch.equal(ours.boxes_xyxy, theirs.boxes_xyxy)
        assert torch.equal(ours.labels, theirs.labels)
        assert (ours.ignored is None) == (theirs.ignored is None)
        assert torch.equal(ours.ignored_mask, theirs.ignored_mask)
    else:
        assert ours == theirs


def assert_same(ours, theirs):
    assert ours.names == theirs.names
    assert ours.frames == theirs.frames
    assert torch.equal(ours.images, theirs.images)
    for one, other in zip(ours.targets, theirs.targets, strict=True):
        assert_same_target(one, other)


def train(source, steps, workers=0, order=ORDER, mixing=None):
    with closing(
        training_batches(source, PIPELINE, order=order, steps=steps, mixing=mixing, workers=workers)
    ) as batches:
        return list(batches)


@pytest.mark.parametrize("kind", ["classes", "boxes", "masks", "nothing"])
@pytest.mark.parametrize("workers", [1, 2])
def test_training_batches_do_not_depend_on_the_number_of_workers(folder, kind, workers):
    source = source_of(folder, kind)

    here, there = train(source, range(1, 8)), train(source, range(1, 8), workers)

    assert len(there) == 7
    for ours, theirs in zip(there, here, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("workers", [0, 2])
def test_training_can_begin_at_any_step(folder, workers):
    source = source_of(folder)
    whole = train(source, range(9))

    for start in (0, 1, 3, 5, 8, 9):
        resumed = train(source, range(start, 9), workers)
        assert len(resumed) == 9 - start
        for ours, theirs in zip(resumed, whole[start:], strict=True):
            assert_same(ours, theirs)


@pytest.mark.parametrize("mixing", [None, Mixing(0.4, 1.0)], ids=["plain", "mixed"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_shares_of_all_processes_make_the_batch(folder, world, mixing):
    source = source_of(folder)
    whole = train(source, range(6), mixing=mixing)

    shares = [
        train(source, range(6), order=Order(5, 4, rank, world), mixing=mixing)
        for rank in range(world)
    ]

    for step, batch in enumerate(whole):
        for rank in range(world):
            share = shares[rank][step]
            assert share.names == batch.names[rank::world]
            assert torch.equal(share.images, batch.images[rank::world])
            assert share.targets == batch.targets[rank::world]


@dataclass(frozen=True)
class Counting:
    """A source that counts how often each sample is loaded."""

    source: DecodingSource
    loaded: Counter

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        self.loaded[index] += 1
        return self.source[index]


@pytest.mark.parametrize("world", [1, 2])
def test_mixing_takes_the_picture_before_and_loads_each_once(folder, world):
    source = Counting(source_of(folder), Counter())
    plain = {}
    for step, batch in enumerate(train(source_of(folder), range(3))):
        plain |= {
            (step, name): image for name, image in zip(batch.names, batch.images, strict=True)
        }

    batches = train(source, range(3), order=Order(5, 4, 0, world), mixing=Mixing(mixup=1.0))

    assert max(source.loaded.values()) == 1
    for step, batch in enumerate(batches):
        _, indices = batch_at(ORDER.seed, step, COUNT, ORDER.batch_size)
        before = dict(zip(indices.tolist(), np.roll(indices, 1).tolist(), strict=True))
        for image, target, name in zip(batch.images, batch.targets, batch.names, strict=True):
            assert target.other == before[target.label]
            assert name == f"{target.label}.png"
            one, other = (plain[step, f"{index}.png"] for index in (target.label, target.other))
            expected = target.share * one.double() + (1 - target.share) * other.double()
            assert (image.double() - expected).abs().max() <= 0.5 + 1e-4


@pytest.mark.parametrize("workers", [1, 2])
def test_mixed_batches_do_not_depend_on_the_number_of_workers_or_the_first_step(folder, workers):
    source, mixing = source_of(folder), Mixing(0.4, 1.0)

    here = train(source, range(1, 7), mixing=mixing)
    there = train(source, range(3, 7), workers, mixing=mixing)

    for ours, theirs in zip(there, here[2:], strict=True):
        assert_same(ours, theirs)
    # Each picture has a share of its own; those of CutMix are whole pixels and can coincide.
    assert len({target.share for batch in here for target in batch.targets}) > 12


def test_how_a_picture_is_mixed_depends_on_seed_epoch_and_index_alone(folder):
    def shares(order, steps):
        found = {}
        for step, batch in zip(
            steps, train(source_of(folder), steps, order=order, mixing=Mixing(1.0)), strict=True
        ):
            epoch, _ = batch_at(order.seed, step, COUNT, order.batch_size)
            found |= {(epoch, target.label): target.share for target in batch.targets}
        return found

    by_fours, by_elevens = shares(Order(5, 4), range(6)), shares(Order(5, 11), range(2))

    assert by_fours == by_elevens
    assert not set(by_fours.values()) & set(shares(Order(6, 4), range(6)).values())


def test_several_labels_travel_between_processes(folder):
    source = source_of(folder, "several")

    for ours, theirs in zip(train(source, range(3), 1), train(source, range(3)), strict=True):
        assert_same(ours, theirs)
        assert all(isinstance(target, LabelsTarget) for target in ours.targets)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["boxes", "masks", "several", "nothing"])
def test_only_pictures_of_one_class_are_mixed(folder, kind, workers):
    with pytest.raises(UsageError, match=r"\d+\.png has .* and cannot be mixed"):
        train(source_of(folder, kind), range(1), workers, mixing=Mixing(0.2))


def test_pictures_of_different_sizes_cannot_be_mixed(folder):
    pipeline = Pipeline((HorizontalFlip(),))
    batches = training_batches(
        source_of(folder), pipeline, order=ORDER, steps=range(1), mixing=Mixing(0.2)
    )

    with pytest.raises(UsageError, match=r"\d\.png have shapes .* and cannot be one batch"):
        next(batches)


def test_each_step_holds_the_samples_that_the_order_says(folder):
    for step, batch in enumerate(train(source_of(folder), range(7))):
        _, indices = batch_at(ORDER.seed, step, COUNT, ORDER.batch_size)

        assert batch.names == tuple(f"{index}.png" for index in indices)
        assert [target.label for target in batch.targets] == indices.tolist()
        assert batch.images.shape == (len(indices), 3, 6, 8)
        assert batch.frames == (Frame((6, 8), (6, 8), (6, 8)),) * len(indices)


def by_epoch_and_name(source, order, steps):
    batches = training_batches(source, PIPELINE, order=order, steps=steps)
    images = {}
    for step, batch in zip(steps, batches, strict=True):
        epoch, _ = batch_at(order.seed, step, COUNT, order.batch_size)
        images |= {
            (epoch, name): image for name, image in zip(batch.names, batch.images, strict=True)
        }
    return images


def test_what_happens_to_a_sample_depends_on_seed_epoch_and_index_alone(folder):
    source = source_of(folder)

    by_fours = by_epoch_and_name(source, Order(5, 4), range(6))
    by_elevens = by_epoch_and_name(source, Order(5, 11), range(2))
    otherwise = by_epoch_and_name(source, Order(6, 11), range(1))

    assert by_fours.keys() == by_elevens.keys()
    assert all(torch.equal(by_fours[key], by_elevens[key]) for key in by_fours)
    for index in range(COUNT):
        name = f"{index}.png"
        assert not torch.equal(by_fours[0, name], by_fours[1, name])
        assert not torch.equal(by_fours[0, name], otherwise[0, name])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["classes", "boxes", "masks"])
def test_evaluation_shows_every_sample_once_in_order(folder, kind, workers):
    source = source_of(folder, kind)

    with closing(evaluation_batches(source, LETTERBOX, batch_size=4, workers=workers)) as batches:
        evaluated = list(batches)

    assert [len(batch) for batch in evaluated] == [4, 4, 3]
    index = 0
    for batch in evaluated:
        for image, target, frame, name in zip(
            batch.images, batch.targets, batch.frames, batch.names, strict=True
        ):
            sample = source[index]
            prepared, expected_frame = LETTERBOX.prepare(sample.image)
            assert name == sample.name
            assert torch.equal(image, prepared)
            assert frame == expected_frame
            assert_same_target(target, sample.target)  # of the original, not of the input
            index += 1


def test_an_empty_source_has_no_evaluation_batches():
    assert list(evaluation_batches([], LETTERBOX, batch_size=4, workers=2)) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_no_global_generator_is_touched(folder, workers):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    train(source_of(folder), range(3), workers)

    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_picture_is_named_whoever_reads_it(folder, tmp_path, workers):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = (tmp_path / "3.png").read_bytes()
    source = source_of(tmp_path)
    (tmp_path / "3.png").write_bytes(data[: len(data) // 2])

    with pytest.raises(DataError, match=r"3\.png") as caught:
        train(source, range(3), workers)

    with pytest.raises(DataError) as expected:
        source[3]
    assert str(caught.value) == str(expected.value)
    assert caught.value.what == expected.value.what


def test_pictures_of_different_sizes_cannot_be_one_batch(folder):
    batches = training_batches(
        source_of(folder), Pipeline((HorizontalFlip(),)), order=ORDER, steps=range(1)
    )

    with pytest.raises(UsageError, match=r"\d\.png have shapes .* and cannot be one batch"):
        next(batches)


def test_a_picture_with_other_channels_is_named_in_evaluation(folder):
    grey = Preparation((6, 8), "stretch", 1, (0.5,), (0.25,))

    with pytest.raises(UsageError, match=r"0\.png has 3 channels"):
        next(evaluation_batches(source_of(folder), grey, batch_size=4))


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_processes_are_counted_from_zero(rank, world):
    with pytest.raises(UsageError, match=f"there is no process {rank} of {world}"):
        Order(5, 4, rank, world)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": Order(5, 4, 0, 4)}, "batches of 3 cannot be shared by 4 processes"),
        ({"order": ORDER, "workers": -1}, "-1 workers cannot be used"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused_before_the_first_batch(
    folder, options, message
):
    with pytest.raises(UsageError, match=message):
        training_batches(source_of(folder), PIPELINE, steps=range(3), **options)


def test_one_picture_is_too_few_to_train_on(folder):
    source = source_of(folder)
    alone = DecodingSource(source.files, source.items[:1], 3)

    with pytest.raises(DataError, match="need at least 2 training pictures; there is 1"):
        training_batches(alone, PIPELINE, order=ORDER, steps=range(3))


def test_an_evaluation_batch_of_nothing_is_refused(folder):
    with pytest.raises(UsageError, match="batch size 0 cannot be used"):
        evaluation_batches(source_of(folder), LETTERBOX, batch_size=0)


def test_random_resized_crops_reach_the_batch(folder):
    pipeline = Pipeline((RandomResizedCrop((5, 5)),))

    batch = next(training_batches(source_of(folder), pipeline, order=ORDER, steps=range(1)))

    assert batch.images.shape == (4, 3, 5, 5)
