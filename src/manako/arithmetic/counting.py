"""Running a network on torch's meta device, where tensors have shapes and no values."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from manako.arithmetic.figures import Arithmetic, Given, Layer
from manako.errors import ShapeError, UsageError
from manako.models.dimensions import Dimensions
from manako.models.protocols import FixedSize, WholeModel
from manako.models.receptive_field import Field, fields_of_layers
from manako.models.visits import after_each_module, inside_modules
from manako.models.zoo import create_model, model_info

BATCH = 2  # the least from which batch norms of single units learn


def arithmetic(
    network: str | nn.Module,
    *,
    input_size: tuple[int, ...] | None = None,
    in_channels: int | None = None,
    num_classes: int | None = None,
    dims: Dimensions = 2,
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
        options: of a named model.

    Raises:
        UnknownName, UsageError: no such name or option; a network without name or `input_size`.
        ShapeError: a size that the network does not take.

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
        with torch.device("meta"):
            network = create_model(
                network,
                num_classes=num_classes or info.num_classes,
                in_channels=in_channels,
                dims=dims,
                **options,
            )
    elif input_size is None or num_classes or options:
        raise UsageError(
            "a network was given with num_classes or options, or without a size",
            expected="input_size=(height, width), and the network as it is",
        )
    # A copy, so that the network stays where it is and as it is.
    return _measure(copy.deepcopy(network).to("meta"), (in_channels or 3, *input_size))


def _measure(network: nn.Module, shape: tuple[int, ...]) -> Arithmetic:
    outputs, macs = _predicted(network.eval(), torch.zeros(1, *shape, device="meta"))
    fields = _fields(network, shape)
    kept = _kept(network.train(), torch.zeros(BATCH, *shape, device="meta"))
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
            params=_own_params(modules[name]),
            macs=macs.get(name, 0),
            kept_bytes=kept.get(name, 0) // BATCH,
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
    parts = [type(module).__name__]
    kernel, stride = getattr(module, "kernel_size", None), getattr(module, "stride", None)
    if isinstance(kernel, int):
        kernel, stride = (kernel,) * 2, (stride,) * 2
    if isinstance(kernel, tuple):
        parts.append("x".join(map(str, kernel)))
        if isinstance(stride, tuple) and max(stride) > 1:
            parts.append("/" + "x".join(map(str, dict.fromkeys(stride))))
    if getattr(module, "groups", 1) != 1:
        parts.append(f"groups {module.groups}")
    return " ".join(parts)


def _predicted(
    network: nn.Module, images: Tensor
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """The output's shape and the multiply-adds of each module, without those of its children."""
    outputs: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: Any) -> None:
        outputs[name] = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), after_each_module(network, note), counter:
        network(images)
    counts = {name: sum(of.values()) // 2 for name, of in counter.get_flop_counts().items()}
    root = type(network).__name__
    macs = {name: counts.get(f"{root}.{name}" if name else root, 0) for name in outputs}
    return outputs, _without_children(macs)


def _without_children(totals: dict[str, int]) -> dict[str, int]:
    """What of each module's total is not its children's."""
    own = dict(totals)
    for name, total in totals.items():
        parent = name.rpartition(".")[0]
        while parent and parent not in own:  # a list of modules is never called itself
            parent = parent.rpartition(".")[0]
        if name:
            own[parent] -= total
    return own


def _kept(network: nn.Module, images: Tensor) -> dict[str, int]:
    """Bytes that the backward pass needs again, by the module whose operation keeps them.

    A tensor that several operations keep counts once, weights do not count.
    """
    known = {one.untyped_storage()._cdata for one in (*network.parameters(), *network.buffers())}
    alive: list[Tensor] = []  # lest the storage of another gets a number that was counted
    kept: dict[str, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            known.add(storage._cdata)
            alive.append(tensor)
            name = path[-1] if path else ""
            kept[name] = kept.get(name, 0) + storage.nbytes()
        return tensor

    with inside_modules(network) as path, saved_tensors_hooks(pack, lambda tensor: tensor):
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


def _own_params(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters(recurse=False))
