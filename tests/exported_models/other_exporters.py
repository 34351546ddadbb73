"""Keras, TensorFlow and scikit-learn."""

import os
import pathlib
import subprocess

import numpy as np

from checks import Failed, Skipped, check
from comparison import Exported, compare
from program import call, network_options

KERAS = "keras_export.py"
TENSORFLOW = "tensorflow_export.py"


def foreign(around, python, script, name):
    """Lets a script of this folder export a network in a process of its own; its answer is in a file."""
    pixels = around.folder / "values.npy"
    path = around.folder / f"{name}.onnx"
    # The picture follows from the file's name; the answer does not exist before the script ran.
    facts = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "size": (96, 96), "channels_last": True}
    exported = Exported(path, probabilities=True, **facts)
    np.save(pixels, exported.values.transpose(0, 2, 3, 1))
    here = pathlib.Path(__file__).parent
    command = [python, here / script, name, path, pixels]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ)
    if run.returncode == 3:
        raise Skipped(run.stdout.strip().splitlines()[-1])
    if run.returncode != 0:
        raise Failed(f"{script} did not export it: {run.stderr[-600:]}")
    answer = np.load(path.with_suffix(".npy"))
    exported.original = lambda _: answer
    return compare(exported, around.program)


def add_keras(name, by_default):
    @check(f"keras/{name}", by_default=by_default)
    def run(around):
        import sys

        return foreign(around, sys.executable, KERAS, name)


def add_tensorflow(name, by_default):
    @check(f"tensorflow/{name}", by_default=by_default)
    def run(around):
        if around.tensorflow is None:
            raise Skipped("no --tensorflow PYTHON was given")
        return foreign(around, around.tensorflow, TENSORFLOW, name)


for name, by_default in (
    ("small", True),
    ("MobileNetV2", True),
    ("MobileNetV3Small", False),
    ("EfficientNetB0", False),
    ("ResNet50V2", False),
    ("ConvNeXtTiny", False),
    ("DenseNet121", False),
    ("NASNetMobile", False),
    ("Xception", False),
    ("InceptionV3", False),
):
    add_keras(name, by_default)
    add_tensorflow(name, True if name in ("small", "MobileNetV2") else by_default)


@check("scikit-learn/classifier-of-rows-is-refused", by_default=True)
def scikit_learn(around):
    try:
        from skl2onnx import to_onnx
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        raise Skipped("skl2onnx is not installed") from None
    import warnings

    numbers = np.random.default_rng(0)
    rows = numbers.random((60, 192), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learned = MLPClassifier((16,), max_iter=5, random_state=0).fit(rows, np.arange(60) % 3)
    path = around.folder / "rows.onnx"
    path.write_bytes(to_onnx(learned, rows[:1]).SerializeToString())
    exported = Exported(path, (8, 8))
    if around.program is None:
        return "exported"
    code, _, said = call(around.program, "classify", exported.picture, *network_options(exported))
    if code == 0 or "rows.onnx" not in said or "panicked" in said:
        raise Failed(f"ended with {code}, and said: {said}")
    return f"refused: {said.strip()}"
