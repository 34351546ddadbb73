"""What can go wrong. Every error says what is wrong, where, and what to do.

A file that is missing or must not be read is Python's own :class:`FileNotFoundError` or
:class:`PermissionError`.
"""

from __future__ import annotations

__all__ = [
    "DataError",
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
    """What was asked for does not exist, or does not go together."""


class PictureError(Error, ValueError):
    """A picture cannot be decoded."""


class ModelError(Error, ValueError):
    """A network cannot be loaded, has no weights here, or answers with something that is no answer."""


class MethodError(Error, ValueError):
    """A method cannot make its map of this network and picture."""


class TooLargeError(Error, MemoryError):
    """A picture would take more memory than is allowed."""


class DataError(Error, ValueError):
    """A data set, a table of classes or another file cannot be used."""


class SaveError(Error, OSError):
    """A result cannot be written."""
