"""Maps, and explanations: the maps of one picture and class."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dvm.pictures import as_image

__all__ = ["Check", "Explanation", "Map"]


@dataclass(frozen=True)
class Check:
    """The result of one metric for a map."""

    name: str
    """The metric's name, such as ``deletion``."""
    title: str
    """Its title."""
    value: float | None
    """What it measured; ``None`` if it failed."""
    warning: str | None
    """Why it failed, or what is wrong with the map."""


class Map:
    """The map of one method.

    Attributes
    ----------
    method : str
        Name of the method.
    """

    def __init__(self, made: Any, method: str) -> None:
        self._made = made
        self.method = method

    @cached_property
    def map(self) -> np.ndarray:
        """The map ``[H, W]``, float32, not rescaled: one value for each pixel of the network's input."""
        return self._made.map(self.method)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the map was reduced from, by name; ``raw`` always exists."""
        return self._made.arrays(self.method)

    @property
    def raw(self) -> np.ndarray:
        """The array that the map was reduced from: gradients ``[C, H, W]``, scores of occlusion ``[classes, rows,
        columns]``, or a class activation map at the size of its layer, ``[rows, columns]``.
        """
        return self.arrays["raw"]

    @property
    def title(self) -> str:
        """The title of the map, with its main settings."""
        return self._made.about(self.method)["title"]

    @property
    def quantity(self) -> str:
        """What the values are, such as ``drop in probability``."""
        return self._made.about(self.method)["quantity"]

    @property
    def score(self) -> str:
        """Which score is explained: ``probability``, ``logit`` or ``log-probability``."""
        return self._made.about(self.method)["score"]

    @property
    def warnings(self) -> list[str]:
        """What was assumed, and other things to know about this map."""
        return [words for who, words in self._made.warnings if who == self.method]

    @property
    def checks(self) -> list[Check]:
        """The results of the metrics given as ``check=``."""
        return [Check(*found) for found in self._made.checks(self.method)]

    def overlay(self) -> Any:
        """The map drawn over the picture, as a Pillow image."""
        return as_image(self.overlay_array())

    def overlay_array(self) -> np.ndarray:
        """The map drawn over the picture, ``uint8 [H, W, 3]``."""
        return self._made.overlay(self.method)

    def picture(self) -> Any:
        """The map in colours, as a Pillow image."""
        return as_image(self.picture_array())

    def picture_array(self) -> np.ndarray:
        """The map in colours, ``uint8 [H, W, 3]``."""
        return self._made.map_picture(self.method)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.map if dtype is None else self.map.astype(dtype, copy=False)
        return values.copy() if copy else values

    def __repr__(self) -> str:
        rows, columns = self.map.shape
        return f"Map({self.title}: {self.quantity}, {rows} × {columns})"


class Explanation(Mapping[str, Map]):
    """The maps of one picture and class, one for each method.

    ``e["grad-cam"]`` is the map of one method; ``e.map``, ``e.raw`` and ``e.first`` are those of the first method.
    A notebook shows an explanation as its figure.
    """

    def __init__(self, made: Any) -> None:
        self._made = made
        self._maps = {name: Map(made, name) for name in made.methods}

    def __getitem__(self, method: str) -> Map:
        try:
            return self._maps[method]
        except KeyError:
            raise KeyError(f"there is no map of {method!r}; the methods are {', '.join(self._maps)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    @property
    def first(self) -> Map:
        """The map of the first method."""
        return next(iter(self._maps.values()))

    @property
    def map(self) -> np.ndarray:
        """The map ``[H, W]`` of the first method, float32, not rescaled."""
        return self.first.map

    @property
    def raw(self) -> np.ndarray:
        """The array that the map of the first method was reduced from (:attr:`Map.raw`)."""
        return self.first.raw

    @property
    def class_index(self) -> int:
        """Index of the class, from 0."""
        return self._made.class_index

    @property
    def class_name(self) -> str:
        """Name of the class."""
        return self._made.class_name

    @property
    def title(self) -> str:
        """What is explained: the class, ``one against another``, or a channel of a layer."""
        return self._made.title

    @property
    def probability(self) -> float:
        """Probability of the class, 0 to 1."""
        return self._made.probability

    def top(self, count: int = 5) -> list[tuple[int, str, float]]:
        """The most probable classes: index, name, probability."""
        return self._made.top(count)

    @cached_property
    def logits(self) -> np.ndarray:
        """The logits, ``[classes]``."""
        return np.asarray(self._made.logits, dtype=np.float32)

    @property
    def warnings(self) -> list[str]:
        """What was assumed, and other things to know about the picture, the network and each map."""
        return [f"{who}: {words}" for who, words in self._made.warnings]

    @cached_property
    def record(self) -> dict[str, Any]:
        """How the maps were made: all settings, checksums and warnings, as in ``explanation.json``."""
        return json.loads(self._made.record())

    @property
    def crop(self) -> np.ndarray:
        """The pixels of the crop that the network got, ``uint8 [H, W, 3]``."""
        return self._made.crop()

    def figure(self) -> Any:
        """The picture and all maps side by side, as a Pillow image."""
        return as_image(self.figure_array())

    def figure_array(self) -> np.ndarray:
        """The figure, ``uint8 [H, W, 3]``."""
        return self._made.figure()

    def figure_file(self, format: str = "png") -> bytes:
        """The figure as the bytes of a ``png``, ``svg`` or ``pdf`` file."""
        return self._made.figure_file(format)

    def overlay(self, method: str | None = None) -> Any:
        """The map of a method (default: the first), drawn over the picture, as a Pillow image."""
        return (self.first if method is None else self[method]).overlay()

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write maps, pictures, figure and record into ``folder``.

        Parameters
        ----------
        folder : path
            Written completely or not at all. Replaces an explanation that is in it.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        SaveError
            If the folder contains other files, or cannot be written to.
        """
        return [Path(path) for path in self._made.save(Path(folder))]

    def __repr__(self) -> str:
        return f"Explanation({self.title} {self._made.score}: {', '.join(self._maps)})"

    def _repr_png_(self) -> bytes:
        return self.figure_file("png")

    def _repr_html_(self) -> str:
        figure = base64.b64encode(self._repr_png_()).decode()
        alt = html.escape(f"{self.title}, {self._made.score}; maps: {', '.join(self._maps)}")
        warnings = "".join(f"<li>{html.escape(words)}</li>" for words in self.warnings)
        listed = f"<ul>{warnings}</ul>" if warnings else ""
        return f'<img alt="{alt}" style="max-width: 100%" src="data:image/png;base64,{figure}">{listed}'
