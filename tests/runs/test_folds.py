"""Cross-validation: a run for each part, and the spread of their scores."""

import json
import statistics

import pytest

import shapes
from manako.errors import ArtefactError, DataError, Stopped, UsageError
from manako.runs import folds as module
from manako.runs import train_folds
from manako.runs.folds import Spread
from manako.runs.start import train as real_train

PLAIN = {
    **shapes.QUICK["classification"], "steps": 6, "batch": 8, "threads": 1,
    "precision": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shapes.class_folders(tmp_path_factory.mktemp("folds") / "data")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds") / "out"
    return train_folds(data, out=folder, folds=3, **PLAIN)


def test_every_picture_outside_the_test_split_validates_once(finished):
    seen = []
    for run in finished.runs:
        notes = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
        seen.append((run.settings.fold, notes["data_fingerprint"]))

    assert [fold for fold, _ in seen] == ["1/3", "2/3", "3/3"]
    assert len({fingerprint for _, fingerprint in seen}) == 3
    assert sum(run.metrics["val"].pictures for run in finished.runs) == 24 + 8
    assert [run.metrics["test"].pictures for run in finished.runs] == [8, 8, 8]


def test_mean_and_deviation_are_those_of_the_runs(finished):
    for split in ("val", "test"):
        for name, spread in finished.scores[split].items():
            values = [run.metrics[split].overall[name].value for run in finished.runs]
            assert spread.values == tuple(values)
            assert spread.mean == pytest.approx(statistics.mean(values))
            assert spread.deviation == pytest.approx(statistics.stdev(values))
    assert finished.headline in finished.scores["val"]
    saved = json.loads((finished.folder / "folds.json").read_text(encoding="utf-8"))
    assert saved == finished.as_json()
    assert saved["scores"]["val"]["accuracy"]["values"] == list(
        finished.scores["val"]["accuracy"].values
    )


def test_a_spread_is_told_in_short():
    assert str(Spread((0.5, 0.7, 0.6))) == "0.600 ± 0.100"


def test_a_second_call_goes_on_where_the_first_stopped(data, tmp_path, monkeypatch):
    begun = []

    def stopping(*arguments, **options):
        begun.append(options["fold"])
        if options["fold"] == "2/2":
            real_train(*arguments, **options)
            (tmp_path / "out" / "fold-2" / "scores.json").unlink()
            raise Stopped("stopped by SIGTERM after step 6", fix="go on with: manako resume")
        return real_train(*arguments, **options)

    monkeypatch.setattr(module, "train", stopping)
    with pytest.raises(
        Stopped, match=r"fold 2 of 2: stopped by SIGTERM(.|\n)*same command and --out .*out"
    ):
        train_folds(data, out=tmp_path / "out", folds=2, **PLAIN)
    first = (tmp_path / "out" / "fold-1" / "scores.json").stat().st_mtime_ns

    found = train_folds(data, out=tmp_path / "out", folds=2, **PLAIN)
    again = train_folds(data, out=tmp_path / "out", folds=2, **PLAIN)

    assert begun == ["1/2", "2/2"]
    assert (tmp_path / "out" / "fold-1" / "scores.json").stat().st_mtime_ns == first
    assert found.scores == again.scores


def test_another_question_in_the_same_folder_is_refused(data, finished):
    with pytest.raises(
        UsageError, match=r"out is a cross-validation with lr 0.3, not 0.1(.|\n)*another --out"
    ):
        train_folds(data, out=finished.folder, folds=3, **{**PLAIN, "lr": 0.1})
    with pytest.raises(UsageError, match="with folds 3, not 4"):
        train_folds(data, out=finished.folder, folds=4, **PLAIN)


@pytest.fixture
def begun(data, tmp_path, monkeypatch):
    """A cross-validation that leaves two pictures out, stopped before its first run."""

    def stopping(*arguments, **options):
        raise Stopped("that is enough")

    monkeypatch.setattr(module, "train", stopping)
    monkeypatch.chdir(tmp_path)
    left_out = sorted(one.relative_to(data).as_posix() for one in data.rglob("*.png"))[:2]
    (tmp_path / "bad.txt").write_text("\n".join(left_out), encoding="utf-8")
    with pytest.raises(Stopped, match="that is enough"):
        train_folds(data, out=tmp_path / "out", folds=2, exclude="bad.txt", weights="some")
    return tmp_path


def test_files_are_told_by_their_place_not_by_the_words_for_it(data, begun, monkeypatch):
    options = {"out": begun / "out", "folds": 2}
    (begun / "other").mkdir()
    (begun / "other" / "bad.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(begun / "other")

    with pytest.raises(UsageError, match=r"with exclude '.*bad\.txt', not '.*other/bad\.txt'"):
        train_folds(data, exclude="bad.txt", weights="../some", **options)
    with pytest.raises(UsageError, match=r"with weights '.*some', not '.*other/some'"):
        train_folds(data, exclude=str(begun / "bad.txt"), weights="some", **options)
    with pytest.raises(Stopped, match="that is enough"):
        train_folds(data, exclude="../bad.txt", weights=str(begun / "some"), **options)


def test_data_that_have_changed_are_refused_before_a_fold(data, begun, tmp_path):
    options = {"out": begun / "out", "folds": 2, "exclude": "bad.txt", "weights": "some"}
    listed = (begun / "bad.txt").read_text(encoding="utf-8")
    (begun / "bad.txt").write_text(listed.split("\n")[0], encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"^bad\.txt has changed since the cross-validation"):
        train_folds(data, **options)
    (begun / "bad.txt").write_text(f"# again\n{listed}\n", encoding="utf-8")
    with pytest.raises(Stopped, match="that is enough"):
        train_folds(data, **options)

    picture = next((data / "train" / "red").iterdir())
    picture.rename(data / "train" / "blue" / "moved.png")
    try:
        with pytest.raises(ArtefactError, match=r"data has changed since the cross-validation"):
            train_folds(data, **options)
    finally:
        (data / "train" / "blue" / "moved.png").rename(picture)


def test_an_interruption_between_folds_says_how_to_go_on(data, tmp_path, monkeypatch):
    done = []

    def interrupted(*arguments, **options):
        if done:
            raise KeyboardInterrupt
        done.append(options["fold"])

    monkeypatch.setattr(module, "train", interrupted)
    with pytest.raises(
        Stopped, match=r"fold 2 of 3: interrupted\n(.|\n)*same command and --out .*out"
    ):
        train_folds(data, out=tmp_path / "out", folds=3)


def test_what_cannot_be_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match="no cross-validation with 1 parts"):
        train_folds(data, out=tmp_path / "out", folds=1)
    with pytest.raises(UsageError, match=r"one fold and all folds(.|\n)*--fold or --folds"):
        train_folds(data, out=tmp_path / "out", folds=3, fold="1/3")
    with pytest.raises(UsageError, match="each fold would choose a picture size of its own"):
        train_folds(data, out=tmp_path / "out", folds=3, size_hw="auto", budget_seconds=60.0)
    with pytest.raises(DataError, match="list of pictures to leave out cannot be read"):
        train_folds(data, out=tmp_path / "out", folds=3, exclude="nothing.txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").touch()
    with pytest.raises(UsageError, match=r"the folder .*out is not empty"):
        train_folds(data, out=tmp_path / "out", folds=3)


def test_several_processes_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(UsageError, match=r"several processes cannot cross(.|\n)*--fold 1/5"):
        train_folds(data, out=tmp_path / "out")


def test_a_budget_is_shared_by_the_runs(data, tmp_path, monkeypatch):
    shares = []

    def stopping(*arguments, **options):
        shares.append(options["budget_seconds"])
        raise Stopped("that is enough")

    monkeypatch.setattr(module, "train", stopping)
    with pytest.raises(Stopped):
        train_folds(data, out=tmp_path / "out", folds=4, budget_seconds=600.0)

    assert shares == [150.0]


def test_without_a_place_one_is_found(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stopping(*arguments, **options):
        raise Stopped("that is enough")

    monkeypatch.setattr(module, "train", stopping)
    for _ in range(2):
        with pytest.raises(Stopped, match="--out runs/folds/data-5-folds"):
            train_folds(data)

    assert sorted(one.name for one in (tmp_path / "runs" / "folds").iterdir()) == [
        "data-5-folds",
        "data-5-folds-2",
    ]
