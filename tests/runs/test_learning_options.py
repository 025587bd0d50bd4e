"""Parts, stages, weights, mixing, folds and lists: from what is asked to what is learned."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import manako
import shapes
from manako.config import Asked, Resolved
from manako.data.opened import read_for_training
from manako.data.selection import Selection
from manako.errors import ArtefactError, DataError, UnknownName, UsageError
from manako.recognizer import evaluate_data
from manako.runs.choices import resolve
from manako.runs.look import balanced_weights, look_at
from manako.runs.session import Facts
from manako.storage.tensors import load_tensors
from manako.structures import ClassTarget, LabelsTarget

PLAIN = {
    **shapes.QUICK["classification"], "steps": 6, "batch": 8, "threads": 1,
    "precision": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return shapes.class_folders(tmp_path_factory.mktemp("options") / "data")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Pictures that show a red square, a blue one, both or none."""
    root = tmp_path_factory.mktemp("several") / "data"
    root.mkdir(parents=True)
    lines = ["path,labels,split"]
    for number in range(40):
        shown = [name for at, name in enumerate(sorted(shapes.COLOURS)) if number >> at & 1]
        random = np.random.default_rng(number)
        pixels = random.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        for at, name in enumerate(shown):
            top = int(random.integers(0, 16))
            pixels[top : top + 14, 2 + 15 * at : 14 + 15 * at] = shapes.COLOURS[name]
        Image.fromarray(pixels).save(root / f"{number:03d}.png")
        split = "train" if number < 24 else "val" if number < 32 else "test"
        lines.append(f"{number:03d}.png,{'|'.join(shown)},{split}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def resolved(data, dataset=None, **asked):
    dataset = dataset or read_for_training(data, Selection())
    return resolve(Asked.of({**PLAIN, **asked}), dataset, look_at(dataset), str(data))


def tensors(run):
    return load_tensors(run.folder / "recognizer" / "model.safetensors")


def test_what_is_not_asked_has_its_default_and_its_origin(folders):
    found = resolved(folders)

    settings, origins = found.settings, found.origins
    for name in ("group_by", "fold", "exclude", "freeze", "stage_lr_factor", "norm_statistics",
                 "accumulate", "class_weights", "mixup", "cutmix", "preflight"):  # fmt: skip
        assert origins[name] == "default", name
    assert (settings.freeze, settings.accumulate, settings.preflight) == (0, 1, True)
    assert origins["augment_options"] == "preset photo"
    assert settings.augment_options["flip"] is True
    assert set(origins) == set(type(settings).model_fields)


def test_every_number_of_the_augmentation_is_recorded_and_an_asked_one_wins(folders, tmp_path):
    found = resolved(folders, augment_options={"shift": 0.25, "vertical_flip": True})
    found.save(tmp_path / "config.yaml")

    numbers = Resolved.load(tmp_path / "config.yaml").settings.augment_options
    plain = resolved(folders).settings.augment_options

    assert numbers == {**plain, "shift": 0.25, "vertical_flip": True}
    assert found.origins["augment_options"] == "asked: shift, vertical_flip"
    with pytest.raises(UnknownName, match="no augmentation option 'shiftt'; did you mean 'shift'"):
        resolved(folders, augment_options={"shiftt": 0.25})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"batch": 48}, r"batch of 48 pictures is more than the 24 training(.|\n)*--batch 24"),
        ({"accumulate": 5}, r"batch of 8 pictures cannot be computed in 5(.|\n)*--accumulate 4"),
        ({"freeze": 5}, r"5 stages cannot be frozen: the network has \d"),
        ({"freeze": -1}, r"freeze(.|\n)* cannot be -1"),
        ({"freeze": "head"}, r"freeze(.|\n)* cannot be 'head'"),
        ({"stage_lr_factor": 1.5}, "stage_lr_factor cannot be 1.5"),
        ({"class_weights": "even"}, "class_weights cannot be 'even'"),
        ({"mixup": -1.0}, "mixup cannot be -1"),
    ],
)
def test_what_cannot_be_is_refused(folders, asked, message):
    with pytest.raises(UsageError, match=message):
        resolved(folders, **asked)


@pytest.mark.parametrize("task", ["detection", "segmentation", "multilabel"])
@pytest.mark.parametrize("name", ["label_smoothing", "mixup", "cutmix"])
def test_mixed_pictures_and_smoothed_labels_need_one_class(tmp_path, labelled, task, name):
    data = labelled if task == "multilabel" else shapes.MAKERS[task](tmp_path / "data")
    quick = shapes.QUICK["classification" if task == "multilabel" else task]

    flag = name.replace("_", " ")
    with pytest.raises(UsageError, match=f"{flag} is for classification, not for {task}"):
        manako.train(data, out=tmp_path / "run", **{**quick, "steps": 2, "batch": 4, name: 0.1})


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_class_weights_need_classes_of_pictures(tmp_path, task):
    data = shapes.MAKERS[task](tmp_path / "data")

    with pytest.raises(UsageError, match=f"class weights are for .* not for {task}"):
        manako.train(data, **{**shapes.QUICK[task], "steps": 2, "class_weights": "balanced"})


def counted(dataset, labels):
    """`dataset` with these labels as its training pictures."""
    items = dataset.splits["train"]
    train = tuple(
        replace(items[0], image=f"{n}.png", truth=truth) for n, truth in enumerate(labels)
    )
    return replace(dataset, classes=("a", "b", "c"), splits={**dataset.splits, "train": train})


def test_balanced_weights_are_those_of_scikit_learn(folders):
    from sklearn.utils.class_weight import compute_class_weight

    labels = [0] * 6 + [1] * 3 + [2]
    dataset = counted(read_for_training(folders, Selection()), [ClassTarget(n) for n in labels])

    weights = balanced_weights(dataset)

    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert weights == pytest.approx(theirs.tolist())
    counts = Counter(labels)
    assert sum(weights[label] * counts[label] for label in counts) == pytest.approx(10)


def test_a_class_without_pictures_weighs_nothing(folders):
    dataset = counted(read_for_training(folders, Selection()), [ClassTarget(0), ClassTarget(2)])

    assert balanced_weights(dataset) == pytest.approx((1 / 3 * 2, 0.0, 1 / 3 * 2))


def test_of_several_labels_what_is_shown_weighs_as_what_is_not(folders):
    shown = [(0,), (0, 1), (0,), (0,)]
    dataset = replace(
        counted(read_for_training(folders, Selection()), [LabelsTarget(one) for one in shown]),
        task="multilabel",
    )

    assert balanced_weights(dataset) == (1.0, 3.0, 0.0)


def test_weights_of_classes_change_what_is_learned_and_are_kept_for_a_resume(folders, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(folders, data)
    for picture in sorted((data / "train" / "red").iterdir())[:8]:
        picture.unlink()
    plain = tensors(manako.train(data, out=tmp_path / "plain", **PLAIN))
    run = manako.train(data, out=tmp_path / "run", **PLAIN, class_weights="balanced")
    before = tensors(run)
    saved = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    (run.folder / "scores.json").unlink()
    for one in (run.folder / "checkpoints").glob("step-*"):
        one.rename(one.with_name(f"gone-{one.name}"))
    again = tensors(manako.resume(run.folder))

    assert saved["class_weights"] == pytest.approx([16 / 24, 16 / 8])
    assert any(not torch.equal(value, plain[name]) for name, value in before.items())
    assert all(torch.equal(value, again[name]) for name, value in before.items())


def test_facts_of_a_run_from_before_there_were_weights_are_read():
    saved = {"classes": ["a"], "data_fingerprint": "x", "mean": [0.5], "std": [0.5]}

    assert Facts.from_json(saved).class_weights is None


def test_several_labels_are_learned_with_a_classifier(labelled, tmp_path):
    run = manako.train(
        labelled, out=tmp_path / "run",
        **{**PLAIN, "steps": 40, "class_weights": "balanced", "augment": "none"},
    )  # fmt: skip

    assert run.settings.task == run.recognizer.spec.task == "multilabel"
    assert run.settings.label_smoothing == 0
    assert run.metrics["test"].main.value > 0.8
    assert manako.load(run.folder).evaluate(labelled) == run.metrics["test"]


def test_mixing_parts_and_frozen_stages_reach_the_loop(folders, tmp_path, capsys):
    first = manako.train(folders, out=tmp_path / "first", **PLAIN)
    capsys.readouterr()
    second = manako.train(
        folders, out=tmp_path / "second", **{**PLAIN, "steps": 3}, weights=str(first.folder),
        freeze="backbone", mixup=0.4, cutmix=1.0, accumulate=2, norm_statistics="frozen",
    )  # fmt: skip
    plain = manako.train(
        folders, out=tmp_path / "plain", **{**PLAIN, "steps": 3}, weights=str(first.folder),
        freeze="backbone", norm_statistics="frozen",
    )  # fmt: skip

    told = capsys.readouterr().err
    before, after, unmixed = tensors(first), tensors(second), tensors(plain)
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert changed == ["head.weight"]
    assert not torch.equal(unmixed["head.weight"], after["head.weight"])
    assert "--freeze keep" not in told
    assert len(re.findall("tensors", told)) == 2  # the weights are told once a run


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"freeze": 1}, "what --freeze keeps are random weights"),
        ({"norm_statistics": "frozen"}, "--frozen-norms keeps statistics of no pictures"),
    ],
)
def test_what_seldom_makes_sense_is_warned_of(folders, tmp_path, capsys, asked, message):
    manako.train(folders, out=tmp_path / "run", **{**PLAIN, "steps": 1}, **asked)

    assert f"warning: {message}" in capsys.readouterr().err


def test_groups_folds_and_lists_decide_what_is_learned_from(folders, tmp_path):
    left_out = sorted(one.relative_to(folders).as_posix() for one in folders.rglob("00?.png"))
    (tmp_path / "list.txt").write_text("\n".join(left_out) + "\n", encoding="utf-8")
    run = manako.train(
        folders, out=tmp_path / "run", **PLAIN, fold="2/3", group_by=r"(\d\d)\.png",
        exclude=str(tmp_path / "list.txt"),
    )  # fmt: skip
    (run.folder / "scores.json").unlink()
    again = manako.resume(run.folder)

    spec = run.recognizer.spec
    assert (spec.fold, spec.group_by) == ("2/3", r"(\d\d)\.png")
    assert Resolved.load(run.folder / "config.yaml").settings.exclude == str(tmp_path / "list.txt")
    assert again.metrics == run.metrics
    saved = (run.folder / "scores.json").read_text(encoding="utf-8")
    (tmp_path / "list.txt").write_text("# none\n" + "\n".join(left_out[1:]), encoding="utf-8")
    (run.folder / "scores.json").unlink()
    with pytest.raises(
        ArtefactError, match=rf"list\.txt does not leave out what it did(.|\n)*{left_out[0]}"
    ):
        manako.resume(run.folder)
    (run.folder / "scores.json").write_text(saved, encoding="utf-8")


def test_val_leaves_out_what_the_run_left_out(folders, tmp_path, capsys):
    left_out = sorted(one.relative_to(folders).as_posix() for one in folders.glob("test/*/*"))[::3]
    (tmp_path / "list.txt").write_text("\n".join(left_out) + "\n", encoding="utf-8")
    run = manako.train(folders, out=tmp_path / "run", **PLAIN, exclude=str(tmp_path / "list.txt"))
    (tmp_path / "list.txt").unlink()  # the recognizer remembers
    more = set(left_out) ^ {one.relative_to(folders).as_posix() for one in folders.glob("test/*/*")}
    capsys.readouterr()

    scores = manako.load(run.folder).evaluate(folders)
    told = capsys.readouterr().err
    fewer = evaluate_data(
        run.recognizer, folders, selection=Selection(excluded=frozenset(sorted(more)[:2]))
    )

    assert run.recognizer.spec.excluded == tuple(left_out)
    assert scores == run.metrics["test"]
    assert scores.pictures == 8 - len(left_out)
    assert f"the {len(left_out)} listed pictures that the run left out are left out here" in told
    assert fewer.evaluation.scores.pictures == 8 - len(left_out) - 2


def test_other_data_are_scored_whole_though_the_run_left_pictures_out(folders, tmp_path, capsys):
    left_out = sorted(one.relative_to(folders).as_posix() for one in folders.glob("test/*/*"))[:2]
    (tmp_path / "list.txt").write_text("\n".join(left_out) + "\n", encoding="utf-8")
    run = manako.train(folders, out=tmp_path / "run", **PLAIN, exclude=str(tmp_path / "list.txt"))
    other = shapes.class_folders(tmp_path / "other", {"train": 24, "val": 6, "test": 8})
    capsys.readouterr()

    scores = run.recognizer.evaluate(other)

    assert scores.pictures == 8
    assert "these are other data, and all of their pictures count" in capsys.readouterr().err


def test_a_picture_in_two_splits_is_refused_unless_it_is_allowed(tmp_path):
    data = shapes.class_folders(tmp_path / "data")
    picture = next(iter(sorted((data / "test" / "red").iterdir())))
    (data / "train" / "red" / "copy.png").write_bytes(picture.read_bytes())

    with pytest.raises(DataError, match="more than one split"):
        manako.train(data, out=tmp_path / "run", **PLAIN)
    run = manako.train(data, out=tmp_path / "run", **PLAIN, allow_leakage=True)

    assert run.settings.allow_leakage
