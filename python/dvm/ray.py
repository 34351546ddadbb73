"""Many pictures on many machines, by Ray Data: ``pip install dvm[ray]``.

>>> import dvm.ray, ray                                                            # doctest: +SKIP
>>> pictures = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)   # doctest: +SKIP
>>> found = dvm.ray.explain(pictures, "resnet18", methods="grad-cam")              # doctest: +SKIP
>>> found.write_parquet("s3://bucket/maps")                                        # doctest: +SKIP

Ray schedules, retries and writes; this module only says what is done with a batch. Each worker opens the network
once. A picture that cannot be decoded has its error in its row, and the others are done.
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

# Columns in which a picture is looked for, in this order.
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
        The network. Its file is sent to the workers: they need not see it.
    methods : str or list of str
        As for :meth:`dvm.Model.explain`.
    target : int or str, optional
        The class to explain; the most probable one of each picture if none is given.
    column : str, optional
        The column with the pictures; the first of ``bytes``, ``image``, ``path`` that is there if none is given.
    keep : list of str
        Columns that are handed on; the pictures themselves are not.
    maps : str
        ``"float32"`` or ``"float16"`` arrays, or ``"none"``: what becomes of the maps.
    settings : dict, optional
        Options of the methods.
    batch_size : int
        Pictures that a worker takes at a time: those that are done again if it dies.
    workers : int or (int, int), optional
        How many, or at least and at most; as many as the cluster has room for beside one processor if nothing is
        given. Workers that take all processors leave none to read pictures, and Ray waits for ever.
    threads : int
        Threads, and so processors, of each worker. Many workers of one thread make more pictures a second than few of
        many.
    **keywords
        Other arguments of :meth:`dvm.Model.explain`.

    Returns
    -------
    ray.data.Dataset
        One row a picture, computed when it is consumed or written: what ``keep`` names, ``class_index``,
        ``class_name``, ``probability``, ``seconds``, ``warnings`` (a list), ``error`` (``None``, or why there is no
        map), and a column named like each method with its map ``[H, W]``.

    Notes
    -----
    A worker that dies is started again by Ray, and its batch is done again: no row is lost, none comes twice.
    """
    import ray

    if maps not in ("float32", "float16", "none"):
        raise ValueError(f"maps are float32, float16 or none, not {maps!r}")
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
        # One processor is left to those who read.
        workers = (1, max(1, (int(ray.cluster_resources().get("CPU", 1)) - 1) // threads))
    least, most = workers if isinstance(workers, tuple) else (workers, workers)
    processors = ray.cluster_resources().get("CPU", 1)
    if least * threads >= processors:
        warnings.warn(
            f"{least} workers of {threads} threads take all {processors:.0f} processors of the cluster and leave none "
            "to read pictures: Ray waits until there are more",
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
    """Explains batches of pictures, with a network that is opened once: a worker of :func:`explain`."""

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
            # A worker process that Ray uses again has them already.
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
        """The rows for a batch, a dictionary of columns."""
        column = self._column or next((name for name in _COLUMNS if name in batch), None)
        if column is None or column not in batch:
            raise ValueError(f"the dataset has the columns {', '.join(batch)}; `column=` says which holds pictures")
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
