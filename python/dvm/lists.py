"""Lists of methods, metrics and networks."""

from __future__ import annotations

from typing import Any

from dvm import _dvm

__all__ = ["methods", "metrics", "models"]


def methods() -> dict[str, dict[str, Any]]:
    """All methods, by name.

    Returns
    -------
    dict
        For each method a dictionary with ``title``, ``summary``, ``family``, ``paper``, ``year``, ``cost``,
        ``networks``, ``presets`` and ``options``: each option with its name, its values, its default and a help text.
    """
    return {entry["name"]: entry for entry in _dvm.methods()}


def metrics() -> dict[str, dict[str, Any]]:
    """All metrics, the tests of maps, by name.

    Returns
    -------
    dict
        For each metric a dictionary with ``title``, ``summary``, ``paper``, ``year`` and ``options``.
    """
    return {entry["name"]: entry for entry in _dvm.metrics()}


def models() -> dict[str, bool]:
    """All networks by name, and whether the weights of each are on this machine.

    Returns
    -------
    dict
        ``False`` for a network whose weights :func:`dvm.fetch` would download.
    """
    return {entry["name"]: entry["at_hand"] for entry in _dvm.models()}
