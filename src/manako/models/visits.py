"""Looking on while a network runs: which module is at work, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn


@contextmanager
def after_each_module(network: nn.Module, see: Callable[[str, Any], None]) -> Iterator[None]:
    """Call `see(name, output)` whenever a module of `network` is done; its own name is ""."""
    with ExitStack() as hooks:
        for name, module in network.named_modules():
            handle = module.register_forward_hook(
                lambda _module, _inputs, output, name=name: see(name, output)
            )
            hooks.callback(handle.remove)
        yield


@contextmanager
def inside_modules(network: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are at work, the innermost last, kept up to date."""
    path: list[str] = []
    with ExitStack() as hooks:
        for name, module in network.named_modules():
            before = module.register_forward_pre_hook(
                lambda _module, _inputs, name=name: path.append(name)
            )
            after = module.register_forward_hook(
                lambda _module, _inputs, _output: path.pop() and None
            )
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        yield path
