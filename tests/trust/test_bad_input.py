"""What a user may get wrong: each is refused by name, with its exit code, and nothing is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import shapes
from manako.cli.main import run
from manako.storage.manifest import write_manifest

TRAIN = [
    *("--model", "quick32", "--model-option", "width=8"),
    *("--steps", "4", "--batch", "8", "--no-preflight"),
]


def contents(root):
    """Every file below `root` with its bytes."""
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def refused(capsys, code, *wanted, arguments, untouched=()):
    """Run a verb; it must end with `code`, name what is `wanted`, and touch nothing."""
    before = [contents(root) for root in untouched]

    assert run([*map(str, arguments)]) == code

    printed = capsys.readouterr()
    for text in wanted:
        assert text in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert [contents(root) for root in untouched] == before
    return printed.err


def train(data, out, *more):
    return ["train", data, "--out", out, *TRAIN, *more]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    data = shapes.class_folders(root / "data")
    assert run([*map(str, train(data, root / "run")), "--quiet"]) == 0
    return data, root / "run"


def test_an_empty_folder(tmp_path, capsys):
    (tmp_path / "data").mkdir()

    refused(
        capsys, 3, "there is no file in it", arguments=train(tmp_path / "data", tmp_path / "run")
    )

    assert not (tmp_path / "run").exists()


def test_one_class_only(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    for split in shapes.SPLITS:
        shutil.rmtree(data / split / "red")

    refused(
        capsys,
        3,
        "the single class 'blue'",
        arguments=train(data, tmp_path / "run"),
        untouched=[data],
    )

    assert not (tmp_path / "run").exists()


def test_one_picture_in_a_class_is_said_and_goes_on(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    for picture in sorted((data / "train" / "red").iterdir())[1:]:
        picture.unlink()

    assert run([*map(str, train(data, tmp_path / "run"))]) == 0

    assert "red" in capsys.readouterr().err


def test_an_unreadable_picture_is_named_before_anything_is_trained(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    broken = data / "train" / "red" / "001.png"
    broken.write_bytes(broken.read_bytes()[:100])

    refused(
        capsys,
        *(3, "train/red/001.png", "--exclude"),
        arguments=train(data, tmp_path / "run"),
        untouched=[data],
    )

    assert not (tmp_path / "run").exists()


def test_the_list_that_check_writes_lets_the_run_begin(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    broken = data / "train" / "red" / "001.png"
    broken.write_bytes(broken.read_bytes()[:100])
    before = contents(data)

    assert run(["check", str(data), "--exclude-to", str(tmp_path / "bad.txt")]) == 3
    capsys.readouterr()
    arguments = train(data, tmp_path / "run", "--exclude", tmp_path / "bad.txt")

    assert run([*map(str, arguments)]) == 0
    assert contents(data) == before


def test_the_same_picture_in_two_splits(tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    copied = next((data / "test" / "red").iterdir())
    with Image.open(copied) as picture:
        picture.save(data / "train" / "red" / "copy.bmp")

    message = refused(
        capsys,
        *(3, "train/red/copy.bmp", "--allow-leakage"),
        arguments=train(data, tmp_path / "run"),
        untouched=[data],
    )
    assert f"test/red/{copied.name}" in message

    assert run([*map(str, train(data, tmp_path / "run", "--allow-leakage"))]) == 0


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("path,label\ntrain/red/001.png,\n", "table.csv:2 has no label"),
        ("path,label\ntrain/red/1.png,red\n", "table.csv:2 names train/red/1.png"),
        ("path,label\n../secret.png,red\n", "table.csv:2 leads out of the folder"),
    ],
)
def test_a_table_with_a_fault_is_named_by_its_line(tmp_path, capsys, table, wanted):
    data = shapes.class_folders(tmp_path / "data")
    (data / "table.csv").write_text(table, encoding="utf-8")

    refused(
        capsys, 3, wanted, arguments=train(data / "table.csv", tmp_path / "run"), untouched=[data]
    )


def test_a_class_that_the_recognizer_does_not_know(trained, tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    (data / "test" / "green").mkdir()
    shutil.copy(next((data / "test" / "red").iterdir()), data / "test" / "green" / "900.png")

    refused(capsys, 3, "green", arguments=["val", trained[1], data], untouched=[trained[1]])


def test_an_existing_run_is_never_written_over(trained, capsys):
    data, run_folder = trained

    refused(
        capsys,
        *(2, str(run_folder), "manako resume"),
        arguments=train(data, run_folder),
        untouched=[run_folder],
    )


@pytest.mark.parametrize("place", ["model.safetensors", "recognizer.json"])
def test_a_changed_byte_in_a_recognizer(trained, tmp_path, capsys, place):
    recognizer = tmp_path / "recognizer"
    shutil.copytree(trained[1] / "recognizer", recognizer)
    data = bytearray((recognizer / place).read_bytes())
    data[len(data) // 2] ^= 1
    (recognizer / place).write_bytes(data)

    refused(capsys, 4, place, arguments=["val", recognizer, trained[0]], untouched=[recognizer])


def test_a_recognizer_of_another_schema_version(trained, tmp_path, capsys):
    recognizer = tmp_path / "recognizer"
    shutil.copytree(trained[1] / "recognizer", recognizer)
    path = recognizer / "recognizer.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**saved, "schema_version": 99}), encoding="utf-8")
    (recognizer / "MANIFEST").unlink()
    write_manifest(recognizer)

    refused(capsys, 4, "schema version 99", arguments=["val", recognizer, trained[0]])


def test_a_picture_size_that_is_too_small_for_the_model(trained, tmp_path, capsys):
    refused(
        capsys,
        *(2, "quick32", "9"),
        arguments=train(trained[0], tmp_path / "run", "--imgsz", "8"),
    )

    assert not (tmp_path / "run").exists()


def test_an_unknown_name_offers_the_near_one(trained, tmp_path, capsys):
    wrong = ["train", trained[0], "--out", tmp_path / "run", "--model", "resnet81"]
    refused(capsys, 2, "did you mean 'resnet18'", arguments=wrong)

    refused(
        capsys,
        *(2, "did you mean"),
        arguments=train(trained[0], tmp_path / "run", "--augment-option", "rotate_degree=3"),
    )


def test_a_read_only_folder(trained, tmp_path):
    """As another user: root may write everywhere."""
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(0o500)
    command = [sys.executable, "-m", "manako", *map(str, train(trained[0], place / "run"))]
    if os.geteuid() == 0:
        pytest.importorskip("resource")  # POSIX: without it there is no setuid either
        mounted = subprocess.run(
            [
                *("unshare", "-m", "sh", "-c"),
                f'mount -t tmpfs -o ro none "{place}" && exec "$@"',
                *("sh", *command),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if "permission denied" in mounted.stderr.lower() and "manako" not in mounted.stderr:
            pytest.fail(f"nothing can be mounted here: {mounted.stderr}")
        done = mounted
    else:
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 5
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_while_saving_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    """The disk is full from the fourth checkpoint on: two attempts, then the end with code 5."""
    from manako.errors import ResourceError
    from manako.storage import save_folder
    from manako.training import checkpoints

    data = shapes.class_folders(tmp_path / "data")
    saved = []

    def filling(target, write):
        if len(saved) >= 3:
            raise ResourceError("cannot write: the disk is full")
        save_folder(target, write)
        saved.append(target)

    monkeypatch.setattr(checkpoints, "save_folder", filling)

    code = run(
        [*map(str, train(data, tmp_path / "run", "--save-seconds", "0")), "--quiet", "--steps", "9"]
    )

    assert code == 5
    assert saved[-1].is_dir()
    monkeypatch.undo()
    assert run(["resume", str(tmp_path / "run"), "--quiet"]) == 0
    assert (tmp_path / "run" / "recognizer" / "model.safetensors").is_file()


def test_pictures_that_are_not_there(trained, tmp_path, capsys):
    missing = tmp_path / "missing.png"

    refused(capsys, 3, "missing.png", arguments=["predict", trained[1], missing])

    assert not Path("missing.png").exists()
