"""Errors. Each says what is wrong, where, and what to do.

A file that is missing or cannot be read raises Python's own :class:`FileNotFoundError` or
:class:`PermissionError`.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "DeviceError",
    "Error",
    "MethodError",
    "ModelError",
    "PictureError",
    "SaveError",
    "TooLargeError",
    "UsageError",
]


class Error(Exception):
    """Any error of this package."""


class UsageError(Error, ValueError):
    """A name or value does not exist, or arguments do not fit together."""


class PictureError(Error, ValueError):
    """A picture cannot be decoded."""


class ModelError(Error, ValueError):
    """A network cannot be loaded, has no weights on this machine, or has an output that cannot be used."""


class MethodError(Error, ValueError):
    """A method cannot make a map for this network and picture."""


class DeviceError(Error, RuntimeError):
    """There is no such GPU, it failed, or it does not have enough memory."""


class TooLargeError(Error, MemoryError):
    """A picture needs more memory than the limit."""


class DataError(Error, ValueError):
    """A data set, a table of classes or another file cannot be used."""


class SaveError(Error, OSError):
    """A result cannot be written."""
