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
def inside_modules(
    network: nn.Module, before_change: Callable[[list[str]], None] = lambda path: None
) -> Iterator[list[str]]:
    """The names of the modules that are at work, the innermost last, kept up to date.

    `before_change` is told them whenever a module begins or ends. A module that stands in several
    places has the name of the first.
    """
    path: list[str] = []

    def enter(name: str) -> None:
        before_change(path)
        path.append(name)

    def leave() -> None:
        before_change(path)
        path.pop()

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            before = module.register_forward_pre_hook(
                lambda _module, _inputs, name=name: enter(name)
            )
            after = module.register_forward_hook(lambda _module, _inputs, _output: leave())
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        yield path
