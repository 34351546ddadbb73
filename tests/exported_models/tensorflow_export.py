"""tensorflow_export.py NAME ONNX VALUES: tf2onnx exports a network, and TensorFlow computes its output for VALUES [1, H, W, 3]."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import keras  # noqa: F401
    import tensorflow as tf
    import tf2onnx
except ImportError as missing:
    print(f"TensorFlow's Python lacks {missing.name}")
    sys.exit(3)

import numpy as np

from keras_networks import SIDE, network

name, path, values = sys.argv[1:]
model = network(name)
signature = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="input")]
function = tf.function(lambda x: model(x, training=False), input_signature=signature)
tf2onnx.convert.from_function(function, input_signature=signature, opset=15, output_path=path)
answer = model(np.load(values), training=False)
np.save(path.removesuffix(".onnx") + ".npy", np.asarray(answer))
