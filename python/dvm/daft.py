"""Many pictures in a Daft dataframe: ``pip install daft``.

>>> import daft, dvm.daft                                                                    # doctest: +SKIP
>>> frame = daft.from_glob_path("s3://bucket/photos/*.jpg")                                  # doctest: +SKIP
>>> explain = dvm.daft.explainer("resnet18", "grad-cam")                                     # doctest: +SKIP
>>> frame = frame.with_column("found", explain(frame["path"].url.download(on_error="null")))   # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dvm.model import Model, Target
from dvm.ray import Explainer
from dvm.shipping import Shipment

__all__ = ["explainer"]


def explainer(
    model: Model | str | os.PathLike[str],
    methods: str | Sequence[str] = "grad-cam",
    *,
    target: Target = None,
    settings: Mapping[str, Any] | None = None,
    threads: int = 1,
    **keywords: Any,
) -> Any:
    """Make a Daft function that explains the picture files of a column.

    Parameters
    ----------
    model : Model, str or path
        The network; each worker opens it once.
    methods, target, settings
        As for :meth:`dvm.Model.explain`.
    threads : int
        Threads of each worker.
    **keywords
        Other arguments of :meth:`dvm.Model.explain`.

    Returns
    -------
    function
        From a column of bytes to a column of structures: ``class_index``, ``class_name``, ``probability``, ``error``,
        and for each method a list of numbers, its map row by row.
    """
    import daft
    from daft import DataType

    shipment = Shipment.of(model)
    names = [name.strip() for name in (methods.split(",") if isinstance(methods, str) else methods)]
    fields = {
        "class_index": DataType.int32(),
        "class_name": DataType.string(),
        "probability": DataType.float32(),
        "error": DataType.string(),
        **{name: DataType.list(DataType.float32()) for name in names},
    }
    given = (shipment, names, target, "bytes", (), "float32", dict(settings or {}), threads, keywords)

    @daft.cls
    class Explain:
        def __init__(self) -> None:
            self._explainer = Explainer(*given)

        @daft.method(return_dtype=DataType.struct(fields))
        def __call__(self, picture: bytes) -> Any:
            row = self._explainer._row(b"" if picture is None else picture)
            for name in names:
                row[name] = None if row[name] is None else row[name].ravel().tolist()
            return {name: row[name] for name in fields}

    return Explain()
