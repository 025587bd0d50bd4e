"""What a reader of one layout on disk offers."""

from __future__ import annotations

from typing import Protocol

from manako.data.dataset import Dataset
from manako.data.files import FileTree


class Format(Protocol):
    """One way in which data sets are laid out on disk."""

    @property
    def name(self) -> str:
        """As it stands in the line that describes a data set."""

    @property
    def looks_for(self) -> str:
        """One line: what must be there for a data set to be of this format."""

    def read(self, files: FileTree) -> Dataset | None:
        """The data set in `files`, None if it is not laid out like this.

        Its classes are all that occur in any split, sorted by name (or numbered by a file of
        theirs). Errors: DataError for a data set that is laid out like this but has a fault.
        """
