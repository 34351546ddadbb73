"""The class activation maps of pytorch-grad-cam, computed by dvm: change the import, keep the code.

``from pytorch_grad_cam import GradCAM`` becomes ``from dvm.cam import GradCAM``. Classes accept a ``torch.nn.Module``
that classifies pictures, or a :class:`dvm.Model`; layers are modules, or names. A call returns what pytorch-grad-cam
returns: maps ``[N, H, W]``, float32, each scaled from 0 to 1. (The maps of :meth:`dvm.Model.explain` are not
rescaled.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dvm.pictures import is_tensor, values_of
from dvm.torch_models import Follower

__all__ = [
    "AblationCAM",
    "ClassifierOutputTarget",
    "EigenCAM",
    "EigenGradCAM",
    "FinerCAM",
    "FullGrad",
    "GradCAM",
    "GradCAMElementWise",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "ScoreCAM",
    "XGradCAM",
]


class ClassifierOutputTarget:
    """The score of one class; the class of the same name in pytorch-grad-cam is accepted as well."""

    def __init__(self, category: int) -> None:
        self.category = category


class _Cam:
    """A class activation map of one or several layers."""

    _method = ""
    _smooths = True
    _explains_a_score = True

    def __init__(
        self,
        model: Any,
        target_layers: Sequence[Any],
        reshape_transform: Callable[..., Any] | None = None,
        **unsupported: Any,
    ) -> None:
        if unsupported:
            raise ValueError(f"{', '.join(unsupported)} is not supported")
        self.model = model
        self.target_layers = list(target_layers)
        # The engine finds rows and columns of tokens itself.
        self.reshape_transform = reshape_transform
        self._network = Follower(model)

    def __call__(
        self,
        input_tensor: Any,
        targets: Sequence[Any] | None = None,
        aug_smooth: bool = False,
        eigen_smooth: bool = False,
    ) -> np.ndarray:
        """The maps of a batch.

        Parameters
        ----------
        input_tensor : tensor or array ``[N, C, H, W]``
        targets : list, optional
            For each picture a ``ClassifierOutputTarget``, or the index of a class; default: the most probable class.
        aug_smooth : bool
            Average the maps of six pictures: the picture and its mirror image, each times 0.9, 1 and 1.1.
        eigen_smooth : bool
            Take the first principal component of the channels.

        Returns
        -------
        array ``[N, H, W]``, float32
            Each scaled from 0 to 1.
        """
        if aug_smooth:
            return self._augmented(input_tensor, targets, eigen_smooth)
        return self._maps(input_tensor, targets, eigen_smooth)

    forward = __call__

    def _augmented(self, input_tensor: Any, targets: Any, eigen_smooth: bool) -> np.ndarray:
        """As in pytorch-grad-cam: the mean of the scaled maps of six pictures."""
        values = values_of(input_tensor)
        maps = []
        for factor in (0.9, 1.0, 1.1):
            for mirrored in (False, True):
                changed = np.ascontiguousarray(values[:, :, :, ::-1]) if mirrored else values
                changed = (changed * np.float32(factor)).astype(np.float32)
                found = self._maps(_as(input_tensor, changed), targets, eigen_smooth)
                maps.append(found[:, :, ::-1] if mirrored else found)
        return np.mean(np.stack(maps), axis=0)

    def _maps(self, input_tensor: Any, targets: Any, eigen_smooth: bool) -> np.ndarray:
        values = values_of(input_tensor)
        model = self._network.model(input_tensor)
        classes = self._classes(model, values, targets)
        settings = self._settings(input_tensor, eigen_smooth)
        rows = [
            self._scaled(model.explain(one, self._method, which, settings=settings, progress=False)[self._method])
            for one, which in zip(values, classes)
        ]
        return np.stack(rows)

    def _settings(self, input_tensor: Any, eigen_smooth: bool) -> dict[str, Any]:
        layers = [self._network.layer(layer, input_tensor) for layer in self.target_layers]
        settings: dict[str, Any] = {f"{self._method}.layer": ",".join(layers)}
        if self._explains_a_score:
            settings[f"{self._method}.score"] = self._network.score
        if eigen_smooth and self._smooths:
            settings[f"{self._method}.smooth"] = True
        return settings

    def _scaled(self, made: Any) -> np.ndarray:
        """Combine the maps of the layers as pytorch-grad-cam does."""
        arrays = made.arrays
        size = made.map.shape
        names = ["raw", *(f"layer{number + 1}" for number in range(1, len(self.target_layers)))]
        layers = [_resized(_scale(np.maximum(arrays[name], 0)), size) for name in names]
        return _scale(np.maximum(np.mean(layers, axis=0), 0))

    def _classes(self, model: Any, values: np.ndarray, targets: Any) -> list[int]:
        if targets is None:
            return [int(index) for index in np.argmax(model(values), axis=-1)]
        if len(targets) != len(values):
            raise ValueError(f"there are {len(targets)} targets for {len(values)} pictures")
        return [_index(target) for target in targets]

    def __enter__(self) -> _Cam:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _index(target: Any) -> int:
    category = getattr(target, "category", target)
    if isinstance(category, (int, np.integer)) and type(target).__name__ in ("ClassifierOutputTarget", "int", "int64"):
        return int(category)
    raise ValueError(f"a target must be a ClassifierOutputTarget or the index of a class, not {type(target).__name__}")


def _as(inputs: Any, values: np.ndarray) -> Any:
    if not is_tensor(inputs):
        return values
    import torch

    return torch.from_numpy(values)


def _scale(values: np.ndarray) -> np.ndarray:
    """From 0 to 1, by pytorch-grad-cam's formula."""
    values = np.asarray(values, dtype=np.float32)
    values = values - values.min()
    return (values / (1e-7 + values.max())).astype(np.float32)


def _resized(values: np.ndarray, size: tuple[int, ...], by_corners: bool = False) -> np.ndarray:
    """Resize bilinearly, with half-pixel centres as OpenCV, or with aligned corners."""
    for axis, length in enumerate(size):
        own = values.shape[axis]
        if by_corners:
            at = np.arange(length) * ((own - 1) / max(length - 1, 1))
        else:
            at = (np.arange(length) + 0.5) * own / length - 0.5
        low = np.floor(at).astype(int)
        share = (at - low).astype(np.float32)
        first, second = (np.take(values, np.clip(low + step, 0, own - 1), axis=axis) for step in (0, 1))
        share = share[:, None] if axis == 0 else share[None, :]
        values = first * (1 - share) + second * share
    return values.astype(np.float32)


class GradCAM(_Cam):
    """Grad-CAM (arXiv 1610.02391)."""

    _method = "grad-cam"


class GradCAMPlusPlus(_Cam):
    """Grad-CAM++ (arXiv 1710.11063)."""

    _method = "grad-cam++"


class XGradCAM(_Cam):
    """XGrad-CAM (arXiv 2008.02312)."""

    _method = "xgrad-cam"


class HiResCAM(_Cam):
    """HiResCAM (arXiv 2011.08891)."""

    _method = "hires-cam"


class LayerCAM(_Cam):
    """LayerCAM (doi 10.1109/TIP.2021.3089943)."""

    _method = "layer-cam"


class GradCAMElementWise(_Cam):
    """Element-wise Grad-CAM."""

    _method = "element-wise-cam"


class EigenCAM(_Cam):
    """Eigen-CAM (arXiv 2008.00299)."""

    _method = "eigen-cam"
    _smooths = False
    _explains_a_score = False


class EigenGradCAM(_Cam):
    """EigenGrad-CAM."""

    _method = "eigengrad-cam"
    _smooths = False


class _ByAnswers(_Cam):
    """A map whose channels are weighted by the network's outputs for changed pictures."""

    _smooths = False

    def _maps(self, input_tensor: Any, targets: Any, eigen_smooth: bool) -> np.ndarray:
        if eigen_smooth:
            raise ValueError("eigen_smooth=True is not supported for this method")
        values = values_of(input_tensor)
        model = self._network.model(input_tensor)
        classes = self._classes(model, values, targets)
        layers = [self._network.layer(layer, input_tensor) for layer in self.target_layers]
        maps = []
        for one, which in zip(values, classes):
            parts = []
            for layer in layers:
                channels = model.activation(one[None], layer)[0]
                if channels.ndim != 3:
                    raise ValueError(f"the layer {layer} is not a feature map [C, H, W]: its shape is {channels.shape}")
                cam = self._cam(model, one, which, layer, channels)
                parts.append(_resized(_scale(np.maximum(cam, 0)), one.shape[1:]))
            maps.append(_scale(np.maximum(np.mean(parts, axis=0), 0)))
        return np.stack(maps)

    def _cam(self, model: Any, picture: np.ndarray, target: int, layer: str, channels: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class ScoreCAM(_ByAnswers):
    """Score-CAM (arXiv 1910.01279), with masks upsampled with aligned corners, as in pytorch-grad-cam."""

    def _cam(self, model: Any, picture: np.ndarray, target: int, layer: str, channels: np.ndarray) -> np.ndarray:
        masks = np.stack([_resized(channel, picture.shape[1:], by_corners=True) for channel in channels])
        low, high = masks.min(axis=(1, 2), keepdims=True), masks.max(axis=(1, 2), keepdims=True)
        masks = (masks - low) / (high - low + np.float32(1e-8))
        scores = np.concatenate(
            [model(picture[None] * masks[first : first + 16, None])[:, target] for first in range(0, len(masks), 16)]
        ).astype(np.float64)
        weights = np.exp(scores - scores.max())
        return np.tensordot((weights / weights.sum()).astype(np.float32), channels, 1)


class AblationCAM(_ByAnswers):
    """Ablation-CAM (doi 10.1109/WACV45572.2020.9093360). The layer must end with a ReLU: for other layers
    pytorch-grad-cam replaces channels by large negative values.
    """

    def _cam(self, model: Any, picture: np.ndarray, target: int, layer: str, channels: np.ndarray) -> np.ndarray:
        if channels.min() != 0:
            raise ValueError(f"the layer {layer} is not the output of a ReLU; choose a layer that is")
        settings = {"ablation-cam.layer": layer, "ablation-cam.score": self._network.score}
        made = model.explain(picture, "ablation-cam", target, settings=settings, progress=False)
        # The paper divides by the absolute score, pytorch-grad-cam by the score.
        return made.raw * np.sign(model(picture[None])[0, target])


class FinerCAM(_Cam):
    """Finer-CAM (arXiv 2501.11309): a class compared with the most similar ones."""

    _method = "finer-cam"

    def __init__(
        self, model: Any, target_layers: Sequence[Any], reshape_transform: Any = None, **keywords: Any
    ) -> None:
        super().__init__(model, target_layers, reshape_transform, **keywords)
        self._alpha, self._similar = 1.0, 3

    def __call__(  # type: ignore[override]
        self,
        input_tensor: Any,
        targets: Sequence[Any] | None = None,
        eigen_smooth: bool = False,
        alpha: float = 1,
        comparison_categories: Sequence[int] = (1, 2, 3),
        target_idx: int | None = None,
    ) -> np.ndarray:
        """As in pytorch-grad-cam: the class ``target_idx``, or the most probable one, minus the most similar ones."""
        similar = len(comparison_categories)
        if list(comparison_categories) != list(range(1, similar + 1)):
            raise ValueError("comparison_categories must be the first ones, [1, 2, 3, …]")
        if targets is not None:
            raise ValueError("targets is not supported: give the class as target_idx")
        self._alpha, self._similar = float(alpha), similar
        classes = None if target_idx is None else [int(target_idx)] * len(input_tensor)
        return self._maps(input_tensor, classes, eigen_smooth)

    forward = __call__  # type: ignore[assignment]

    def _settings(self, input_tensor: Any, eigen_smooth: bool) -> dict[str, Any]:
        own = {"alpha": self._alpha, "similar": self._similar, "comparison": "softmax"}
        own = {f"{self._method}.{name}": value for name, value in own.items()}
        return {**super()._settings(input_tensor, eigen_smooth), **own}


class FullGrad(_Cam):
    """FullGrad (arXiv 1905.00780), for all layers with a bias."""

    _method = "full-grad"
    _smooths = False

    def __init__(self, model: Any, target_layers: Sequence[Any] = (), **keywords: Any) -> None:
        super().__init__(model, target_layers, **keywords)
        # As in pytorch-grad-cam, the given layers are ignored.
        self.target_layers = []

    def _settings(self, input_tensor: Any, eigen_smooth: bool) -> dict[str, Any]:
        if eigen_smooth:
            raise ValueError("eigen_smooth=True is not supported for FullGrad")
        return {f"{self._method}.score": self._network.score, f"{self._method}.rescale": "channel"}

    def _scaled(self, made: Any) -> np.ndarray:
        return _scale(made.map)
