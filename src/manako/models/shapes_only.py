"""Networks on torch's meta device, where tensors have shapes and no values, in less time.

Most of the time there goes into starting values that are never drawn, and into norms, which torch
takes apart into a dozen operations to find that they change no shape. Both are left out. And
multiply-adds are counted by torch's own formulas without the rest of its counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_DRAWS = frozenset({Tensor.normal_, Tensor.uniform_, Tensor.zero_, Tensor.fill_, Tensor.mul_})
_BATCH_NORM = torch.ops.aten.native_batch_norm.default
_LAYER_NORM = torch.ops.aten.native_layer_norm.default


class NoStartingValues(TorchFunctionMode):
    """While it lasts, `torch.nn.init` and in-place operations leave tensors as they are.

    For networks that are made on the meta device.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class QuickNorms(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it lasts, norms of tensors without values say nothing but their shapes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func not in (_BATCH_NORM, _LAYER_NORM) or not args[0].is_meta:
            return func(*args, **(kwargs or {}))
        x = args[0]
        if func is _BATCH_NORM:
            normalised, mean = torch.empty_like(x), x.new_empty(x.shape[1])
        else:  # which puts what was permuted into its new order
            sides = len(args[1])
            normalised, mean = x.new_empty(x.shape), x.new_empty((*x.shape[:-sides], *(1,) * sides))
        return normalised, mean, torch.empty_like(mean)  # the last is the deviation


class MultiplyAdds(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts those of convolutions and matrix products while it lasts.

    >>> with MultiplyAdds() as counter:
    ...     _ = torch.zeros(2, 3) @ torch.zeros(3, 4)
    >>> counter.count
    24
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        operations = flop_registry.get(func.overloadpacket)
        if operations is not None:  # a multiplication and an addition are two
            self.count += operations(*args, **kwargs, out_val=result) // 2
        return result
