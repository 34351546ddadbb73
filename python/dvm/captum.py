"""Captum's attribution methods, computed by dvm: change the import, keep the code.

``from captum.attr import Saliency, IntegratedGradients`` becomes
``from dvm.captum import Saliency, IntegratedGradients``. Classes accept a ``torch.nn.Module`` that classifies
pictures, or a :class:`dvm.Model`; ``attribute`` accepts Captum's arguments and returns Captum's values, as a tensor if
the inputs are a tensor. Unsupported arguments are an error.

Methods with random numbers (``KernelShap``, ``ShapleyValueSampling``) use their own, so results agree with Captum's
within their standard errors. ``NoiseTunnel`` and ``GradientShap`` use PyTorch's and NumPy's, as Captum does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dvm.pictures import is_tensor, values_of
from dvm.torch_models import Follower

__all__ = [
    "Deconvolution",
    "DeepLift",
    "DeepLiftShap",
    "FeatureAblation",
    "GradientShap",
    "GuidedBackprop",
    "GuidedGradCam",
    "InputXGradient",
    "IntegratedGradients",
    "KernelShap",
    "LayerActivation",
    "LayerAttribution",
    "LayerGradCam",
    "NoiseTunnel",
    "Occlusion",
    "Saliency",
    "ShapleyValueSampling",
]


class _Attribution:
    """Common base: a network, and one map for each picture and its target."""

    def __init__(self, forward_func: Any) -> None:
        self.forward_func = forward_func
        self._network = Follower(forward_func)

    def _explained(
        self,
        inputs: Any,
        target: Any,
        method: str,
        settings: dict[str, Any],
        read: Callable[[Any], np.ndarray],
        additional_forward_args: Any = None,
    ) -> np.ndarray:
        """The results of ``read`` for the map of each picture, stacked."""
        if additional_forward_args is not None:
            raise ValueError("additional_forward_args are not supported: the network has only pictures as its input")
        if isinstance(inputs, (tuple, list)):
            raise ValueError("inputs must be one batch of pictures: several inputs are not supported")
        values = values_of(inputs)
        model = self._network.model(inputs)
        settings = {"score": self._network.score, **settings}
        targets = _targets(target, len(values))
        made = [
            model.explain(
                one,
                method,
                which,
                settings={f"{method}.{name}": value for name, value in settings.items()},
                progress=False,
            )
            for one, which in zip(values, targets)
        ]
        return np.stack([read(each[method]) for each in made])


def _targets(target: Any, count: int) -> list[int]:
    if is_tensor(target):
        target = target.tolist()
    if isinstance(target, np.ndarray):
        target = target.tolist()
    if target is None:
        raise ValueError("target must be given: the index of the class to explain")
    if isinstance(target, (list, tuple)):
        if len(target) == 1:
            target = list(target) * count
        if len(target) != count:
            raise ValueError(f"there are {len(target)} targets for {count} pictures")
        return [_index(one) for one in target]
    return [_index(target)] * count


def _index(target: Any) -> int:
    if isinstance(target, (tuple, list)) and len(target) == 1:
        target = target[0]
    return int(target)


def _like(inputs: Any, values: np.ndarray) -> Any:
    """The values as a tensor if the inputs are one, otherwise as an array."""
    if not is_tensor(inputs):
        return values
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(inputs.device, inputs.dtype)


class _Gradient(_Attribution):
    """A gradient method: its raw array is the attribution ``[C, H, W]``."""

    _method = ""

    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> Any:
        """Attributions with the shape of the inputs, ``[N, C, H, W]``.

        Parameters
        ----------
        inputs : tensor or array ``[N, C, H, W]``
        target : int, list or tensor
            The class to explain, or one for each picture.
        """
        found = self._explained(inputs, target, self._method, {}, lambda made: made.raw, additional_forward_args)
        return _like(inputs, found)


class Saliency(_Attribution):
    """The gradient, absolute by default (arXiv 1312.6034)."""

    def attribute(self, inputs: Any, target: Any = None, abs: bool = True, additional_forward_args: Any = None) -> Any:
        """As in Captum: ``[N, C, H, W]``, absolute values unless ``abs`` is false."""
        found = self._explained(inputs, target, "gradient", {}, lambda made: made.raw, additional_forward_args)
        return _like(inputs, np.abs(found) if abs else found)


class InputXGradient(_Gradient):
    """The gradient times the input (arXiv 1605.01713)."""

    _method = "input-x-gradient"


class GuidedBackprop(_Gradient):
    """Guided backprop (arXiv 1412.6806)."""

    _method = "guided-backprop"


class Deconvolution(_Gradient):
    """Deconvnet (arXiv 1311.2901)."""

    _method = "deconvnet"


class _Baselines:
    """Baselines for the engine's option: Captum's numbers and tensors become files of values."""

    def __init__(self, baselines: Any, inputs: Any, several: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dvm-")
        shape = tuple(inputs.shape[1:])
        if isinstance(baselines, (tuple, list)) and len(baselines) == 1:
            baselines = baselines[0]
        self._texts: list[str] | None = None
        self._each: list[str] | None = None
        if baselines is None:
            self._texts = ["zero"]
        elif isinstance(baselines, (int, float)):
            self._texts = [self._file(np.full(shape, float(baselines), np.float32), 0)]
        else:
            values = values_of(baselines if getattr(baselines, "ndim", 0) == 4 else baselines[None])
            if values.shape[1:] != shape:
                raise ValueError(f"a baseline must have the shape of a picture, {shape}, not {values.shape[1:]}")
            files = [self._file(one, number) for number, one in enumerate(values)]
            if several or len(files) == 1:
                self._texts = files
            elif len(files) == len(inputs):
                self._each = files
            else:
                raise ValueError(f"there are {len(files)} baselines for {len(inputs)} pictures")

    def _file(self, values: np.ndarray, number: int) -> str:
        if not np.any(values):
            return "zero"
        path = Path(self._folder.name, f"baseline-{number}.npy")
        np.save(path, np.ascontiguousarray(values, dtype=np.float32))
        return str(path)

    def of(self, number: int) -> str:
        """The option for one picture."""
        return self._each[number] if self._each is not None else ",".join(self._texts or [])

    def __enter__(self) -> _Baselines:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


class _WithBaselines(_Attribution):
    """A method that compares the picture with a baseline."""

    _method = ""
    _several = False

    def _along(
        self, inputs: Any, baselines: Any, target: Any, settings: dict[str, Any], additional_forward_args: Any
    ) -> np.ndarray:
        values = values_of(inputs)
        # A PyTorch module must be opened with the original tensors.
        self._network.model(inputs)
        targets = _targets(target, len(values))
        with _Baselines(baselines, values, self._several) as along:
            parts = [
                self._explained(
                    values[number : number + 1] if not is_tensor(inputs) else inputs[number : number + 1],
                    targets[number],
                    self._method,
                    {"baseline": along.of(number), **settings},
                    lambda made: made.raw,
                    additional_forward_args,
                )
                for number in range(len(values))
            ]
        return np.concatenate(parts)

    def _delta(self, inputs: Any, baselines: Any, target: Any, found: np.ndarray) -> np.ndarray:
        """The completeness gap ``[N]``: the sum of attributions minus the rise of the score."""
        values = values_of(inputs)
        base = np.zeros_like(values)
        if baselines is not None:
            if isinstance(baselines, (tuple, list)) and len(baselines) == 1:
                baselines = baselines[0]
            base += baselines if isinstance(baselines, (int, float)) else values_of(baselines)
        model = self._network.model(inputs)
        rows = np.arange(len(values))
        targets = _targets(target, len(values))
        rise = model(values)[rows, targets] - model(base)[rows, targets]
        return (found.reshape(len(found), -1).sum(axis=1) - rise).astype(np.float32)


class IntegratedGradients(_WithBaselines):
    """Integrated gradients (arXiv 1703.01365)."""

    _method = "integrated-gradients"

    def __init__(self, forward_func: Any, multiply_by_inputs: bool = True) -> None:
        if not multiply_by_inputs:
            raise ValueError("multiply_by_inputs=False is not supported")
        super().__init__(forward_func)

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """As in Captum: ``[N, C, H, W]``, and the completeness gap ``[N]`` if requested.

        ``internal_batch_size`` has no effect: the engine chooses batches by its memory limit.
        """
        if method != "gausslegendre":
            raise ValueError(f"method must be gausslegendre; {method!r} is not supported")
        found = self._along(inputs, baselines, target, {"steps": n_steps}, additional_forward_args)
        attributions = _like(inputs, found)
        if return_convergence_delta:
            return attributions, _like(inputs, self._delta(inputs, baselines, target, found))
        return attributions


class DeepLift(_WithBaselines):
    """DeepLIFT's rescale rule (arXiv 1704.02685)."""

    _method = "deeplift"

    def __init__(self, model: Any, multiply_by_inputs: bool = True, eps: float = 1e-10) -> None:
        if not multiply_by_inputs:
            raise ValueError("multiply_by_inputs=False is not supported")
        super().__init__(model)

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
        custom_attribution_func: Any = None,
    ) -> Any:
        """As in Captum: ``[N, C, H, W]``, and the completeness gap ``[N]`` if requested."""
        if custom_attribution_func is not None:
            raise ValueError("custom_attribution_func is not supported")
        found = self._along(inputs, baselines, target, {}, additional_forward_args)
        attributions = _like(inputs, found)
        if return_convergence_delta:
            return attributions, _like(inputs, self._delta(inputs, baselines, target, found))
        return attributions


class DeepLiftShap(DeepLift):
    """DeepLIFT averaged over several baselines (arXiv 1705.07874)."""

    _several = True

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
        custom_attribution_func: Any = None,
    ) -> Any:
        """As in Captum: ``baselines`` ``[B, C, H, W]`` are used for every picture."""
        if baselines is None:
            raise ValueError("baselines must be given: a batch of pictures")
        if return_convergence_delta:
            raise ValueError("return_convergence_delta is not supported for several baselines")
        return super().attribute(inputs, baselines, target, additional_forward_args, False, custom_attribution_func)


class GradientShap(_Attribution):
    """Gradients at random points between baselines and the picture (arXiv 1705.07874), with random numbers from PyTorch
    and NumPy, as in Captum.
    """

    def __init__(self, forward_func: Any, multiply_by_inputs: bool = True) -> None:
        if not multiply_by_inputs:
            raise ValueError("multiply_by_inputs=False is not supported")
        super().__init__(forward_func)

    def attribute(
        self,
        inputs: Any,
        baselines: Any,
        n_samples: int = 5,
        stdevs: float = 0.0,
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """As in Captum: ``[N, C, H, W]``; random ones of ``baselines`` ``[B, C, H, W]`` are used."""
        import torch

        if return_convergence_delta:
            raise ValueError("return_convergence_delta is not supported for random points")
        if callable(baselines) or isinstance(baselines, (int, float)):
            raise ValueError("baselines must be a batch of pictures, [B, C, H, W]")
        count = len(inputs)
        chosen = np.random.choice(len(baselines), n_samples * count)
        base = torch.as_tensor(values_of(baselines)[chosen])
        repeated = torch.as_tensor(inputs).repeat_interleave(n_samples, dim=0)
        noisy = repeated + torch.normal(0, torch.full(repeated.shape, float(stdevs)))
        share = torch.tensor(np.random.uniform(0.0, 1.0, len(noisy)), dtype=noisy.dtype).view(-1, 1, 1, 1)
        targets = np.repeat(_targets(target, count), n_samples).tolist()
        between = share * noisy + (1.0 - share) * base
        gradients = self._explained(between, targets, "gradient", {}, lambda made: made.raw, additional_forward_args)
        found = (torch.from_numpy(gradients) * (noisy - base)).reshape(count, n_samples, *noisy.shape[1:])
        return _like(inputs, found.mean(1).numpy(force=True))


class Occlusion(_Attribution):
    """The drop of the score when a window is covered (arXiv 1311.2901)."""

    def attribute(
        self,
        inputs: Any,
        sliding_window_shapes: Sequence[int],
        strides: int | Sequence[int] | None = None,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        perturbations_per_eval: int = 1,
        show_progress: bool = False,
    ) -> Any:
        """As in Captum, ``[N, C, H, W]``: the windows cover all channels, ``(C, rows, columns)``.

        ``perturbations_per_eval`` has no effect: the engine computes only what changes in each covered picture.
        """
        values = values_of(inputs)
        channels = values.shape[1]
        window = _sides(sliding_window_shapes, channels, "sliding_window_shapes")
        stride = (1, 1) if strides is None else _sides(strides, channels, "strides")
        with _Baselines(baselines, values) as along:
            if along.of(0) != along.of(len(values) - 1):
                raise ValueError("all pictures must have the same baseline")
            settings = {
                "preset": "captum",
                "window": window,
                "stride": stride,
                "fill": along.of(0),
            }
            found = self._explained(
                inputs, target, "occlusion", settings, lambda made: made.map, additional_forward_args
            )
        return _like(inputs, np.repeat(found[:, None], channels, axis=1))


def _sides(shape: int | Sequence[int], channels: int, name: str) -> tuple[int, int]:
    if isinstance(shape, int):
        return shape, shape
    shape = tuple(int(side) for side in (shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape))
    if len(shape) != 3 or (name == "sliding_window_shapes" and shape[0] != channels):
        raise ValueError(f"{name} must be ({channels}, rows, columns), because all channels are covered; not {shape}")
    return shape[1], shape[2]


class _Segments(_Attribution):
    """A method over segments of the picture."""

    def _by_segments(
        self,
        inputs: Any,
        baselines: Any,
        target: Any,
        feature_mask: Any,
        method: str,
        settings: dict[str, Any],
        additional_forward_args: Any,
    ) -> Any:
        values = values_of(inputs)
        if feature_mask is None:
            raise ValueError(
                "feature_mask must be given: the segment of each pixel. Without it, Captum treats each value of the "
                "picture as a segment, which is not supported"
            )
        mask = np.asarray(feature_mask.cpu() if is_tensor(feature_mask) else feature_mask)
        mask = mask.reshape((-1, *mask.shape[-3:])) if mask.ndim >= 3 else mask[None, None]
        if len(mask) != 1 or not (mask == mask[:, :1]).all():
            raise ValueError("feature_mask must be the same for all pictures and channels: (1, 1, H, W)")
        with _Baselines(baselines, values) as along, tempfile.TemporaryDirectory(prefix="dvm-") as folder:
            file = Path(folder, "segments.npy")
            np.save(file, np.ascontiguousarray(mask[0, 0], dtype=np.int64))
            found = self._explained(
                inputs,
                target,
                method,
                {"segments": f"file:{file}", "baseline": along.of(0), **settings},
                lambda made: made.map,
                additional_forward_args,
            )
        return _like(inputs, np.repeat(found[:, None], values.shape[1], axis=1))


class FeatureAblation(_Segments):
    """The drop of the score when one segment is covered (arXiv 1311.2901)."""

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Any = None,
        perturbations_per_eval: int = 1,
        show_progress: bool = False,
    ) -> Any:
        """As in Captum, ``[N, C, H, W]``; ``feature_mask`` ``[1, 1, H, W]`` must be given."""
        return self._by_segments(
            inputs, baselines, target, feature_mask, "feature-ablation", {}, additional_forward_args
        )


class ShapleyValueSampling(_Segments):
    """Shapley values from random orders (doi 10.1016/j.cor.2008.04.004), with the engine's random numbers."""

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Any = None,
        n_samples: int = 25,
        perturbations_per_eval: int = 1,
        show_progress: bool = False,
    ) -> Any:
        """As in Captum, ``[N, C, H, W]``; ``feature_mask`` ``[1, 1, H, W]`` must be given."""
        settings = {"samples": n_samples}
        return self._by_segments(
            inputs, baselines, target, feature_mask, "shapley-sampling", settings, additional_forward_args
        )


class KernelShap(_Segments):
    """Shapley values by weighted least squares (arXiv 1705.07874), with the engine's random numbers."""

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Any = None,
        n_samples: int = 25,
        perturbations_per_eval: int = 1,
        return_input_shape: bool = True,
        show_progress: bool = False,
    ) -> Any:
        """As in Captum, ``[N, C, H, W]``; ``feature_mask`` ``[1, 1, H, W]`` must be given."""
        if not return_input_shape:
            raise ValueError("return_input_shape=False is not supported")
        settings = {"samples": n_samples}
        return self._by_segments(
            inputs, baselines, target, feature_mask, "kernel-shap", settings, additional_forward_args
        )


class LayerGradCam(_Attribution):
    """Grad-CAM at the size of its layer (arXiv 1610.02391)."""

    def __init__(self, forward_func: Any, layer: Any) -> None:
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        additional_forward_args: Any = None,
        attribute_to_layer_input: bool = False,
        relu_attributions: bool = False,
        attr_dim_summation: bool = True,
    ) -> Any:
        """As in Captum: ``[N, 1, rows, columns]`` of the layer."""
        if attribute_to_layer_input or not attr_dim_summation:
            raise ValueError("attribute_to_layer_input=True and attr_dim_summation=False are not supported")
        layer = self._network.layer(self.layer, inputs)
        found = self._explained(
            inputs, target, "grad-cam", {"layer": layer}, lambda made: made.raw, additional_forward_args
        )[:, None]
        return _like(inputs, np.maximum(found, 0) if relu_attributions else found)


class GuidedGradCam(_Attribution):
    """Guided backprop times Grad-CAM (arXiv 1610.02391)."""

    def __init__(self, model: Any, layer: Any) -> None:
        super().__init__(model)
        self.layer = layer

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        additional_forward_args: Any = None,
        interpolate_mode: str = "nearest",
        attribute_to_layer_input: bool = False,
    ) -> Any:
        """As in Captum: ``[N, C, H, W]``."""
        if attribute_to_layer_input:
            raise ValueError("attribute_to_layer_input=True is not supported")
        guided = GuidedBackprop(self.forward_func).attribute(inputs, target, additional_forward_args)
        cam = LayerGradCam(self.forward_func, self.layer).attribute(
            inputs, target, additional_forward_args, relu_attributions=True
        )
        import torch

        guided, cam = torch.as_tensor(guided), torch.as_tensor(cam)
        mapped = LayerAttribution.interpolate(cam, tuple(guided.shape[2:]), interpolate_mode)
        return _like(inputs, (guided * mapped).numpy(force=True))


class LayerActivation(_Attribution):
    """The value of a layer."""

    def __init__(self, forward_func: Any, layer: Any) -> None:
        super().__init__(forward_func)
        self.layer = layer

    def attribute(self, inputs: Any, additional_forward_args: Any = None) -> Any:
        """As in Captum: ``[N, C, rows, columns]`` for a feature map."""
        if additional_forward_args is not None:
            raise ValueError("additional_forward_args are not supported: the network has only pictures as its input")
        layer = self._network.layer(self.layer, inputs)
        return _like(inputs, self._network.model(inputs).activation(inputs, layer))


class LayerAttribution:
    """Upsampling from a layer's size to the picture's, as in Captum."""

    @staticmethod
    def interpolate(layer_attribution: Any, interpolate_dims: Any, interpolate_mode: str = "nearest") -> Any:
        """A tensor ``[N, C, rows, columns]`` resized by ``torch.nn.functional.interpolate``."""
        from torch.nn import functional

        return functional.interpolate(layer_attribution, interpolate_dims, mode=interpolate_mode)


class NoiseTunnel:
    """A method averaged over noisy copies of the picture (arXiv 1706.03825), with random numbers from PyTorch."""

    def __init__(self, attribution_method: Any) -> None:
        self.attribution_method = attribution_method

    def attribute(
        self,
        inputs: Any,
        nt_type: str = "smoothgrad",
        nt_samples: int = 5,
        nt_samples_batch_size: int | None = None,
        stdevs: float = 1.0,
        draw_baseline_from_distrib: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As in Captum: ``smoothgrad``, ``smoothgrad_sq`` or ``vargrad``, ``[N, C, H, W]``."""
        import torch

        if draw_baseline_from_distrib:
            raise ValueError("draw_baseline_from_distrib=True is not supported")
        kinds = ("smoothgrad", "smoothgrad_sq", "vargrad")
        if nt_type not in kinds:
            raise ValueError(f"nt_type must be one of {', '.join(kinds)}, not {nt_type!r}")
        count = len(inputs)
        repeated = torch.as_tensor(inputs).repeat_interleave(nt_samples, dim=0)
        noisy = torch.normal(repeated, float(stdevs[0] if isinstance(stdevs, (tuple, list)) else stdevs))
        target = kwargs.pop("target", None)
        if target is not None:
            target = np.repeat(_targets(target, count), nt_samples).tolist()
        found = self.attribution_method.attribute(noisy, target=target, **kwargs)
        found = torch.as_tensor(found).reshape(count, nt_samples, *noisy.shape[1:])
        mean, squares = found.mean(1), (found * found).mean(1)
        result = {"smoothgrad": mean, "smoothgrad_sq": squares, "vargrad": squares - mean * mean}[nt_type]
        return result if is_tensor(inputs) else result.numpy()
