"""Comparing one of our classifiers with another library's, in float64, weight by weight."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from manako.losses.classification import with_auxiliary
from manako.models.weights import load_weights
from manako.models.zoo import MODELS
from manako.storage.tensors import save_tensors
from manako.structures import ClassRaw

CLOSE = 1e-9
NOTHING = 1e-12


@dataclass
class Pair:
    """Our network and theirs, with the same scrambled weights and statistics.

    `convert` gives a state dict of theirs under our names. `maps` says where their feature maps
    come out: {stride: name of the module}; `to_ours` brings such an output to [B, C, H, W].
    """

    ours: nn.Module
    theirs: nn.Module
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    images: Tensor
    maps: Mapping[int, str] = field(default_factory=dict)
    to_ours: Callable[[Tensor], Tensor] = lambda output: output


def pair(
    ours: Callable[[], nn.Module],
    theirs: Callable[[], nn.Module],
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    images: Tensor,
    *,
    with_values: bool = False,
    **more: object,
) -> Pair:
    """Both networks, built without values, filled and made free of chance.

    A network with tables among its buffers must be built `with_values`.
    """
    one, other = _both(ours, theirs, with_values)
    one.load_state_dict(convert(copy.deepcopy(other.state_dict())), strict=True)
    return Pair(one, other, convert, images.double(), **more)


def pair_by_file(
    ours: Callable[[], nn.Module],
    theirs: Callable[[], nn.Module],
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    images: Tensor,
    *,
    path: Path,
    library: str,
    in_files: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
    with_values: bool = False,
    **more: object,
) -> Pair:
    """As `pair`, the weights by way of a file at `path` that is read as one of `library`.

    `in_files` gives the names that the library writes.
    """
    one, other = _both(ours, theirs, with_values)
    save_tensors(path, in_files(other.state_dict()))
    loaded = load_weights(one, f"{library}:{path}")
    assert "fresh" not in loaded.message
    return Pair(one, other, convert, images.double(), **more)


def _both(
    ours: Callable[[], nn.Module], theirs: Callable[[], nn.Module], with_values: bool
) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        one = ours()
    with torch.device("cpu" if with_values else "meta"):
        other = scrambled(theirs())
    one = one.double().to_empty(device="cpu")
    for model in (one, other):
        without_chance(model)
    return one, other


def scrambled(model: nn.Module) -> nn.Module:
    """No value at its default: there, mix-ups do not show. Branches stay of moderate size."""
    model = model.double()
    if next(model.parameters()).is_meta:
        model = model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(3)
        elif not tensor.is_floating_point():
            continue  # a table of indices
        elif name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim <= 1:
            tensor.uniform_(-0.5, 0.5, generator=generator)
        else:
            tensor.normal_(std=(1 / tensor[0].numel()) ** 0.5, generator=generator)
    return model


def without_chance(model: nn.Module) -> None:
    """Dropout and stochastic depth never strike."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for rate in ("rate", "drop_prob", "p"):
            if type(module).__name__ in ("StochasticDepth", "DropPath") and hasattr(module, rate):
                setattr(module, rate, 0.0)


def difference(found: Tensor, expected: Tensor) -> float:
    """max |found - expected| / max |expected|; all must be finite."""
    assert found.shape == expected.shape
    assert found.isfinite().all()
    assert expected.isfinite().all()
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def outputs(networks: Pair) -> tuple[list[Tensor], list[Tensor]]:
    """Logits, feature maps and the gradient of the pictures in evaluation: ours and theirs."""
    return _run_ours(networks), _run_theirs(networks)


def _run_ours(networks: Pair) -> list[Tensor]:
    images, model = networks.images.clone().requires_grad_(), networks.ours.eval()
    maps = model.backbone(images) if networks.maps else {}
    logits = ClassRaw.of(model(images)).logits
    return [logits, *(maps[stride] for stride in networks.maps), _gradient(logits, images)]


def _run_theirs(networks: Pair) -> list[Tensor]:
    images, model = networks.images.clone().requires_grad_(), networks.theirs.eval()
    maps: dict[int, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            # A copy: an activation that works in place may follow.
            lambda _, __, found, stride=stride: maps.update({stride: found.clone()})
        )
        for stride, name in networks.maps.items()
    ]
    logits = model(images)
    logits = getattr(logits, "logits", logits)
    for hook in hooks:
        hook.remove()
    found = [networks.to_ours(maps[stride]) for stride in networks.maps]
    return [logits, *found, _gradient(logits, images)]


def _gradient(logits: Tensor, images: Tensor) -> Tensor:
    direction = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    (gradient,) = torch.autograd.grad((logits * direction).sum(), images)
    return gradient


def after_a_training_step(
    networks: Pair, loss: Callable[[object], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of all parameters and the running statistics after one backward pass in training.

    Under our names: ours and theirs. `loss` is computed from what the networks give.
    """
    found: list[dict[str, Tensor]] = []
    for model in (networks.ours.train(), networks.theirs.train()):
        model.zero_grad()
        loss(model(networks.images)).backward()
        parameters = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        found.append(parameters | buffers)
    return found[0], networks.convert(found[1])


def largest_error(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest `difference` of tensors of equal names; the names must be the same.

    What a norm or a softmax behind it takes away again has no gradient: where both are as good as
    zero they count as equal, for what is left is rounding.
    """
    assert found.keys() == expected.keys()
    errors = [0.0]
    for name in found:
        one, other = found[name].double(), expected[name].double()
        if not max(one.abs().max(), other.abs().max()) <= NOTHING:  # so that NaN counts
            errors.append(difference(one, other))
    return max(errors)


def error_of_outputs(networks: Pair) -> float:
    """The largest `difference` of logits, all feature maps and the pictures' gradient."""
    ours, theirs = outputs(networks)
    assert len(ours) == 2 + len(networks.maps)
    return max(difference(found, expected) for found, expected in zip(ours, theirs, strict=True))


def error_of_a_training_step(networks: Pair) -> float:
    """The largest of the gradients of all parameters and the running statistics after a step."""
    ours, theirs = after_a_training_step(networks, _loss)
    assert len(ours) >= len(list(networks.ours.parameters()))
    return largest_error(ours, theirs)


def _loss(raw: object) -> Tensor:
    """The cross-entropy, and 0.3 of that of each auxiliary head."""
    labels = torch.tensor([3, 6])
    if isinstance(raw, ClassRaw):
        named = with_auxiliary(raw, lambda logits: {"": cross_entropy(logits, labels)})
        return torch.stack(list(named.values())).sum()
    inner = [getattr(raw, name) for name in ("aux_logits1", "aux_logits2") if hasattr(raw, name)]
    logits = getattr(raw, "logits", raw)
    return cross_entropy(logits, labels) + sum(0.3 * cross_entropy(x, labels) for x in inner)


def model_without_values(
    name: str, num_classes: int = 3, in_channels: int = 3, **options: object
) -> nn.Module:
    """The network of that name on the meta device: shapes alone, made in no time."""
    with torch.device("meta"):
        return MODELS[name].build(num_classes=num_classes, in_channels=in_channels, **options)


def names_in_files(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a Swin of transformers by the names that it writes to files.

    In memory, version 5 calls them otherwise than version 4; files keep the old names.
    """
    names = {
        "attention.q_proj": "attention.self.query",
        "attention.k_proj": "attention.self.key",
        "attention.v_proj": "attention.self.value",
        "attention.relative_position_bias.": "attention.self.",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    found = {}
    for name, tensor in tensors.items():
        for new, old in names.items():
            name = name.replace(new, old)
        found[name] = tensor
    return found
