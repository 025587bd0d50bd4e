"""What a caller can catch, and with which code the command line ends.

Every error says what came, what was expected and what to do about it.

>>> raise DataError("train/cat/7.jpg is cut off", expected="a whole picture", fix="copy it anew")
Traceback (most recent call last):
manako.errors.DataError: train/cat/7.jpg is cut off
  expected: a whole picture
  fix     : copy it anew
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ManakoError(Exception):
    """Something manako refuses or cannot do.

    `what` came, `expected` would have been right, `fix` helps. `exit_code` is the code with
    which the command line ends.
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", fix: str = "") -> None:
        lines = [what]
        if expected:
            lines.append(f"  expected: {expected}")
        if fix:
            lines.append(f"  fix     : {fix}")
        super().__init__("\n".join(lines))
        self.what, self.expected, self.fix = what, expected, fix

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders by pickling; keyword arguments would be lost.
        return (_rebuild, (type(self), self.what, self.expected, self.fix))


def _rebuild(kind: type[ManakoError], what: str, expected: str, fix: str) -> ManakoError:
    error = kind.__new__(kind)
    ManakoError.__init__(error, what, expected=expected, fix=fix)
    return error


class UsageError(ManakoError, ValueError):
    """A value, option or combination that cannot be used (exit code 2)."""

    exit_code = 2


class ShapeError(UsageError):
    """A tensor whose shape or type breaks the contract of the record it goes into."""


class UnknownName(UsageError):  # noqa: N818 - named for what it says
    """A name that is in no table; near names are offered.

    >>> raise UnknownName("model", "resnet81", ["resnet18", "unet"])
    Traceback (most recent call last):
    manako.errors.UnknownName: no model 'resnet81'; did you mean 'resnet18'?
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, fix: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        if near:
            hint = "; did you mean " + " or ".join(repr(one) for one in near) + "?"
        else:
            hint = "; known: " + ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
        super().__init__(f"no {kind} {name!r}{hint}", fix=fix)


class DataError(ManakoError):
    """A data set, picture or annotation that cannot be used (exit code 3)."""

    exit_code = 3


class ArtefactError(ManakoError):
    """A recognizer, checkpoint, archive or weight file that is damaged or refused (exit code 4)."""

    exit_code = 4


class ResourceError(ManakoError):
    """Disk, memory, files or processes ran out (exit code 5)."""

    exit_code = 5


class NumericError(ManakoError):
    """A loss or weight that is no longer a finite number (exit code 6)."""

    exit_code = 6


class BusyError(ManakoError):
    """Somebody else holds the folder (exit code 7)."""

    exit_code = 7


class Stopped(ManakoError):  # noqa: N818 - named for what it says
    """A signal asked the run to stop; its state is saved (exit code 75)."""

    exit_code = 75
