"""A network in a form that other processes and machines can open."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvm.model import Model, load

__all__ = ["Shipment"]


@dataclass(frozen=True)
class Shipment:
    """Everything that is needed to open a network elsewhere: its name, or the bytes of its files.

    The other machine needs neither the file nor a shared file system.
    """

    keywords: Mapping[str, Any]
    """Arguments of :func:`dvm.load`, except for those in ``files``."""
    files: Mapping[str, bytes] = field(repr=False)
    """Content of the files, by argument."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of the files, by argument; their extensions tell the formats."""

    @staticmethod
    def of(model: Model | str | os.PathLike[str]) -> Shipment:
        """Collect what is needed to open this network.

        Raises
        ------
        FileNotFoundError
            If a file of the model does not exist any more.
        """
        opened = dict(model._opened) if isinstance(model, Model) else {"model": os.fspath(model)}
        best = Path(opened["model"], "best.safetensors")
        if best.is_file():
            opened["model"] = str(best)
        files, names = {}, {}
        for argument in ("model", "weights", "classes"):
            path = opened.get(argument)
            if isinstance(path, (str, os.PathLike)) and Path(path).is_file():
                files[argument] = Path(path).read_bytes()
                names[argument] = Path(path).name
        return Shipment({name: value for name, value in opened.items() if value is not None}, files, names)

    def opened(self) -> Model:
        """Open the network in this process."""
        folder = tempfile.TemporaryDirectory(prefix="dvm-")
        keywords = dict(self.keywords)
        for argument, content in self.files.items():
            file = Path(folder.name, argument, self.names[argument])
            file.parent.mkdir()
            file.write_bytes(content)
            keywords[argument] = str(file)
        model = load(**keywords)
        model._folder = folder
        return model
