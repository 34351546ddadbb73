"""Deep Vision Mask: show, and test, what an image classifier looks at.

>>> import dvm
>>> model = dvm.load("efficientnet_lite0")
>>> e = model.explain("photo.jpg", method="grad-cam")          # doctest: +SKIP
>>> e.map, e.probability, e.warnings                           # doctest: +SKIP
>>> e.figure()                                                 # doctest: +SKIP

The engine is that of the command ``dvm``, which this package also installs. It needs only NumPy; with Pillow, figures
are images; with PyTorch, any classifier can be explained (:func:`from_torch`).

Replacements for other libraries are :mod:`dvm.captum` and :mod:`dvm.cam`; :mod:`dvm.ray` explains many pictures on
many machines.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvm import cam, captum, daft, ray
    from dvm._dvm import DEFAULT_METHODS, DEFAULT_MODEL, __version__, set_threads
    from dvm.commands import Result, bench, compare, convert, evaluate, explain, fetch, prepare, survey, train
    from dvm.errors import (
        DataError,
        DeviceError,
        Error,
        MethodError,
        ModelError,
        PictureError,
        SaveError,
        TooLargeError,
        UsageError,
    )
    from dvm.explanation import Check, Explanation, Map
    from dvm.lists import devices, methods, metrics, models
    from dvm.model import AssumptionWarning, Model, Prediction, Ranked, check, load
    from dvm.torch_models import from_torch

# Where each name is defined. Names are imported on first use, so that the command starts without them.
_NAMES = {
    "DEFAULT_METHODS": "dvm._dvm",
    "DEFAULT_MODEL": "dvm._dvm",
    "__version__": "dvm._dvm",
    "set_threads": "dvm._dvm",
    "AssumptionWarning": "dvm.model",
    "Check": "dvm.explanation",
    "DataError": "dvm.errors",
    "DeviceError": "dvm.errors",
    "Error": "dvm.errors",
    "Explanation": "dvm.explanation",
    "Map": "dvm.explanation",
    "MethodError": "dvm.errors",
    "Model": "dvm.model",
    "ModelError": "dvm.errors",
    "PictureError": "dvm.errors",
    "Prediction": "dvm.model",
    "Ranked": "dvm.model",
    "Result": "dvm.commands",
    "SaveError": "dvm.errors",
    "TooLargeError": "dvm.errors",
    "UsageError": "dvm.errors",
    "bench": "dvm.commands",
    "check": "dvm.model",
    "compare": "dvm.commands",
    "convert": "dvm.commands",
    "devices": "dvm.lists",
    "evaluate": "dvm.commands",
    "explain": "dvm.commands",
    "fetch": "dvm.commands",
    "from_torch": "dvm.torch_models",
    "load": "dvm.model",
    "methods": "dvm.lists",
    "metrics": "dvm.lists",
    "models": "dvm.lists",
    "prepare": "dvm.commands",
    "survey": "dvm.commands",
    "train": "dvm.commands",
}
_MODULES = ("cam", "captum", "daft", "ray")

__all__ = [*(name for name in _NAMES if not name.startswith("_")), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"dvm.{name}")
    raise AttributeError(f"module 'dvm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES, *_MODULES])
