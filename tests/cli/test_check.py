import json
import re
import shlex

import pytest

from manako.cli.main import run
from manako.config.settings import Asked
from manako.data.exclusion import parse_exclude_file
from manako.data.opened import read_for_training
from manako.data.selection import Selection
from manako.errors import DataError
from manako.runs.doctor import checked_for_training
from planted import encoded, faulty_set, smooth, write


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return faulty_set(tmp_path_factory.mktemp("faulty") / "set")


def check(capsys, *arguments):
    code = run(["check", *map(str, arguments), "--workers", "0"])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_worst_comes_first_with_paths_and_the_way_out(faulty, capsys):
    code, out, err = check(capsys, faulty)

    lines = out.splitlines()
    assert code == 3
    assert lines[0].split() == ["class", "train", "val", "test"]
    assert lines[3] == "refused  3 pictures cannot be used"
    assert "           test/cat/leak.png = train/cat/leak.png" in lines
    assert lines[-1].startswith("not fit for training: 3 pictures cannot be used, 2 pictures in")
    assert f"manako check {faulty} --exclude-to FILE" in err


def test_json_is_one_document(faulty, capsys):
    code, out, _ = check(capsys, faulty, "--json")

    values = json.loads(out)
    assert code == 3
    assert values["task"] == "classification"
    assert len(values["faults"]) == 3


def test_pages_and_lists_are_written_and_the_set_stays_untouched(faulty, tmp_path, capsys):
    before = {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}

    code, _, err = check(
        capsys, faulty, "--html", tmp_path / "page.html", "--exclude-to", tmp_path / "list.txt"
    )

    assert code == 3
    assert "<h2" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "train/cat/cut.jpg" in parse_exclude_file(tmp_path / "list.txt")
    assert f"--exclude {tmp_path / 'list.txt'}" in err
    assert before == {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}


def leaking(root):
    for number in range(6):
        for split in ("train", "val"):
            for name in ("a", "b"):
                seed = number + 100 * (split == "val") + 300 * (name == "b")
                write(root / split / name / f"{number}.png", encoded(smooth(seed)))
    write(root / "train" / "a" / "copy.png", (root / "val" / "a" / "0.png").read_bytes())
    return root


def test_leakage_fails_unless_it_is_allowed(tmp_path, capsys):
    root = leaking(tmp_path / "set")

    refused, out, _ = check(capsys, root)
    allowed, out_allowed, _ = check(capsys, root, "--allow-leakage")

    assert (refused, allowed) == (3, 0)
    assert "refused  1 picture in more than one split" in out
    assert "warning  1 picture in more than one split" in out_allowed
    assert out_allowed.splitlines()[-1] == "fit for training"


def test_what_is_allowed_is_allowed_in_json_and_on_the_page(tmp_path, capsys):
    root = leaking(tmp_path / "set")
    page = tmp_path / "page.html"

    _, refused, _ = check(capsys, root, "--json", "--html", page)
    refused_page = page.read_text(encoding="utf-8")
    code, allowed, _ = check(capsys, root, "--json", "--html", page, "--allow-leakage")

    assert code == 0
    assert (json.loads(refused)["fit"], json.loads(allowed)["fit"]) == (False, True)
    assert 'verdict bad">not fit for training' in refused_page
    assert 'verdict good">fit for training' in page.read_text(encoding="utf-8")


def doubled(root):
    """Two undivided classes in which every picture is there twice."""
    for name in ("a", "b"):
        for number in range(12):
            data = encoded(smooth(number + 100 * (name == "b"), (24, 24)))
            write(root / name / f"{number}.png", data)
            write(root / name / f"copy{number}.png", data)
    return root


@pytest.mark.parametrize("division", [{"seed": 0}, {"seed": 3}, {"seed": 1, "fold": "2/5"}])
def test_the_command_that_train_prints_makes_a_list_that_it_takes(tmp_path, capsys, division):
    root, listed = doubled(tmp_path / "set"), tmp_path / "list one.txt"
    dataset = read_for_training(root, Selection.parsed(**division))
    with pytest.raises(DataError) as caught:
        checked_for_training(dataset, Asked(**division))
    command = re.search(r"manako (check .*) --exclude-to FILE, then", caught.value.fix)[1]

    code, _, err = check(capsys, *shlex.split(command)[1:], "--exclude-to", listed)
    again = read_for_training(root, Selection.parsed(**division, exclude=listed))

    assert code == 3
    assert f"--seed {division['seed']}" in err
    assert f"--exclude '{listed}' leaves them out" in err
    assert checked_for_training(again, Asked(**division, exclude=str(listed))).is_fit()


def test_a_list_goes_on_from_one_that_is_given(tmp_path, capsys):
    root, first, second = doubled(tmp_path / "set"), tmp_path / "1.txt", tmp_path / "2.txt"
    check(capsys, root, "--exclude-to", first)
    (root / "a" / "5.png").write_bytes(b"cut")

    check(capsys, root, "--exclude", first, "--exclude-to", second)

    assert parse_exclude_file(second) > parse_exclude_file(first)
    assert check(capsys, root, "--exclude", second)[0] == 0


def test_an_unknown_augmentation_is_refused_before_the_pictures_are_looked_at(tmp_path, capsys):
    root = leaking(tmp_path / "set")

    code, out, err = check(capsys, root, "--augment", "foto", "--out", tmp_path / "shown")

    assert (code, out) == (2, "")
    assert "no augmentation 'foto'; did you mean 'photo'?" in err


def test_an_augmentation_needs_a_folder_to_be_shown_in(tmp_path, capsys):
    code, _, err = check(capsys, tmp_path, "--augment", "photo")

    assert code == 2
    assert "--augment and --out go together" in err


def test_an_augmentation_is_shown(tmp_path, capsys):
    root = leaking(tmp_path / "set")

    check(capsys, root, "--augment", "photo", "--out", tmp_path / "shown", "--allow-leakage")

    assert (tmp_path / "shown" / "photo.png").stat().st_size > 1000
