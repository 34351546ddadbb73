"""The list of checks, and their results."""

import dataclasses
import pathlib
from typing import Callable


class Failed(Exception):
    """What was found is not what was expected."""


class Skipped(Exception):
    """Something that the check needs is not on this machine."""


@dataclasses.dataclass
class Surroundings:
    """What a check works with."""

    folder: pathlib.Path  # its own, empty
    program: pathlib.Path | None  # dvm; None: only the exported files are wanted
    tensorflow: str | None  # a Python that has TensorFlow and tf2onnx


@dataclasses.dataclass
class Check:
    name: str
    by_default: bool
    run: Callable[[Surroundings], str]  # answers with what it measured


CHECKS: list[Check] = []


def check(name, *, by_default=False):
    """Puts a function into the list."""

    def register(function):
        if any(known.name == name for known in CHECKS):
            raise ValueError(f"two checks are named {name}")
        CHECKS.append(Check(name, by_default, function))
        return function

    return register
