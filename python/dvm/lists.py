"""Lists of methods, metrics, networks and devices."""

from __future__ import annotations

from typing import Any

from dvm import _dvm

__all__ = ["devices", "methods", "metrics", "models"]


def devices() -> list[dict[str, Any]]:
    """The CPU and the GPUs of this machine, in this order.

    Returns
    -------
    list of dict
        For each device a dictionary with ``device`` (the word for :func:`dvm.load`, such as ``"gpu:0"``), ``name``,
        ``interface`` (of the CPU: its vector instructions), ``processors`` (only of the CPU), ``memory`` in bytes, or
        ``None`` if it is not known, and ``is_software``: whether it is a driver that computes on the CPU.
    """
    return _dvm.devices()


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
