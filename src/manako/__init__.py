"""manako (眼): from a folder of pictures to a recognizer its owner can trust.

>>> import manako
>>> manako.list_models(task="segmentation")
['unet', 'unet_bn']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from manako.models.zoo import create_model, list_models, model_info
    from manako.recognizer import Recognizer
    from manako.recognizer import load_recognizer as load
    from manako.runs import Run, resume, train
    from manako.runs.doctor import check

__all__ = [
    "Recognizer",
    "Run",
    "__version__",
    "check",
    "create_model",
    "list_models",
    "load",
    "model_info",
    "resume",
    "train",
]

# Name -> module and name there. Imported when first used: torch takes seconds, and a caller of
# `manako --help` should not wait for it.
_PUBLIC = {
    "Recognizer": ("manako.recognizer", "Recognizer"),
    "Run": ("manako.runs", "Run"),
    "check": ("manako.runs.doctor", "check"),
    "create_model": ("manako.models.zoo", "create_model"),
    "list_models": ("manako.models.zoo", "list_models"),
    "load": ("manako.recognizer", "load_recognizer"),
    "model_info": ("manako.models.zoo", "model_info"),
    "resume": ("manako.runs", "resume"),
    "train": ("manako.runs", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'manako' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
