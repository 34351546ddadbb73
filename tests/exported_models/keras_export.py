"""keras_export.py NAME ONNX VALUES: Keras on PyTorch exports a network, and computes its output for VALUES [1, H, W, 3]."""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

try:
    import keras  # noqa: F401
except ImportError:
    print("keras is not installed")
    sys.exit(3)

import numpy as np

from keras_networks import network

name, path, values = sys.argv[1:]
model = network(name)
# Keras exports no model that was never called.
answer = model(np.load(values), training=False)
model.export(path, format="onnx", verbose=False)
np.save(path.removesuffix(".onnx") + ".npy", answer.detach().cpu().numpy())
