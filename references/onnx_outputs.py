"""Small ONNX classifiers that end in different ways, and their outputs by ONNX Runtime.

Run as `python references/onnx_outputs.py`. Each file is one convolution, a ReLU, a mean and a linear layer with
another end. Expected are the file's outputs for two pictures, for `dvm-zoo/tests/outputs.rs`.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import store

CRATE = "dvm-zoo"
PACKAGES = ["numpy", "onnx", "onnxruntime"]
SIZE = (12, 10)
n = helper.make_node


def constant(name, *values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, kind).reshape(-1), name)


# Name: numbers of the linear layer, what follows it (from "z" to "y"), constants, shape of the output.
ENDINGS = {
    "logits": (4, [n("Identity", ["z"], ["y"])], [], [1, 4]),
    "softmax": (4, [n("Softmax", ["z"], ["y"], axis=1)], [], [1, 4]),
    "log_softmax": (4, [n("LogSoftmax", ["z"], ["y"], axis=1)], [], [1, 4]),
    # A softmax that somebody put behind a network that had one.
    "softmax_of_softmax": (
        4,
        [n("Softmax", ["z"], ["p"], axis=1), n("Softmax", ["p"], ["y"], axis=1)],
        [],
        [1, 4],
    ),
    "clipped_softmax": (
        4,
        [n("Softmax", ["z"], ["p"], axis=1), n("Clip", ["p", "low", "high"], ["y"])],
        [
            numpy_helper.from_array(np.float32(1e-7), "low"),
            numpy_helper.from_array(np.float32(1), "high"),
        ],
        [1, 4],
    ),
    "softmax_by_hand": (
        4,
        [
            n("Exp", ["z"], ["e"]),
            n("ReduceSum", ["e", "axis"], ["s"], keepdims=1),
            n("Div", ["e", "s"], ["y"]),
        ],
        [constant("axis", 1, kind=np.int64)],
        [1, 4],
    ),
    "mean_of_softmaxes": (
        4,
        [
            n("Softmax", ["z"], ["p"], axis=1),
            n("Mul", ["z", "third"], ["t"]),
            n("Softmax", ["t"], ["q"], axis=1),
            n("Add", ["p", "q"], ["s"]),
            n("Mul", ["s", "half"], ["y"]),
        ],
        [constant("third", 0.3), constant("half", 0.5)],
        [1, 4],
    ),
    "no_beside_yes": (
        1,
        [
            n("Sigmoid", ["z"], ["p"]),
            n("Sub", ["one", "p"], ["q"]),
            n("Concat", ["q", "p"], ["y"], axis=1),
        ],
        [constant("one", 1)],
        [1, 2],
    ),
    "log_of_clipped": (
        4,
        [
            n("Softmax", ["z"], ["p"], axis=1),
            n("Add", ["p", "small"], ["q"]),
            n("Log", ["q"], ["y"]),
        ],
        [constant("small", 1e-7)],
        [1, 4],
    ),
    "sigmoids": (4, [n("Sigmoid", ["z"], ["y"])], [], [1, 4]),
    "clipped_sigmoids": (
        4,
        [n("Sigmoid", ["z"], ["p"]), n("Clip", ["p", "low", "high"], ["y"])],
        [
            numpy_helper.from_array(np.float32(0.02), "low"),
            numpy_helper.from_array(np.float32(1), "high"),
        ],
        [1, 4],
    ),
    "one_logit": (1, [n("Identity", ["z"], ["y"])], [], [1, 1]),
    "one_sigmoid": (1, [n("Sigmoid", ["z"], ["y"])], [], [1, 1]),
    "one_clipped_sigmoid": (
        1,
        [n("Sigmoid", ["z"], ["p"]), n("Clip", ["p", "low", "high"], ["y"])],
        [
            numpy_helper.from_array(np.float32(0.02), "low"),
            numpy_helper.from_array(np.float32(1), "high"),
        ],
        [1, 1],
    ),
    # The axis of the pictures is taken away.
    "squeezed": (
        4,
        [n("Squeeze", ["z", "axes"], ["y"])],
        [constant("axes", 0, kind=np.int64)],
        [4],
    ),
    "first_of_batch": (
        4,
        [n("Softmax", ["z"], ["p"], axis=1), n("Gather", ["p", "first"], ["y"], axis=0)],
        [numpy_helper.from_array(np.int64(0), "first")],
        [4],
    ),
    "reshaped_to_row": (
        4,
        [n("Reshape", ["z", "row"], ["r"]), n("Softmax", ["r"], ["y"], axis=0)],
        [constant("row", -1, kind=np.int64)],
        [4],
    ),
    "one_squeezed": (
        1,
        [n("Sigmoid", ["z"], ["p"]), n("Squeeze", ["p"], ["y"])],
        [],
        [],
    ),
}


def model(outputs, end, constants, shape, size=SIZE):
    rng = np.random.default_rng(5)
    arrays = {
        "conv.weight": rng.normal(0, 0.5, (8, 3, 3, 3)),
        "conv.bias": rng.normal(0, 0.2, 8),
        "head.weight": rng.normal(0, 2, (outputs, 8)),
        "head.bias": rng.normal(0, 0.2, outputs),
    }
    nodes = [
        n("Conv", ["x", "conv.weight", "conv.bias"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        n("Relu", ["c"], ["r0"], name="relu"),
        n("GlobalAveragePool", ["r0"], ["g"], name="pool"),
        n("Flatten", ["g"], ["f"], name="flatten"),
        n("Gemm", ["f", "head.weight", "head.bias"], ["z"], name="head", transB=1),
        *end,
    ]
    initializers = [
        numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()
    ]
    graph = helper.make_graph(
        nodes,
        "outputs",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        initializers + constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    made.producer_name = "references/onnx_outputs.py"
    onnx.checker.check_model(made)
    return made.SerializeToString(deterministic=True)


def main():
    pictures = np.random.default_rng(7).normal(0, 1, (2, 3, *SIZE)).astype(np.float32)
    arrays = {"pictures": pictures}
    for name, (outputs, end, constants, shape) in ENDINGS.items():
        content = model(outputs, end, constants, shape)
        store.replace(store.destination(CRATE, f"outputs/{name}.onnx"), content)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        answers = [session.run(None, {"x": picture[None]})[0].reshape(-1) for picture in pictures]
        arrays[name] = np.stack(answers)
    # Too large to be tried with pictures.
    huge = model(*ENDINGS["mean_of_softmaxes"], size=(8192, 8192))
    store.replace(store.destination(CRATE, "outputs/huge.onnx"), huge)
    target = store.destination(CRATE, "outputs/expected.safetensors")
    store.save_tensors(target, arrays, "onnx_outputs.py", PACKAGES)


if __name__ == "__main__":
    main()
