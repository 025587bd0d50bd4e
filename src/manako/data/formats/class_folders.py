"""Classification: a folder for each class, perhaps within folders for train, val and test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from manako.data.dataset import Dataset, Holds, Item
from manako.data.files import FileTree
from manako.data.names import WHOLE, composed, is_picture, listed, split_name, suffix
from manako.data.signals.addresses import is_signal
from manako.errors import DataError
from manako.structures import ClassTarget

Wanted = Callable[[str], bool]

_OTHER_FOLDERS = frozenset({"images", "masks", "labels", "JPEGImages", "Annotations"})
"""Names of folders in other layouts, which are not classes."""


@dataclass(frozen=True)
class ClassFolders:
    """`train/cat/1.jpg`, or `cat/1.jpg` to be split by manako; folders in a class folder are fine.

    The class is the name of the folder, whatever lies below it. Pictures outside class folders,
    other files and empty class folders are named in the notes. Where the class folders hold more
    signals and volumes (.wav, .csv, .tsv, .npy, .nii, .nii.gz) than pictures, it is these.
    """

    name: str = "class folders"
    looks_for: str = "pictures in a folder for each class, perhaps within train, val and test"

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without class folders. Errors: DataError for a doubled split."""
        splits = _split_folders(files)
        inside = [path for path in files.paths if _place(path, splits)[1]]
        signals = sum(map(is_signal, inside)) > sum(map(is_picture, inside))
        holds: Holds = "signals" if signals else "pictures"
        wanted = is_signal if signals else is_picture
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        left_out: list[str] = []
        for path in files.paths:
            split, class_name = _place(path, splits)
            if class_name and wanted(path):
                found[split].append((path, class_name))
            else:
                left_out.append(path)
        classes = tuple(sorted({name for items in found.values() for _, name in items}))
        if all(split_name(name) or name in _OTHER_FOLDERS for name in classes):
            return None  # nothing found, or train/1.jpg and images/1.jpg, which tell no class
        _check_is_one_set(files, splits, [path for items in found.values() for path, _ in items])
        targets = {name: ClassTarget(label) for label, name in enumerate(classes)}
        return Dataset(
            task="classification",
            classes=classes,
            splits={
                split: tuple(Item(path, targets[name]) for path, name in items)
                for split, items in sorted(found.items())
            },
            files=files,
            format=self.name,
            notes=(
                *_left_out_notes(left_out, wanted, holds),
                *_empty_notes(files, splits, wanted),
                *_depth_notes(splits, found),
            ),
            holds=holds,
        )


def _split_folders(files: FileTree) -> dict[str, str]:
    """Folder -> split, for the folders at the top that are named like splits."""
    tops = sorted({path.partition("/")[0] for path in files.paths if path.count("/") >= 2})
    folders: dict[str, str] = {}
    for top in tops:
        split = split_name(top)
        if split is None:
            continue
        if split in folders.values():
            other = next(folder for folder, name in folders.items() if name == split)
            raise DataError(
                f"{files.root} has two folders for {split}: {other} and {top}",
                fix="merge them or move one away",
            )
        folders[top] = split
    return folders


def _check_is_one_set(files: FileTree, splits: dict[str, str], pictures: list[str]) -> None:
    """Errors: DataError where a class folder is itself a data set, with splits or masks inside."""
    depth = 2 if splits else 1
    for path in pictures:
        parts = path.split("/")
        inner = parts[depth] if len(parts) > depth + 1 else ""
        if split_name(inner) or inner in _OTHER_FOLDERS:
            whole = "/".join(parts[:depth])
            raise DataError(
                f"{files.root}: {whole}/ is no class but looks like a data set; it holds {inner}/",
                expected="pictures, or folders of pictures, in each class folder",
                fix=f"give the path of {whole}",
            )


def _place(path: str, splits: dict[str, str]) -> tuple[str, str]:
    """Split and class of a file; an empty class where it lies in no class folder."""
    parts = path.split("/")
    if not splits:
        return WHOLE, composed(parts[0]) if len(parts) > 1 else ""
    if parts[0] not in splits or len(parts) < 3:
        return WHOLE, ""
    return splits[parts[0]], composed(parts[1])


def _left_out_notes(paths: list[str], wanted: Wanted, holds: Holds) -> list[str]:
    pictures = [path for path in paths if wanted(path)]
    others = Counter(suffix(path) or "without ending" for path in paths if not wanted(path))
    notes = []
    if pictures:
        notes.append(
            f"{len(pictures):,} {holds} lie outside the class folders and are left out: "
            f"{listed(pictures, 3)}"
        )
    if others:
        kinds = listed([f"{count:,} {kind}" for kind, count in others.most_common()])
        notes.append(f"files that are not {holds} are left out: {kinds}")
    return notes


def _empty_notes(files: FileTree, splits: dict[str, str], wanted: Wanted) -> list[str]:
    """A folder of files that are all no pictures is no better than an empty one."""
    depth = 2 if splits else 1
    paths = [path for path in files.paths if not splits or path.partition("/")[0] in splits]
    filled = {_folder(path, depth) for path in paths if wanted(path)}
    others = {_folder(path, depth) for path in paths if path.count("/") >= depth} - filled
    empty = {name for name in files.empty_folders if name.count("/") == depth - 1}
    names = sorted(empty | others)
    return [f"class folders without a picture: {listed(names)}"] if names else []


def _depth_notes(splits: dict[str, str], found: dict[str, list[tuple[str, str]]]) -> list[str]:
    """A hint where the classes might be the folders below those taken for classes."""
    depth = 2 if splits else 1
    paths = [path for items in found.values() for path, _ in items]
    if any(path.count("/") == depth for path in paths):
        return []
    return [
        "no picture lies directly in its class folder: if the classes are the folders one deeper "
        f"({_folder(paths[0], depth + 1)}), give the path of the folder around those"
    ]


def _folder(path: str, depth: int) -> str:
    return "/".join(path.split("/")[:depth])
