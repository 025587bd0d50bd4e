"""Series for classification as the UEA and UCR archive has them: NAME_TRAIN.ts and NAME_TEST.ts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from manako.data.dataset import Dataset, Item
from manako.data.files import FileTree
from manako.data.names import is_picture
from manako.data.signals.addresses import is_signal
from manako.data.signals.reading import SignalReader
from manako.errors import DataError
from manako.structures import ClassTarget

_PART = re.compile(r"(?i)_(train|test)\.ts$")


@dataclass(frozen=True)
class UeaSeries:
    """Two files of one name, or one of them; see `manako.data.signals.ts`."""

    name: str = "UEA series"
    looks_for: str = "NAME_TRAIN.ts and NAME_TEST.ts"

    def read(self, files: FileTree) -> Dataset | None:
        """The data set, None without such files.

        Errors: DataError for two data sets in one folder, and for parts with other classes.
        """
        parts = {path: match for path in files.paths if (match := _PART.search(path))}
        if not parts or _is_of_another_kind(files, list(parts)):
            return None
        names = sorted({path[: match.start()] for path, match in parts.items()})
        if len(names) > 1:
            raise DataError(
                f"{files.root} holds several sets of series: {', '.join(names)}",
                fix="give the path of the folder of one",
            )
        reader = SignalReader(files)
        classes = {path: reader.series(path).classes for path in parts}
        for path, of_one in classes.items():
            if not of_one:
                raise DataError(
                    f"{path} names no classes", expected="a line @classLabel true A B …"
                )
        first, *others = classes.values()
        if any(set(other) != set(first) for other in others):
            raise DataError(
                f"the parts of {names[0]} name other classes", expected=", ".join(first)
            )
        ordered = tuple(sorted(first))
        targets = {name: ClassTarget(label) for label, name in enumerate(ordered)}
        splits = {
            match[1].lower(): tuple(
                Item(f"{path}#{number}", targets[label])
                for number, label in enumerate(reader.series(path).labels)
            )
            for path, match in parts.items()
        }
        return Dataset(
            task="classification",
            classes=ordered,
            splits=splits,
            files=files,
            format=self.name,
            holds="signals",
        )


def _is_of_another_kind(files: FileTree, parts: Sequence[str]) -> bool:
    """Whether there are pictures or signals of files of their own, and parts not at the top."""
    others = any(is_picture(path) or is_signal(path) for path in files.paths)
    return others and all("/" in path for path in parts)
