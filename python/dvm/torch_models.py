"""PyTorch classifiers: exported as ONNX, compared with the original, then opened."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings as python_warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dvm.errors import ModelError
from dvm.model import Model, load
from dvm.pictures import values_of

__all__ = ["from_torch"]

_OPSET = 17
# Largest difference between the engine's outputs and PyTorch's, relative to the largest output.
_ALLOWED = 1e-3


def from_torch(
    module: Any,
    example: Any,
    *,
    classes: Sequence[str] | str | os.PathLike[str] | None = None,
    preprocess: Mapping[str, Any] | str | None = None,
    output: str | None = None,
    exact: bool = False,
    device: str = "cpu",
) -> Model:
    """Open a PyTorch image classifier.

    ``torch.onnx.export`` exports the module in evaluation mode. The module is not changed, and later changes to it do
    not affect the model. The outputs of the engine and the module for ``example`` are compared.

    Parameters
    ----------
    module : torch.nn.Module
        Expects pictures ``[N, C, H, W]`` and returns one output per class, ``[N, classes]``: as a tensor, as the
        first item of a tuple, or as the attribute ``logits`` of an object.
    example : torch.Tensor ``[N, C, H, W]``
        Prepared pictures of the size that will be explained.
    classes : list of str, or path, optional
        Names of the classes.
    preprocess : dict or str, optional
        The preprocessing (:func:`dvm.load`); timm networks contain it. Only needed to explain files and pixels, not
        tensors.
    output : str, optional
        What the module's outputs mean, such as ``"logits"``.
    exact : bool
        As for :func:`dvm.load`.
    device : str
        As for :func:`dvm.load`: where dvm computes the network.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If the module cannot be exported, has unsupported operators (the error names them), or if the engine's
        outputs differ.

    Examples
    --------
    >>> model = dvm.from_torch(resnet, torch.zeros(1, 3, 224, 224))    # doctest: +SKIP
    """
    import torch

    if example.ndim != 4:
        raise ValueError(f"the example must have the shape (N, C, H, W), not {tuple(example.shape)}")
    first = next(module.parameters(), None)
    example = example.detach()
    example = example.to(first.device, first.dtype) if first is not None else example
    folder = tempfile.TemporaryDirectory(prefix="dvm-")
    file = os.path.join(folder.name, f"{type(module).__name__}.onnx")
    with _evaluating(module), torch.no_grad():
        # A module with a suitable output is not wrapped, so its layers keep their names.
        wrapped = module if _is_fit(module(example)) else _Classifier.of(module)
        expected = values_of_logits(wrapped(example))
        _export(wrapped, example[:1], file, type(module).__name__)
    with python_warnings.catch_warnings():
        # The warnings are repeated below, with the caller of this function as their place.
        python_warnings.simplefilter("ignore")
        rows, columns = (int(side) for side in example.shape[2:])
        given = preprocess if preprocess is not None else _said_by(module)
        model = load(
            file,
            classes=classes,
            size=(rows, columns),
            preprocess=given,
            output=output,
            exact=exact,
            device=device,
        )
    # The commands open the file, so it must exist as long as the model does.
    model._folder = folder
    found = model(example.float().cpu().numpy())
    scale = max(float(np.abs(expected).max()), 1e-6)
    gap = float(np.abs(found - expected).max()) / scale if found.shape == expected.shape else float("inf")
    if not gap <= _ALLOWED:
        raise ModelError(
            f"the outputs of the exported network differ from those of {type(module).__name__}: for the example, by "
            f"{gap:.1e} of the largest output (shapes {found.shape} and {expected.shape})"
        )
    if model._loaded.device_fallback is not None:
        python_warnings.warn(f"computing on the CPU: {model._loaded.device_fallback}", UserWarning, stacklevel=2)
    for warning in model.warnings:
        from dvm.model import AssumptionWarning

        python_warnings.warn(f"{type(module).__name__}: {warning}", AssumptionWarning, stacklevel=2)
    return model


def values_of_logits(outputs: Any) -> np.ndarray:
    """The module's outputs ``[N, classes]`` as an array."""
    return outputs.detach().float().cpu().numpy()


def _is_fit(answer: Any) -> bool:
    """Whether a module's output is one value per class."""
    import torch

    return isinstance(answer, torch.Tensor) and answer.ndim == 2


class _Classifier:
    """A module whose output is a single tensor."""

    @staticmethod
    def of(module: Any) -> Any:
        import torch

        class Classifier(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.module = module

            def forward(self, pictures: Any) -> Any:
                answer = self.module(pictures)
                if hasattr(answer, "logits"):
                    answer = answer.logits
                elif isinstance(answer, (tuple, list)):
                    answer = answer[0]
                if not isinstance(answer, torch.Tensor) or answer.ndim != 2:
                    shape = tuple(getattr(answer, "shape", ()))
                    raise ModelError(
                        f"{type(self.module).__name__} is not an image classifier: it returns "
                        f"{type(answer).__name__} {shape} instead of one output per class, [N, classes]"
                    )
                return answer

        return Classifier()


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Set the module and its parts to evaluation mode; afterwards restore their modes."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _export(module: Any, example: Any, file: str, name: str) -> None:
    """Write the module as ONNX with the exporter that traces modules; if that fails, with the newer one."""
    import torch

    def exported(**keywords: Any) -> None:
        with python_warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            python_warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                file,
                input_names=["input"],
                output_names=["output"],
                opset_version=_OPSET,
                **keywords,
            )

    try:
        exported(dynamo=False, dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}})
        return
    except Exception as error:
        first = error
    try:
        exported(dynamo=True, external_data=False, verbose=False)
    except Exception as second:
        raise ModelError(
            f"{name} cannot be exported as ONNX. torch.onnx.export says: {_line(first)}; and "
            f"with dynamo=True: {_line(second)}"
        ) from second


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def _said_by(module: Any) -> dict[str, Any] | None:
    """The preprocessing that timm stores in its networks."""
    said = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not isinstance(said, Mapping) or "mean" not in said or "input_size" not in said:
        return None
    _, rows, columns = said["input_size"]
    share = said.get("crop_pct") or 0.875
    preprocess = {
        "mean": list(said["mean"]),
        "std": list(said["std"]),
        "crop": [rows, columns],
        "resize": {"short_side": int(min(rows, columns) / share)},
    }
    if said.get("interpolation") in ("bilinear", "bicubic"):
        preprocess["interpolation"] = said["interpolation"]
    if len(preprocess["mean"]) != 3:
        return None
    return preprocess


class Follower:
    """A PyTorch module or a model for the classes that replace other libraries: opened on first use, and again when
    its parameters or the size of the inputs have changed.
    """

    def __init__(self, network: Any) -> None:
        if not isinstance(network, Model) and not hasattr(network, "named_modules"):
            raise TypeError(
                f"a network must be a dvm.Model or a torch.nn.Module, not {type(network).__name__}; functions cannot "
                "be exported"
            )
        self._network = network
        self._opened: tuple[Any, Model] | None = None
        self._layers: dict[int, str] = {}

    def model(self, inputs: Any) -> Model:
        """The model, for inputs of this shape."""
        if isinstance(self._network, Model):
            return self._network
        state = (tuple(inputs.shape[1:]), _state(self._network))
        if self._opened is None or self._opened[0] != state:
            with python_warnings.catch_warnings():
                # The inputs are already prepared, and outputs are used without conversion.
                python_warnings.simplefilter("ignore")
                self._opened = (state, from_torch(self._network, inputs[:1]))
            self._layers = {}
        return self._opened[1]

    def layer(self, layer: Any, inputs: Any) -> str:
        """The name of the engine's layer, from its name or from a submodule."""
        if isinstance(layer, str):
            return layer
        model = self.model(inputs)
        if isinstance(self._network, Model):
            raise TypeError(f"a layer of a dvm.Model must be given by its name, not as {type(layer).__name__}")
        known = self._layers.get(id(layer))
        if known is None:
            known = self._layers[id(layer)] = _found(model, self._network, layer, inputs[:1])
        return known

    @property
    def score(self) -> str:
        """The option ``score`` that explains the network's own outputs."""
        model = self._network if isinstance(self._network, Model) else None
        if model is None:
            assert self._opened is not None, "the model must be opened first"
            model = self._opened[1]
        if model.output in ("logits", "label-logits"):
            return "logit"
        return "log-probability" if model.output.startswith("log") else "probability"


def _state(module: Any) -> tuple[Any, ...]:
    """A value that changes when a parameter or buffer is changed or replaced."""
    values = [*module.parameters(), *module.buffers()]
    return tuple((id(value), value.data_ptr(), value._version) for value in values)


def _found(model: Model, network: Any, layer: Any, inputs: Any) -> str:
    """The engine's layer with the same value as ``layer``."""
    import torch

    values: list[Any] = []
    hook = layer.register_forward_hook(
        lambda _module, _inputs, output: values.append(
            (output[0] if isinstance(output, tuple) else output).detach().clone()
        )
    )
    try:
        first = next(network.parameters(), None)
        device = first.device if first is not None else inputs.device
        with _evaluating(network), torch.no_grad():
            network(inputs.to(device))
    finally:
        hook.remove()
    names = {id(part): name for name, part in network.named_modules()}
    called = names.get(id(layer), type(layer).__name__)
    if not values:
        raise ValueError(f"the layer {called} is not used for this input")
    value = np.ascontiguousarray(values[-1].float().cpu().numpy())
    found = model._loaded.find_value(values_of(inputs), value)
    if found is None:
        raise ValueError(
            f"the value of the layer {called} does not exist in the exported network, which may have merged it with "
            "another layer; choose a layer next to it"
        )
    return found
