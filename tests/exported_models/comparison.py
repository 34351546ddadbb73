"""Compares the output of ONNX Runtime, PyTorch and dvm for an exported file and one picture."""

import dataclasses
import json
import pathlib
from typing import Callable

import numpy as np

from checks import Failed, Skipped
from program import classify
from seeded_models import MEAN, STD, normalised, picture

WITHIN = 1e-4  # of the largest logit


@dataclasses.dataclass
class Exported:
    """A file that an exporter wrote, with a picture for it."""

    path: pathlib.Path
    size: tuple[int, int] = (224, 224)
    mean: tuple = MEAN
    std: tuple = STD
    # The answer [classes] of what was exported to an input [1, 3, H, W]; None: nothing but the file.
    original: Callable | None = None
    channels_last: bool = False  # the file takes [1, H, W, 3]
    grey: bool = False  # the file takes [1, 1, H, W]: the luma of the picture
    probabilities: bool = False  # it answers with probabilities
    one_number: bool = False  # it answers with the probability of the second of two classes alone
    logarithms: bool = False  # it answers with their logarithms: logits, but for a constant
    within: float = WITHIN  # of dvm to ONNX Runtime
    original_within: float | None = None  # of dvm to the original; None: as `within`
    input_type: type = np.float32
    runtime_path: pathlib.Path | None = None  # what ONNX Runtime runs, if not `path`
    preprocess: pathlib.Path = dataclasses.field(init=False)
    picture: pathlib.Path = dataclasses.field(init=False)
    values: np.ndarray = dataclasses.field(init=False)  # the input [1, 3, H, W]

    def __post_init__(self):
        from PIL import Image

        self.path = pathlib.Path(self.path)
        pixels = picture(self.path.stem, *self.size)
        self.picture = self.path.with_suffix(".png")
        Image.fromarray(pixels).save(self.picture)
        self.values = normalised(pixels, self.mean, self.std)
        if self.grey:
            luma = np.asarray(Image.fromarray(pixels).convert("L"))
            self.values = normalised(np.repeat(luma[:, :, None], 3, 2), self.mean, self.std)[:, :1]
        self.preprocess = self.path.with_suffix(".preprocess.json")
        settings = {
            "resize": "none",
            "interpolation": "bilinear",
            "crop": self.size,
            "mean": self.mean,
            "std": self.std,
        }
        self.preprocess.write_text(json.dumps(settings))

    def onnxruntime_answer(self):
        """What ONNX Runtime answers [classes]."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(self.runtime_path or self.path), options, providers=["CPUExecutionProvider"]
        )
        values = self.values.transpose(0, 2, 3, 1) if self.channels_last else self.values
        values = np.ascontiguousarray(values).astype(self.input_type)
        answer = session.run(None, {session.get_inputs()[0].name: values})[0]
        return np.asarray(answer, np.float64).reshape(-1)

    def original_answer(self):
        """What the original answers [classes]."""
        if self.original is None:
            return None
        return np.asarray(self.original(self.values), np.float64).reshape(-1)


def by_torch(module):
    """The answer of a module of PyTorch."""
    import torch

    def answer(values):
        with torch.no_grad():
            return module(torch.from_numpy(values)).numpy()

    return answer


def difference(one, other):
    """The largest difference, relative to the largest value of `other`."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.shape != other.shape:
        raise Failed(f"{one.shape} answers beside {other.shape}")
    return float(np.abs(one - other).max() / np.abs(other).max())


def compare(exported, program):
    """Fails if dvm says something else than ONNX Runtime or the original; answers with how far apart they are."""
    try:
        runtime = exported.onnxruntime_answer()
    except Exception as error:
        raise Skipped(f"ONNX Runtime cannot run what was exported: {str(error)[:200]}") from error
    original = exported.original_answer()
    record = {"onnxruntime": runtime.tolist(), "probabilities": exported.probabilities or exported.one_number}
    if original is not None:
        record["original"] = original.tolist()
    exported.path.with_suffix(".json").write_text(json.dumps(record, indent=1))
    if original is not None and not np.isfinite(original).all():
        raise Skipped("the original answers with NaN or infinity")
    if exported.one_number:
        if not 0.05 < runtime[0] < 0.95:
            raise Failed("the answer is sure of itself: the check would show nothing")
        runtime, original = (np.array([1 - x[0], x[0]]) for x in (runtime, original))
    elif original is not None and np.ptp(original) < 1e-3 * np.abs(original).max():
        raise Failed("the original says much the same of all classes: the check would show nothing")
    if program is None:
        return "exported"
    logits, probabilities = classify(program, exported)
    answer = probabilities if exported.probabilities or exported.one_number else logits
    if exported.logarithms:
        answer, runtime, original = (x - np.mean(x) for x in (answer, runtime, original))
    from_runtime = difference(answer, runtime)
    measured = f"{from_runtime:.1e} from ONNX Runtime"
    if not from_runtime <= exported.within:
        raise Failed(f"{measured}, more than {exported.within:.0e}")
    if original is not None:
        from_original = difference(answer, original)
        measured += f", {from_original:.1e} from the original"
        bound = exported.original_within or exported.within
        if not from_original <= bound:
            raise Failed(f"{measured}, more than {bound:.0e}")
    if exported.one_number:
        if difference(probabilities, 1 / (1 + np.exp(-np.asarray(logits)))) > 1e-5:
            raise Failed("its probabilities are not the sigmoids of its logits")
    elif not exported.probabilities:
        exponents = np.exp(np.asarray(logits) - np.max(logits))
        if difference(probabilities, exponents / exponents.sum()) > 1e-5:
            raise Failed("its probabilities are not the softmax of its logits")
    return measured
