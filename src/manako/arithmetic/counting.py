"""Running a network on torch's meta device, where tensors have shapes and no values."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from manako.arithmetic.figures import Arithmetic, Given, Layer
from manako.errors import ShapeError, UsageError
from manako.models.dimensions import Dimensions
from manako.models.protocols import FixedSize, WholeModel
from manako.models.receptive_field import Field, fields_of_layers
from manako.models.shapes_only import MultiplyAdds, QuickNorms
from manako.models.visits import after_each_module, inside_modules
from manako.models.zoo import create_without_values, model_info

SMALL, LARGER = 2, 3  # pictures; the least from which batch norms of single units learn


def arithmetic(
    network: str | nn.Module,
    *,
    input_size: tuple[int, ...] | None = None,
    in_channels: int | None = None,
    num_classes: int | None = None,
    dims: Dimensions = 2,
    fields: bool = True,
    **options: Any,
) -> Arithmetic:
    """The figures of a network for one picture.

    Args:
        network: a name of `list_models()`, or a network, with values or without.
        input_size: height and width in pixels, or as many sides as `dims`; by default those that a
            named model is made for.
        in_channels: 3 by default, or those that a named model is made for.
        num_classes: of a named model; those of its reference by default.
        dims: of a named model; see `create_model`.
        fields: whether strides and receptive fields are found, too, which takes longest.
        options: of a named model.

    Raises:
        UnknownName, UsageError: no such name or option; a network without name or `input_size`.
        ShapeError: a size, or a number of channels, that the network does not take.

    >>> arithmetic("resnet18", input_size=(448, 448)).macs, arithmetic("resnet18").macs
    (7254757376, 1814073344)
    """
    if isinstance(network, str):
        info = model_info(network)
        input_size = input_size or (info.size_hw if dims == 2 else info.size_hw[:1] * dims)
        if len(input_size) != dims:
            raise ShapeError(
                f"a size of {len(input_size)} sides for a network of {dims} dimensions",
                expected="as many sides as dims",
            )
        in_channels = in_channels or info.in_channels
        network = create_without_values(
            network, num_classes=num_classes, in_channels=in_channels, dims=dims, **options
        )
    elif input_size is None or num_classes or options:
        raise UsageError(
            "a network was given with num_classes or options, or without a size",
            expected="input_size=(height, width), and the network as it is",
        )
    else:
        network = copy.deepcopy(network)  # it stays where it is and as it is
    params = _own_params(network)  # now: on another device, weights that are one become two
    shape = (in_channels or 3, *input_size)
    return _measure(network.to("meta"), shape, params, with_fields=fields)


def _measure(
    network: nn.Module, shape: tuple[int, ...], params: Mapping[str, int], *, with_fields: bool
) -> Arithmetic:
    try:
        outputs, macs = _predicted(network.eval(), torch.zeros(1, *shape, device="meta"))
    except RuntimeError as error:  # of torch, whose words tell little to who gave a size
        raise ShapeError(
            f"the network cannot take an input of {' x '.join(map(str, shape))} ({error})",
            expected="the channels and sides that it is made for",
        ) from error
    fields = _fields(network, shape) if with_fields else {}
    network.train()
    small, larger = (
        _kept(network, torch.zeros(pictures, *shape, device="meta")) for pictures in (SMALL, LARGER)
    )
    given = {
        name: Given(output, *((fields[name].stride, fields[name].side) if name in fields else ()))
        for name, output in outputs.items()
    }
    modules = dict(network.named_modules())
    order = dict.fromkeys((*outputs, *modules))  # as they are called, then the others
    layers = {
        name: Layer(
            name=name or type(network).__name__,
            kind=kind_of(modules[name]),
            params=params[name],
            macs=macs.get(name, 0),
            kept_bytes=larger[name] - small[name],  # what does not grow is none of the picture's
            **vars(given.get(name, Given())),
        )
        for name in order
    }
    rows = (one for name, one in layers.items() if _says_something(one, modules[name]))
    return Arithmetic(shape, tuple(rows), given)


def _says_something(layer: Layer, module: nn.Module) -> bool:
    """Whether it is a layer: a module that only holds others has nothing of its own."""
    if layer.params or layer.macs or layer.kept_bytes:
        return True
    holds_others = next(module.children(), None) is not None
    return bool(layer.output) and not holds_others and not isinstance(module, nn.Identity)


def kind_of(module: nn.Module) -> str:
    """The type of a layer, with its kernel, stride and groups where it has them.

    >>> kind_of(nn.Conv2d(8, 8, 3, stride=2, groups=8))
    'Conv2d 3x3 /2 groups 8'
    """
    name = type(module).__name__
    parts = [name]
    dims = int(name[-2]) if name.endswith(("1d", "3d")) else 2
    kernel = _sides(getattr(module, "kernel_size", None), dims)
    stride = _sides(getattr(module, "stride", None), dims) or kernel  # of some pools, if not given
    if kernel:
        parts.append("x".join(map(str, kernel)))
        if max(stride) > 1:
            equal = len(set(stride)) == 1
            parts.append("/" + "x".join(map(str, stride[:1] if equal else stride)))
    if getattr(module, "groups", 1) != 1:
        parts.append(f"groups {module.groups}")
    return " ".join(parts)


def _sides(given: object, dims: int) -> tuple[int, ...]:
    """One number for each dimension, of one for all or of as many; none where there are none."""
    if isinstance(given, int):
        return (given,) * dims
    return tuple(given) if isinstance(given, tuple | list) else ()


def _predicted(
    network: nn.Module, images: Tensor
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """The output's shape and the multiply-adds of each module, without those of its children."""
    outputs: dict[str, tuple[int, ...]] = {}
    macs: Counter[str] = Counter()
    counter = MultiplyAdds()
    counted = 0

    def charge(path: list[str]) -> None:
        """What was computed since the last module began or ended is the innermost one's."""
        nonlocal counted
        if path:
            macs[path[-1]] += counter.count - counted
        counted = counter.count

    def note(name: str, output: Any) -> None:
        outputs.pop(name, None)  # a module that is called again stands where it is called last
        outputs[name] = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()

    with (
        torch.no_grad(),
        counter,
        QuickNorms(),
        after_each_module(network, note),
        inside_modules(network, charge),
    ):
        network(images)
    return outputs, macs


def _kept(network: nn.Module, images: Tensor) -> Counter[str]:
    """Bytes that the backward pass needs again, by the module whose operation keeps them.

    A tensor that several operations keep counts once, weights do not count.
    """
    known = {one.untyped_storage()._cdata for one in (*network.parameters(), *network.buffers())}
    alive: list[Tensor] = []  # lest the storage of another gets a number that was counted
    kept: Counter[str] = Counter()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            known.add(storage._cdata)
            alive.append(tensor)
            name = path[-1] if path else ""
            kept[name] += storage.nbytes()
        return tensor

    hooks = saved_tensors_hooks(pack, lambda tensor: tensor)
    with inside_modules(network) as path, hooks, QuickNorms():
        network(images)
    return kept


def _fields(network: nn.Module, shape: tuple[int, ...]) -> dict[str, Field]:
    """What a unit of each module's map sees; of those whose maps can be followed."""
    return fields_of_layers(
        network,
        shape[0],
        dims=len(shape) - 1,
        multiple=network.size_multiple if isinstance(network, WholeModel) else 1,
        fixed_width=network.fixed_size_hw[1] if isinstance(network, FixedSize) else None,
    )


def _own_params(network: nn.Module) -> dict[str, int]:
    """The weights of each module without its children's; those in several places in the first."""
    known: set[int] = set()
    own: dict[str, int] = {}
    for name, module in network.named_modules():
        new = [one for one in module.parameters(recurse=False) if id(one) not in known]
        known.update(map(id, new))
        own[name] = sum(one.numel() for one in new)
    return own
