"""Many pictures on many machines, by Ray Data: ``pip install dvm[ray]``.

>>> import dvm.ray, ray                                                            # doctest: +SKIP
>>> pictures = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)   # doctest: +SKIP
>>> found = dvm.ray.explain(pictures, "resnet18", methods="grad-cam")              # doctest: +SKIP
>>> found.write_parquet("s3://bucket/maps")                                        # doctest: +SKIP

Ray schedules, retries and writes; this module explains the pictures of a batch. Each worker opens the network once.
If a picture cannot be decoded, its row has the error, and the others are explained.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dvm.errors import Error
from dvm.model import Model, Target
from dvm.shipping import Shipment

__all__ = ["Explainer", "explain"]

# Columns that may contain pictures, in this order.
_COLUMNS = ("bytes", "image", "path")


def explain(
    dataset: Any,
    model: Model | str | os.PathLike[str],
    methods: str | Sequence[str] = "grad-cam",
    *,
    target: Target = None,
    column: str | None = None,
    keep: Iterable[str] = ("path",),
    maps: str = "float32",
    settings: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    workers: int | tuple[int, int] | None = None,
    threads: int = 1,
    **keywords: Any,
) -> Any:
    """Explain every picture of a dataset.

    Parameters
    ----------
    dataset : ray.data.Dataset
        With a column ``bytes`` (``ray.data.read_binary_files``), ``image`` (``ray.data.read_images``: pixels ``uint8
        [H, W, 3]``), or ``path``.
    model : Model, str or path
        The network. Its file is sent to the workers, which need no access to it.
    methods : str or list of str
        As for :meth:`dvm.Model.explain`.
    target : int or str, optional
        The class to explain; the most probable one of each picture if none is given.
    column : str, optional
        The column with the pictures; by default the first of ``bytes``, ``image`` and ``path`` that exists.
    keep : list of str
        Columns to keep in the result; the pictures themselves are not kept.
    maps : str
        Type of the arrays with the maps, ``"float32"`` or ``"float16"``, or ``"none"`` to leave them out.
    settings : dict, optional
        Options of the methods.
    batch_size : int
        Pictures in a batch. If a worker dies, its batch is repeated.
    workers : int or (int, int), optional
        Their number, or the least and the most; by default as many as the cluster has processors, minus one. If
        workers use all processors, none is left to read pictures, and Ray waits forever.
    threads : int
        Threads, and so processors, of each worker. Many workers with one thread are faster than few workers with
        many.
    **keywords
        Other arguments of :meth:`dvm.Model.explain`.

    Returns
    -------
    ray.data.Dataset
        One row per picture, computed when it is used or written: the columns of ``keep``, ``class_index``,
        ``class_name``, ``probability``, ``seconds``, ``warnings`` (a list), ``error`` (``None``, or why there is no
        map), and for each method a column with its map ``[H, W]``.

    Notes
    -----
    If a worker dies, Ray starts it again and repeats its batch: no row is missing or repeated.
    """
    import ray

    if maps not in ("float32", "float16", "none"):
        raise ValueError(f"maps must be float32, float16 or none, not {maps!r}")
    listed = methods.split(",") if isinstance(methods, str) else list(methods)
    given = {
        "shipment": ray.put(Shipment.of(model)),
        "methods": [method.strip() for method in listed],
        "target": target,
        "column": column,
        "keep": tuple(keep),
        "maps": maps,
        "settings": dict(settings or {}),
        "threads": threads,
        "keywords": keywords,
    }
    if workers is None:
        # One processor is left for reading pictures.
        workers = (1, max(1, (int(ray.cluster_resources().get("CPU", 1)) - 1) // threads))
    least, most = workers if isinstance(workers, tuple) else (workers, workers)
    processors = ray.cluster_resources().get("CPU", 1)
    if least * threads >= processors:
        warnings.warn(
            f"{least} workers with {threads} threads use all {processors:.0f} processors of the cluster, so none is "
            "left to read pictures, and Ray waits until there are more; use fewer workers or threads",
            stacklevel=2,
        )
    return dataset.map_batches(
        Explainer,
        fn_constructor_kwargs=given,
        batch_size=batch_size,
        batch_format="numpy",
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
        num_cpus=threads,
    )


class Explainer:
    """A worker of :func:`explain`: explains batches of pictures with a network that it opens once."""

    def __init__(
        self,
        shipment: Any,
        methods: Sequence[str],
        target: Target,
        column: str | None,
        keep: Sequence[str],
        maps: str,
        settings: Mapping[str, Any],
        threads: int,
        keywords: Mapping[str, Any],
    ) -> None:
        from dvm import set_threads

        if not isinstance(shipment, Shipment):
            import ray

            shipment = ray.get(shipment)
        try:
            set_threads(threads)
        except RuntimeError:
            # A worker process that Ray uses again has its threads already.
            pass
        with warnings.catch_warnings():
            # They are in every row.
            warnings.simplefilter("ignore")
            self._model = shipment.opened()
        self._methods = list(methods)
        self._target = target
        self._column = column
        self._keep = tuple(keep)
        self._maps = maps
        self._settings = dict(settings)
        self._keywords = dict(keywords)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The rows of a batch, as a dictionary of columns."""
        column = self._column or next((name for name in _COLUMNS if name in batch), None)
        if column is None or column not in batch:
            raise ValueError(f"set `column=` to the column with pictures; the dataset has {', '.join(batch)}")
        rows = [self._row(picture) for picture in batch[column]]
        kept = {name: batch[name] for name in self._keep if name in batch and name != "bytes"}
        found: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        found["class_index"] = np.asarray(found["class_index"], dtype=np.int32)
        found["probability"] = np.asarray(found["probability"], dtype=np.float32)
        if self._maps != "none":
            _, height, width = self._model.input_shape
            for method in self._methods:
                maps = np.full((len(rows), height, width), np.nan, dtype=self._maps)
                for place, made in enumerate(found[method]):
                    if made is not None:
                        maps[place] = made
                found[method] = maps
        return {**kept, **found}

    def _row(self, picture: Any) -> dict[str, Any]:
        began = time.perf_counter()
        picture = np.asarray(picture) if isinstance(picture, np.ndarray) else picture
        row: dict[str, Any] = {
            "class_index": -1,
            "class_name": "",
            "probability": float("nan"),
            "seconds": 0.0,
            "warnings": [],
            "error": None,
        }
        maps: dict[str, Any] = dict.fromkeys(self._methods) if self._maps != "none" else {}
        try:
            made = self._model.explain(
                picture, self._methods, self._target, settings=self._settings, progress=False, **self._keywords
            )
            row.update(
                class_index=made.class_index,
                class_name=made.class_name,
                probability=made.probability,
                warnings=made.warnings,
            )
            for method in maps:
                maps[method] = made[method].map
        except (Error, OSError, ValueError) as error:
            row["error"] = f"{type(error).__name__}: {error}"
        row["seconds"] = time.perf_counter() - began
        return {**row, **maps}
