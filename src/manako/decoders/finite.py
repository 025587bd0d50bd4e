"""Nothing is predicted from numbers that are none."""

from __future__ import annotations

from torch import Tensor

from manako.errors import NumericError


def expect_finite(raw: Tensor, name: str) -> Tensor:
    """`raw` as float32, all of it finite.

    Raises:
        NumericError: an infinite value or NaN.
    """
    raw = raw.detach().float()
    if not bool(raw.isfinite().all()):
        raise NumericError(
            f"the network's {name} are not all finite numbers",
            fix="check its weights and the pictures; with half precision, try float32",
        )
    return raw
