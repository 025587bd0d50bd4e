"""Trees of files: the same from a folder and from archives, in any process and thread."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manako.data.files import FileTree, FolderTree, open_tree
from manako.errors import ArtefactError, DataError

FILES = {
    "train/cat/1.jpg": b"one",
    "train/cat/Äpfel und Birnen.jpg": b"two" * 1000,
    "train/dog/.hidden.jpg": b"x",
    "train/dog/sub/3.jpg": b"",
    "train/bird": None,
    ".git/config": b"x",
    "__MACOSX/train/cat/._1.jpg": b"x",
    "train/cat/Thumbs.db": b"x",
    "train/cat/desktop.ini": b"x",
    "train/cat/._1.jpg": b"x",
    "readme.txt": b"hello",
}
KINDS = ("folder", "tar", "zip", "tar.gz", "tgz", "tar.bz2")


def contents(tree: FileTree) -> dict[str, bytes]:
    return {path: tree.read(path) for path in tree.paths}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_every_archive_of_it_give_the_same_files(write, kind):
    tree = open_tree(write(FILES, kind))

    assert contents(tree) == {
        "readme.txt": b"hello",
        "train/cat/1.jpg": b"one",
        "train/cat/Äpfel und Birnen.jpg": b"two" * 1000,
        "train/dog/sub/3.jpg": b"",
    }
    assert list(tree.paths) == sorted(tree.paths)
    assert tree.sizes == {path: len(content) for path, content in contents(tree).items()}
    assert tree.empty_folders == ("train/bird",)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tar.gz"])
def test_a_tree_works_in_other_processes_and_threads_and_after_pickling(write, kind):
    tree = open_tree(write({f"{n}.txt": str(n) * n for n in range(40)}, kind))
    paths = list(tree.paths) * 10
    expected = [tree.read(path) for path in paths]

    with ThreadPoolExecutor(4) as threads:
        in_threads = list(threads.map(tree.read, paths))
    with multiprocessing.get_context("fork").Pool(2) as processes:
        in_processes = processes.map(tree.read, paths)

    copy = pickle.loads(pickle.dumps(tree))  # noqa: S301 - our own bytes

    assert in_threads == expected
    assert in_processes == expected
    assert contents(copy) == contents(tree)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tar.gz"])
def test_the_cache_key_changes_with_the_files_and_only_then(write, kind):
    path = write({"a.txt": "a", "b.txt": "b"}, kind)
    first, again = open_tree(path).cache_key(), open_tree(path).cache_key()

    os.utime(path / "a.txt" if kind == "folder" else path, ns=(1, 2_000_000_000))
    touched = open_tree(path).cache_key()
    other = open_tree(write({"a.txt": "a", "b.txt": "bb"}, kind, "other")).cache_key()

    assert first == again
    assert len({first, touched, other}) == 3


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "tar.gz"])
def test_files_of_the_same_names_sizes_and_times_are_others_elsewhere(write, kind, tmp_path):
    made = [write({"a.txt": text, "b.txt": "b"}, kind, name) for text, name in ("1x", "2y")]
    for path in made:
        os.utime(path / "a.txt" if kind == "folder" else path, ns=(0, 0))
        os.utime(path / "b.txt" if kind == "folder" else path, ns=(0, 0))
    (tmp_path / "link").symlink_to(made[0].parent)

    one, other = (open_tree(path).cache_key() for path in made)

    assert one != other
    assert open_tree(tmp_path / "link" / made[0].name).cache_key() == one


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_a_file_written_anew_under_its_old_time_is_another(write, kind):
    path = write({"a.txt": "1", "b.txt": "b"}, kind)
    file = path / "a.txt" if kind == "folder" else path
    os.utime(file, ns=(0, 0))
    first = open_tree(path).cache_key()

    time.sleep(0.02)  # the clock of a file system may be coarse
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(0, 0))

    assert open_tree(path).cache_key() != first


def test_a_folder_whose_own_name_is_not_utf_8_has_a_key(tmp_path):
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    root.mkdir()
    (root / "a.txt").write_text("a")

    assert len(open_tree(root).cache_key()) == 64


def test_links_in_a_folder_are_followed(write, tmp_path):
    root = write({"cat/1.jpg": "one"})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "2.jpg").write_text("two", encoding="utf-8")
    (root / "cat" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "2.jpg")
    (root / "dog").symlink_to(tmp_path / "elsewhere")

    tree = open_tree(root)

    assert contents(tree) == {"cat/1.jpg": b"one", "cat/2.jpg": b"two", "dog/2.jpg": b"two"}


def test_links_to_nothing_and_circles_of_links_are_named(write):
    root = write({"cat/1.jpg": "one"})
    (root / "cat" / "2.jpg").symlink_to(root / "gone.jpg")

    with pytest.raises(DataError, match=r"cat/2\.jpg is a link to nothing"):
        open_tree(root)

    (root / "cat" / "2.jpg").unlink()
    (root / "cat" / "again").symlink_to(root)
    with pytest.raises(DataError, match="cat/again is a link to a folder around it"):
        open_tree(root)


def test_what_is_neither_file_nor_folder_is_refused(write):
    root = write({"cat/1.jpg": "one"})
    os.mkfifo(root / "cat" / "pipe")

    with pytest.raises(DataError, match="cat/pipe is neither a file nor a folder"):
        open_tree(root)


def test_a_name_that_is_not_utf_8_is_refused_readably(write):
    root = write({"cat/1.jpg": "one"})
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg"))).write_bytes(b"x")

    with pytest.raises(DataError, match=r"caf\\udce9\.jpg' is not UTF-8"):
        open_tree(root)


def test_a_path_that_does_not_exist_is_answered_with_near_names(write):
    root = write({"cat/1.jpg": "one"})

    with pytest.raises(DataError, match="sett does not exist") as caught:
        open_tree(root.parent / "sett")
    assert caught.value.fix == "did you mean 'set'?"
    with pytest.raises(DataError, match="does not exist, nor does"):
        open_tree(root / "no" / "where")
    with pytest.raises(DataError, match="does not exist") as caught:
        open_tree(root / "xyz")
    assert caught.value.fix == f"look into {root}"


def test_a_file_that_is_no_archive_is_refused_with_the_kinds_there_are(write):
    root = write({"a.rar": "x"})

    with pytest.raises(DataError, match=r"a\.rar is neither a folder nor an archive") as caught:
        open_tree(root / "a.rar")

    assert caught.value.expected == (
        "a folder, or a file ending in .tar, .zip, .tar.gz, .tgz, .tar.bz2"
    )


def test_a_file_that_vanished_is_named(write):
    root = write({"a.txt": "a"})
    tree = open_tree(root)
    (root / "a.txt").unlink()

    with pytest.raises(DataError, match=r"a\.txt cannot be read: No such file"):
        tree.read("a.txt")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_changed_after_opening_is_not_read(write, kind):
    path = write({"a.txt": "a", "b.txt": "b"}, kind)
    tree = open_tree(path)
    with path.open("ab") as file:
        file.write(b"more")

    with pytest.raises(ArtefactError, match="was changed since it was opened"):
        tree.read("a.txt")


def test_a_tree_of_listed_files_looks_at_no_others(write):
    root = write({"a.txt": "a", "sub/b.txt": "b"})
    os.mkfifo(root / "pipe")

    tree = FolderTree.listed(root, ["sub/b.txt", "missing.txt", "sub/b.txt"])

    assert tree.paths == ("sub/b.txt",)
