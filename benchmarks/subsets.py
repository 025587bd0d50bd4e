"""Small parts of real data sets as folders, for proofs that need many short runs."""

from __future__ import annotations

from pathlib import Path

from record import WORK, shared

from manako.data.files import open_tree

CLASSES = ("cat", "frog", "ship")
PICTURES = 24  # of each class of CIFAR-10, or of each split of the others


def cifar10() -> Path:
    """`train` and `test` with some pictures of three classes."""
    wanted = {f"{split}/{name}/": PICTURES for split in ("train", "test") for name in CLASSES}
    return _copy("cifar10.tar.gz", wanted)


def camvid() -> Path:
    """Pictures and masks of all three splits; evenly spaced frames."""
    files = open_tree(shared("camvid.tar"))
    target = WORK / "data" / "camvid"
    for split in ("train", "val", "test"):
        images = [path for path in files.paths if path.startswith(f"images/{split}/")]
        for path in images[:: max(1, len(images) // PICTURES)][:PICTURES]:
            mask = path.replace("images/", "masks/").replace(".jpg", ".png")
            _write(target / path, files.read(path))
            _write(target / mask, files.read(mask))
    _write(target / "classes.txt", files.read("classes.txt"))
    return target


def bccd() -> Path:
    """Pascal VOC with the first pictures of each list."""
    files = open_tree(shared("bccd.tar"))
    target = WORK / "data" / "bccd"
    for split in ("train", "val", "test"):
        path = f"ImageSets/Main/{split}.txt"
        names = files.read(path).decode().split()[:PICTURES]
        _write(target / path, ("\n".join(names) + "\n").encode())
        for name in names:
            for kind in (f"JPEGImages/{name}.jpg", f"Annotations/{name}.xml"):
                _write(target / kind, files.read(kind))
    return target


def _copy(archive: str, wanted: dict[str, int]) -> Path:
    files = open_tree(shared(archive))
    target = WORK / "data" / archive.split(".")[0]
    for prefix, count in wanted.items():
        for path in [path for path in files.paths if path.startswith(prefix)][:count]:
            _write(target / path, files.read(path))
    return target


def _write(path: Path, data: bytes) -> None:
    if path.exists() and path.read_bytes() == data:
        return  # an unchanged file keeps its time, and what was decoded from it its cache
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
