from dataclasses import replace

import pytest

import manako
from manako.config.settings import Asked
from manako.data.check import Place
from manako.data.formats import read_dataset
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.errors import DataError
from manako.runs import doctor
from manako.runs.doctor import check, checked_for_training
from planted import encoded, faulty_set, smooth, write


def divided(root):
    return with_validation(read_dataset(root), Selection())


@pytest.fixture
def sound(tmp_path):
    for number in range(8):
        for split in ("train", "test"):
            for name in ("cat", "dog"):
                seed = number + 100 * (split == "test") + 200 * (name == "dog")
                write(tmp_path / "set" / split / name / f"{number}.png", encoded(smooth(seed)))
    return tmp_path / "set"


def test_data_with_unreadable_files_are_refused_with_names_and_a_way_out(tmp_path):
    root = faulty_set(tmp_path / "set")

    with pytest.raises(DataError, match=r"3 pictures of .* cannot be used") as caught:
        checked_for_training(divided(root), Asked(allow_leakage=True))

    assert "train/cat/cut.jpg is cut off after" in caught.value.what
    assert f"manako check {root} --exclude-to FILE, then train with --exclude FILE" in str(
        caught.value
    )
    assert caught.value.exit_code == 3


def test_of_many_unreadable_files_the_first_are_named(sound):
    for number in range(8):
        (sound / "train" / "cat" / f"{number}.png").write_bytes(b"")

    with pytest.raises(DataError, match="and 3 more"):
        checked_for_training(divided(sound), Asked())


def test_leakage_is_refused_unless_it_is_allowed(sound, capsys):
    write(sound / "train" / "cat" / "copy.png", (sound / "test" / "cat" / "3.png").read_bytes())

    with pytest.raises(DataError, match=r"1 picture of .* in more than one split") as caught:
        checked_for_training(divided(sound), Asked())
    assert "test/cat/3.png = train/cat/copy.png" in caught.value.what
    assert "--allow-leakage" in caught.value.fix

    report = checked_for_training(divided(sound), Asked(allow_leakage=True))
    assert len(report.leaks) == 1
    assert "1 picture in more than one split: scores will be too good" in capsys.readouterr().err


def test_what_does_not_hinder_is_warned_of_in_a_few_lines(sound, capsys):
    data = encoded(smooth(900))
    for name in ("cat", "dog"):
        write(sound / "test" / name / "both.png", data)

    report = checked_for_training(divided(sound), Asked())

    said = capsys.readouterr().err
    assert len(report.conflicts) == 1
    assert "warning: 1 picture under different labels: test/cat/both.png = " in said
    assert f"warning: manako check {sound} tells more" in said


def test_what_could_not_be_compared_and_what_looks_alike_is_warned_of(sound, capsys, monkeypatch):
    dataset = divided(sound)
    report = doctor.checked(dataset, workers=0)
    test, train = (Place(dataset.splits[split][0].image, split, "") for split in ("test", "train"))
    other = Place(dataset.splits["train"][1].image, "train", "")
    found = replace(report, all_compared=False, alike=((test, train), (train, other)))
    monkeypatch.setattr(doctor, "checked", lambda dataset, workers, threads: found)

    checked_for_training(dataset, Asked(seed=3, group_by="(a|b)", fold="1/5"))

    said = capsys.readouterr().err
    assert "warning: too many pictures resemble each other: copies may have been missed" in said
    assert "warning: 1 pair of pictures look alike across splits: test/cat/0.png ~ train/" in said
    assert f"manako check {sound} --seed 3 --group-by '(a|b)' --fold 1/5 tells more" in said


def test_sound_data_pass_in_silence(sound, capsys):
    checked_for_training(divided(sound), Asked())

    assert capsys.readouterr().err == ""


def test_the_public_check_divides_as_training_does(sound):
    report = manako.check(sound)
    other = manako.check(sound, seed=5, fold="1/4")

    assert other.splits != report.splits
    assert report == check(sound)
    assert set(report.splits) == {"train", "val", "test"}
    assert report.is_fit()
