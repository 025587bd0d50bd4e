"""A signal or volume as it was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manako.errors import DataError

Values = npt.NDArray[np.float32]
MOST_VALUES = 100_000_000
"""The most numbers that are read from one file; more could exhaust the memory."""


@dataclass(frozen=True)
class Signal:
    """`values` float32 [C, *size]: one size for a signal, three for a volume.

    `rate_hz` is how many values a second it has, where the file says so.
    """

    values: Values
    rate_hz: float | None = None


def as_values(array: npt.ArrayLike, name: str) -> Values:
    """The numbers of a file as float32 [C, *size], refused where they cannot be learned from.

    One row of numbers is one channel. Errors: DataError for nothing, for text, for what is not
    finite, and for more than `MOST_VALUES`.
    """
    found = np.asarray(array)
    if found.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {found.dtype}", expected="numbers")
    if found.ndim == 0:
        raise DataError(f"{name} holds a single number", expected="at least a row of them")
    if found.size == 0:
        raise DataError(f"{name} holds no numbers", fix="remove it, or write it anew")
    if found.size > MOST_VALUES:
        raise DataError(
            f"{name} holds {found.size:,} numbers",
            expected=f"at most {MOST_VALUES:,}",
            fix="cut it into parts",
        )
    rows = found[None] if found.ndim == 1 else found
    values = np.require(rows, np.float32, ["C", "W"])  # torch takes over what may be written to
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        where = ", ".join(map(str, np.unravel_index(bad[0], values.shape)))
        raise DataError(
            f"{name} holds {found.reshape(values.shape).flat[bad[0]]} at [{where}], and "
            f"{bad.size - 1:,} more values that are no finite numbers",
            fix="fill the gaps, or leave the file out",
        )
    return values
