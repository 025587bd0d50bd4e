"""The figures of a network and of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Layer:
    """One layer, or several that were put together.

    Attributes:
        name: where it is in the network, as in its state dict.
        kind: what it is.
        output: the shape of what it gives for one picture, [C, *size] of a map; () where it gives
            no single tensor or is not part of prediction.
        params: its weights.
        macs: multiply-adds for one picture: of convolutions and matrix products, nothing else.
        kept_bytes: what training in float32 keeps of one picture for the backward pass.
        stride: the pixels between neighbouring units of its map, None where it gives no map.
        receptive_field: the side in pixels of the square that one of its units can see in an
            endless picture; None where it gives no map, or its units see all of it.

    A layer that is used several times has the output, stride and field of its last use, and the
    multiply-adds of all.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    kept_bytes: int
    stride: int | None
    receptive_field: int | None


@dataclass(frozen=True)
class Given:
    """What a module, of one layer or many, gives: see the attributes of `Layer`."""

    output: tuple[int, ...] = ()
    stride: int | None = None
    receptive_field: int | None = None


@dataclass(frozen=True)
class Arithmetic:
    """A network's layers in the order in which a picture meets them; those it does not meet last.

    `input` is the shape of a picture, [C, *size]. `given` says what every module gives, by name.
    """

    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    given: Mapping[str, Given]

    @property
    def params(self) -> int:
        """All weights."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds of a prediction for one picture."""
        return sum(layer.macs for layer in self.layers)

    @property
    def kept_bytes(self) -> int:
        """What training in float32 keeps of one picture for the backward pass, in bytes."""
        return sum(layer.kept_bytes for layer in self.layers)

    def training_bytes(self, batch: int, states: int = 1) -> int:
        """About the memory of a training step: weights, gradients, optimizer and what is kept.

        `states` are the numbers that the optimizer has for each weight: 1 for SGD with momentum,
        2 for Adam. What the operations need while they compute comes on top.
        """
        return 4 * self.params * (2 + states) + batch * self.kept_bytes

    def grouped(self, depth: int) -> tuple[Layer, ...]:
        """The same with layers put together whose names agree in the first `depth` parts.

        Neighbours only: what a picture meets twice is there twice.
        """
        if depth < 1:
            return self.layers
        return tuple(
            _together(name, list(layers), self.given)
            for name, layers in groupby(self.layers, key=_beginning(depth))
        )


def _beginning(depth: int) -> Callable[[Layer], str]:
    return lambda layer: ".".join(layer.name.split(".")[:depth])


def _together(name: str, layers: list[Layer], given: Mapping[str, Given]) -> Layer:
    if len(layers) == 1 and layers[0].name == name:
        return layers[0]
    # A list of modules is never called: what its last gives is what it gives.
    end = given.get(name) or given.get(layers[-1].name, Given())
    return Layer(
        name=name,
        kind=_kinds(layers),
        output=end.output,
        params=sum(one.params for one in layers),
        macs=sum(one.macs for one in layers),
        kept_bytes=sum(one.kept_bytes for one in layers),
        stride=end.stride,
        receptive_field=end.receptive_field,
    )


def _kinds(layers: Iterable[Layer]) -> str:
    """The kinds that have weights, each once, in their order."""
    found = dict.fromkeys(one.kind.split()[0] for one in layers if one.params or one.macs)
    return ", ".join(found)
