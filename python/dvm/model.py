"""Networks that can be explained."""

from __future__ import annotations

import json
import os
import tempfile
import warnings as python_warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dvm import _dvm
from dvm.explanation import Explanation
from dvm.pictures import is_batch, native, values_of
from dvm.progress import Line, Progress

__all__ = ["AssumptionWarning", "Model", "Prediction", "Ranked", "Target", "check", "load"]

Target = int | str | None
"""A class: an index, a name, or ``None`` for the most probable one. ``"top:5"`` is the sum of the five most probable
ones, ``"all"`` every class."""

_PathLike = str | os.PathLike


class AssumptionWarning(UserWarning):
    """Something that affects results was assumed, because the network's file does not contain it."""


@dataclass(frozen=True)
class Ranked:
    """A class with its probability."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The classes of a picture, as the network predicts them."""

    ranked: list[Ranked]
    """All classes, most probable first."""
    logits: np.ndarray
    """The logits, ``[classes]``."""

    @property
    def index(self) -> int:
        """Index of the most probable class."""
        return self.ranked[0].index

    @property
    def name(self) -> str:
        """Name of the most probable class."""
        return self.ranked[0].name

    @property
    def probability(self) -> float:
        """Its probability, 0 to 1."""
        return self.ranked[0].probability


def load(
    model: _PathLike = _dvm.DEFAULT_MODEL,
    weights: _PathLike | None = None,
    *,
    classes: Sequence[str] | _PathLike | None = None,
    part: str | None = None,
    size: tuple[int, int] | None = None,
    preprocess: Mapping[str, Any] | str | None = None,
    output: str | None = None,
    exact: bool = False,
    device: str = "cpu",
) -> Model:
    """Open a network.

    Parameters
    ----------
    model : str or path
        The name of a network (:func:`dvm.models`), or a file: ONNX, ``.safetensors``, a PyTorch checkpoint
        (``.pth``; its code is never run), or the folder of a training run, whose best weights are used.
    weights : str or path, optional
        Weights for a network given by name: a file, or the tag of published weights.
    classes : list of str, or path, optional
        Names of the classes, or a file with them.
    part : str, optional
        Which network of a file with several: ``ema``, ``raw``, or its prefix.
    size : (int, int), optional
        Rows and columns of the input, if the network's are dynamic.
    preprocess : dict or str, optional
        The preprocessing, if the file does not contain it or you want another one: ``"imagenet"``, a JSON file, or a
        dictionary such as ``{"mean": [0.5] * 3, "std": [0.5] * 3, "crop": [224, 224]}``.
    output : str, optional
        What the network's outputs mean: ``logits``, ``probabilities``, ``log-probabilities``, ``labels``.
    exact : bool
        Use exact arithmetic: slower, but results do not depend on the batch. Only on the CPU.
    device : str
        Where the network is computed: ``"cpu"``, ``"gpu"`` (the first GPU), ``"gpu:1"`` (a GPU of
        :func:`dvm.devices`), or ``"auto"`` (the first GPU, or the CPU if no GPU can be used, with a warning). Results
        of a GPU differ from those of the CPU by rounding.

    Returns
    -------
    Model

    Warns
    -----
    AssumptionWarning
        For each assumption that affects results. Set the arguments above to avoid it.
    UserWarning
        If ``device="auto"`` is the CPU, with the reason.

    Raises
    ------
    UsageError
        For a name that is neither a network nor a file.
    ModelError
        For a file that cannot be used, and if no weights of the network are on this machine.
    DeviceError
        For a GPU that does not exist or cannot be used.

    Examples
    --------
    >>> import dvm
    >>> model = dvm.load("squeezenet1_1")
    >>> len(model.classes)
    1000
    """
    model = os.fspath(model)
    best = Path(model, "best.safetensors")
    if best.is_file():
        model = str(best)
    names = _names(classes)
    if isinstance(preprocess, Mapping):
        preprocess = json.dumps(preprocess)
    loaded = _dvm.load(
        model,
        weights=None if weights is None else Path(weights),
        classes=names,
        part=part,
        size=size,
        preprocess=preprocess,
        output=output,
        exact=exact,
        device=device,
    )
    if loaded.device_fallback is not None:
        python_warnings.warn(f"computing on the CPU: {loaded.device_fallback}", UserWarning, stacklevel=2)
    for warning in loaded.warnings:
        python_warnings.warn(f"{loaded.name}: {warning}", AssumptionWarning, stacklevel=2)
    opened = {
        "model": model,
        "weights": weights,
        "classes": classes,
        "part": part,
        "size": size,
        "preprocess": preprocess,
        "output": output,
        "device": device,
    }
    return Model(loaded, opened)


def _names(classes: Sequence[str] | _PathLike | None) -> list[str] | None:
    if classes is None:
        return None
    if isinstance(classes, (str, os.PathLike)):
        return _dvm.read_class_names(Path(classes))
    return [str(name) for name in classes]


class Model:
    """A network with its classes and its preprocessing. Made by :func:`load` and :func:`from_torch`."""

    def __init__(self, loaded: Any, opened: Mapping[str, Any]) -> None:
        self._loaded = loaded
        # The arguments with which the command opens the same network.
        self._opened = dict(opened)
        # Files that exist only for this model, and are deleted with it.
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def name(self) -> str:
        """Name of the architecture, or of the file."""
        return self._loaded.name

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        return self._loaded.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the network's input."""
        return self._loaded.input_shape

    @property
    def output(self) -> str:
        """What the network's outputs mean: ``logits``, ``probabilities``, …"""
        return self._loaded.output

    @property
    def device(self) -> str:
        """The device that computes the network: ``cpu``, or the name of the GPU."""
        return self._loaded.device or "cpu"

    @property
    def preprocess(self) -> dict[str, Any]:
        """The preprocessing of pictures."""
        return json.loads(self._loaded.preprocess)

    @property
    def warnings(self) -> list[str]:
        """What was assumed about the network, and other things to know about it."""
        return self._loaded.warnings

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weight file, in hexadecimal."""
        return self._loaded.weights_sha256

    @cached_property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """All layers in the order of computation, with the shapes of their values for one picture."""
        return {name: tuple(shape) for name, _, shape, _ in self._loaded.layers()}

    @property
    def usual_layer(self) -> str | None:
        """The default layer of class activation maps."""
        return self._loaded.usual_layer()

    def __call__(self, inputs: Any) -> np.ndarray:
        """The network's outputs for prepared pictures.

        Parameters
        ----------
        inputs : array or tensor ``[N, C, H, W]``
            Normalised values, channels in the network's order.

        Returns
        -------
        array ``[N, classes]``, float32
            :attr:`output` tells what they mean.
        """
        return self._loaded.numbers(values_of(inputs))

    def activation(self, inputs: Any, layer: str) -> np.ndarray:
        """The value of a layer for prepared pictures.

        Parameters
        ----------
        inputs : array or tensor ``[N, C, H, W]``
        layer : str
            One of :attr:`layers`.

        Returns
        -------
        array
            ``[N, C, rows, columns]`` for a feature map, ``[N, tokens, features]`` in a transformer.
        """
        return self._loaded.activation(values_of(inputs), layer)

    def classify(self, picture: Any, *, slice: int | None = None) -> Any:
        """Predict the class of a picture, or of each of several.

        Parameters
        ----------
        picture
            As for :meth:`explain`.
        slice : int, optional
            Which picture of a volume, a DICOM file or an array file, from 0.

        Returns
        -------
        Prediction, or a list of them for a batch
        """
        if is_batch(picture):
            return [self.classify(one, slice=slice) for one in picture]
        ranked, logits = self._loaded.classify(native(picture), slice)
        return Prediction([Ranked(*one) for one in ranked], np.asarray(logits, dtype=np.float32))

    def explain(
        self,
        picture: Any,
        method: str | Iterable[str] | None = None,
        target: Target | Sequence[Target] = None,
        *,
        against: int | str | None = None,
        unit: str | None = None,
        check: str | Iterable[str] | bool | None = None,
        regions: _PathLike | None = None,
        slice: int | None = None,
        true_class: int | str | None = None,
        settings: Mapping[str, Any] | None = None,
        memory: int = 1 << 30,
        incremental: bool = True,
        overlay: str = "grey",
        colours: str | None = None,
        figures: Sequence[str] = ("png",),
        progress: Progress | None = None,
        **options: Any,
    ) -> Any:
        """Explain what the network looks at in a picture.

        Parameters
        ----------
        picture
            A path, bytes of a picture file, a Pillow image, pixels as ``uint8 [H, W, 3]``; or a prepared, normalised
            input, as ``float32 [C, H, W]`` or a tensor. A list, or an array with four axes, is a batch.
        method : str or list of str, optional
            Methods (:func:`dvm.methods`); a string may name several, separated by commas. Default: guided backprop
            and occlusion.
        target : int, str or list, optional
            The class to explain, by index or name; default: the most probable one. For a list, or ``"all"``, there
            is one explanation for each class.
        against : int or str, optional
            Explain the class against this one.
        unit : str, optional
            Explain a channel of a layer, ``"layer4:37"`` or ``"layer4:37:3,4"``, instead of a class.
        check : str, list or True, optional
            Metrics that test every map (:func:`dvm.metrics`); ``True`` for a short default set.
        regions : path, optional
            File with the regions of objects, for metrics that need them.
        slice : int, optional
            Which picture of a volume, a DICOM file or an array file, from 0.
        true_class : int or str, optional
            The true class of the picture, for the figure and the record.
        settings : dict, optional
            Options of single methods and metrics: ``{"rise.masks": 500, "deletion.steps": 20}``.
        memory : int
            Memory limit for activations, in bytes.
        incremental : bool
            For covered pictures, compute only what changes.
        overlay : str
            ``"grey"`` or ``"colour"``: the picture under the maps.
        colours : str, optional
            Colour map for the maps that it suits.
        figures : list of str
            Formats of the figure that :meth:`Explanation.save` writes: ``png``, ``svg``, ``pdf``.
        progress : bool or function, optional
            Whether progress is shown (:data:`dvm.progress.Progress`).
        **options
            Options of the methods: ``window=32, stride=8``. Each is passed to every method that has it.

        Returns
        -------
        Explanation
            For one picture and one class; a list for several classes; for a batch, a list of these.

        Raises
        ------
        UsageError
            For an unknown method, option or class.
        PictureError
            For a picture that cannot be decoded.
        MethodError
            If a method cannot make a correct map.

        Examples
        --------
        >>> import dvm, numpy as np
        >>> model = dvm.load("squeezenet1_1")
        >>> e = model.explain(np.zeros((300, 400, 3), np.uint8), method="grad-cam", target="espresso")
        >>> e.map.shape, e.raw.shape
        ((224, 224), (13, 13))
        """
        targets, is_one = _targets(target)
        if isinstance(check, bool):
            check = "usual" if check else None
        keywords: dict[str, Any] = {
            "methods": _listed(method) or _dvm.DEFAULT_METHODS,
            "settings": _settings(settings, options),
            "classes": targets,
            "against": against,
            "unit": unit,
            "checks": _listed(check),
            "regions": None if regions is None else Path(regions),
            "slice": slice,
            "true_class": true_class,
            "memory": memory,
            "incremental": incremental,
            "overlay": overlay,
            "colours": colours,
            "figures": list(figures),
        }

        def explain(one: Any, name: str) -> Any:
            with Line(progress, name) as line:
                made = self._loaded.explain(native(one), progress=line.callback, **keywords)
            explanations = [Explanation(each) for each in made]
            return explanations[0] if is_one else explanations

        if is_batch(picture):
            count = len(picture)
            return [explain(one, f"{number + 1} of {count}, ") for number, one in enumerate(picture)]
        return explain(picture, "")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a model with the bytes of its files, so that other processes can open it."""
        from dvm.shipping import Shipment

        return Shipment.opened, (Shipment.of(self),)

    def _written(self, name: str, text: str) -> str:
        """Write a file with this text, which is deleted with the model."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dvm-")
        file = Path(self._folder.name, name)
        file.write_text(text, encoding="utf-8")
        return str(file)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.input_shape))
        return f"Model({self.name}: {len(self.classes)} classes, input {shape})"


def check(
    model: Model,
    picture: Any,
    method: str | Iterable[str] | None = None,
    metrics: str | Iterable[str] | None = None,
    target: Target | Sequence[Target] = None,
    **keywords: Any,
) -> Any:
    """Explain a picture and test the maps.

    Parameters
    ----------
    model : Model
    picture, method, target
        As for :meth:`Model.explain`.
    metrics : str or list of str, optional
        Metrics (:func:`dvm.metrics`); default: a short set.
    **keywords
        Other arguments of :meth:`Model.explain`.

    Returns
    -------
    Explanation, or a list
        ``checks`` of each map holds the results.
    """
    return model.explain(picture, method, target, check=metrics or True, **keywords)


def _targets(target: Any) -> tuple[list[int | str], bool]:
    """The classes, and whether to return one explanation instead of a list."""
    if target is None:
        return ["top"], True
    if isinstance(target, str):
        return [target], target != "all"
    if isinstance(target, (list, tuple)):
        return ["top" if one is None else _one(one) for one in target], False
    return [_one(target)], True


def _one(target: Any) -> int | str:
    if isinstance(target, str):
        return target
    try:
        index = int(target)
    except (TypeError, ValueError):
        index = -1
    if index < 0 or index != target:
        raise TypeError(f"a target must be the index or the name of a class, not {target!r}")
    return index


def _listed(names: str | Iterable[str] | None) -> str:
    if names is None:
        return ""
    return names if isinstance(names, str) else ",".join(names)


def _settings(settings: Mapping[str, Any] | None, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return [(name, text(value)) for name, value in {**(settings or {}), **named}.items()]


def text(value: Any) -> str:
    """The value of an option as text: ``true``, ``20x30``, ``a,b``."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        numbers = all(isinstance(one, (int, np.integer)) for one in value)
        return ("x" if numbers else ",").join(str(one) for one in value)
    return str(os.fspath(value) if isinstance(value, os.PathLike) else value)
