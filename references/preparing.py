"""Small classifiers that state their preprocessing in every supported way, and their outputs.

Writes `crates/dvm/tests/references/preparing/<name>.onnx` and `preparing.json`: for each the picture,
the logits of ONNX Runtime for the picture as Pillow and torchvision prepare it, and the fields of
the preprocessing that the file does not state.
"""

import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torchvision.transforms import functional as T
from torchvision.transforms.functional import InterpolationMode as Mode

import store

CRATE = "dvm"
SIDE = 64
CAFFE = [123.68, 116.779, 103.939]
OPEN = ["channels", "resize", "interpolation"]


def random(*shape, seed):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.4).astype(np.float32)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def number(values, shape=None):
    array = np.asarray(values, dtype=np.float32)
    return array if shape is None else array.reshape(shape)


def colours(values):
    return number(values, (1, 3, 1, 1))


class Files:
    def __init__(self):
        self.cases = {}

    def add(self, name, front, arrays, prepare, assumed, shape=(1, 3, SIDE, SIDE), metadata=None,
            kind=TensorProto.FLOAT, scale=1.0, channels=3, stands_for=None):
        """`front` leads from `x` to the first layer, whose weights are times `scale`. What ONNX Runtime
        does not know, it computes as `stands_for`."""
        weights = {
            "conv.weight": random(8, channels, 5, 5, seed=1) * scale,
            "conv.bias": random(8, seed=2),
            "fc.weight": random(4, 8, seed=3) * 5,
            "fc.bias": random(4, seed=4),
        }
        pixels = front[-1].output[0] if front else "x"
        layers = [
            node("Conv", [pixels, "conv.weight", "conv.bias"], "c", strides=[2, 2]),
            node("Relu", ["c"], "r"),
            node("GlobalAveragePool", ["r"], "p"),
            node("Flatten", ["p"], "f"),
            node("Gemm", ["f", "fc.weight", "fc.bias"], "y", transB=1),
        ]
        nodes = front + layers
        initializers = [
            numpy_helper.from_array(array, name) for name, array in (arrays | weights).items()
        ]
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
            initializers,
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        model.producer_name = "references/preparing.py"
        helper.set_model_props(model, metadata or {})
        content = model.SerializeToString(deterministic=True)
        path = store.destination(CRATE, f"preparing/{name}.onnx")
        path.parent.mkdir(exist_ok=True)
        store.replace(path, content)
        if stands_for:
            del model.graph.node[:]
            model.graph.node.extend(stands_for + layers)
            content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        logits = {}
        for picture in ["coffee", "chelsea"]:
            image = Image.open(store.REPOSITORY / "assets" / "samples" / f"{picture}.png")
            x = prepare(image.convert("RGB"))
            logits[picture] = session.run(None, {"x": x})[0][0].astype(float).tolist()
        self.cases[name] = {"logits": logits, "assumed": sorted(assumed)}


def refused(name, nodes, *inputs):
    """A file that cannot be used, for what it asks for."""
    inputs = [helper.make_tensor_value_info(*one) for one in inputs]
    nodes = nodes + [node("GlobalAveragePool", ["q"], "p"), node("Flatten", ["p"], "y")]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = store.destination(CRATE, f"preparing/{name}.onnx")
    store.replace(path, model.SerializeToString(deterministic=True))


def cropped(image, resize=round(SIDE * 256 / 224), mode=Mode.BILINEAR):
    image = T.resize(image, resize, mode)
    return np.asarray(T.center_crop(image, [SIDE, SIDE]))


def planes(pixels):
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]).astype(np.float32)


def bytes_(image):
    return planes(cropped(image))


def unit(image):
    return bytes_(image) / np.float32(255)


def bgr(image):
    return np.ascontiguousarray(bytes_(image)[:, ::-1])


def imagenet(image):
    mean = colours([0.485, 0.456, 0.406])
    return (unit(image) - mean) / colours([0.229, 0.224, 0.225])


def main():
    files = Files()
    add = files.add
    add("plain", [], {}, imagenet, ["mean", "std", *OPEN])
    subtracted = [node("Sub", ["x", "means"], "s")]
    add("subtracts", subtracted, {"means": colours(CAFFE)}, bytes_, OPEN[1:], scale=1 / 60)
    added = [node("Add", ["x", "means"], "s")]
    negative = {"means": colours([-v for v in reversed(CAFFE)])}
    add("subtracts_bgr", added, negative, bgr, OPEN[1:], scale=1 / 60)
    normalised = [node("BatchNormalization", ["x", "one", "zero", "mean", "var"], "s")]
    arrays = {
        "one": number([1, 1, 1]),
        "zero": number([0, 0, 0]),
        "mean": number(CAFFE),
        "var": number([58.4**2, 57.1**2, 57.4**2]),
    }
    add("batch_norm", normalised, arrays, bytes_, OPEN[1:])
    scaled = [node("Conv", ["x", "scale.weight", "scale.bias"], "s", group=3)]
    arrays = {
        "scale.weight": number([1 / 127.5] * 3, (3, 1, 1, 1)),
        "scale.bias": number([-1] * 3),
    }
    add("depthwise", scaled, arrays, bytes_, OPEN)
    swapped = [node("Conv", ["x", "swap.weight", "swap.bias"], "s")]
    arrays = {
        "swap.weight": number(np.eye(3)[::-1], (3, 3, 1, 1)),
        "swap.bias": number([-v for v in reversed(CAFFE)]),
    }
    add("swaps", swapped, arrays, bytes_, OPEN[1:], scale=1 / 60)
    behind = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Cast", ["t"], "h", to=TensorProto.FLOAT),
        node("Split", ["h"], "red", axis=1),
        node("Concat", ["blue", "green", "red"], "turned", axis=1),
        node("Resize", ["turned", "", "", "size"], "small", mode="linear"),
        node("Pad", ["small", "border"], "padded"),
        node("Div", ["padded", "most"], "d"),
        node("Sub", ["d", "half"], "s"),
    ]
    behind[2].output[:] = ["red", "green", "blue"]
    arrays = {
        "size": np.array([1, 3, 32, 32], dtype=np.int64),
        "border": np.array([0, 0, 1, 1, 0, 0, 1, 1], dtype=np.int64),
        "most": number(255),
        "half": number(0.5),
    }
    last = (1, SIDE, SIDE, 3)
    add("behind_moves", behind, arrays, lambda i: bytes_(i).transpose(0, 2, 3, 1), OPEN, shape=last)
    scaler = [node("ImageScaler", ["x"], "s", scale=1 / 127.5, bias=[-1.0, -1.0, -1.0])]
    apart = [node("Mul", ["x", "factor"], "d"), node("Add", ["d", "shift"], "s")]
    arrays = {"factor": number(1 / 127.5), "shift": number(-1)}
    add("image_scaler", scaler, arrays, bytes_, OPEN, stands_for=apart)
    doubled = [node("Mul", ["x", "two"], "d"), node("Sub", ["d", "one"], "s")]
    add("doubles", doubled, {"two": number(2), "one": number(1)}, unit, OPEN)

    def whole(image):
        return cropped(image)[None]

    cast = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Cast", ["t"], "c0", to=TensorProto.FLOAT),
        node("Div", ["c0", "most"], "s"),
    ]
    uint8 = TensorProto.UINT8
    add("bytes", cast, {"most": number(255)}, whole, OPEN, shape=last, kind=uint8)
    dequantised = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("DequantizeLinear", ["t", "step", "zero"], "s"),
    ]
    arrays = {"step": number(1 / 128), "zero": np.array(128, dtype=np.uint8)}
    add("bytes_quantised", dequantised, arrays, whole, OPEN, shape=last, kind=uint8)

    def grey(image):
        return cropped(image.convert("L"))[None, None].astype(np.float32) / np.float32(255)

    add("grey", [], {}, grey, ["mean", "std", *OPEN[1:]], shape=(1, 1, SIDE, SIDE), channels=1)

    def ultralytics(image):
        return planes(cropped(image, SIDE)) / np.float32(255)

    names = {"names": "{0: 'cat', 1: 'coffee', 2: \"dog's\", 3: 'owl'}"}
    metadata = {"task": "classify", "imgsz": f"[{SIDE}, {SIDE}]", "stride": "1", **names}
    add("ultralytics", [], {}, ultralytics, [], metadata=metadata)
    metadata = {
        "Image.BitmapPixelFormat": "Bgr8",
        "Image.NominalPixelRange": "NominalRange_0_255",
    }
    add("custom_vision", [], {}, bgr, OPEN[1:], metadata=metadata, scale=1 / 60)

    def timm(image):
        pixels = planes(cropped(image, int(SIDE // 0.9), Mode.BICUBIC)) / np.float32(255)
        return (pixels - np.float32(0.5)) / np.float32(0.25)

    config = {
        "input_size": [3, SIDE, SIDE],
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    }
    metadata = {"pretrained_cfg": json.dumps(config)}
    add("timm", [], {}, timm, ["channels"], metadata=metadata)
    single = TensorProto.FLOAT
    turned = [node("Transpose", ["x"], "q", perm=[0, 3, 1, 2])]
    refused("rgba", turned, ("x", single, (1, SIDE, SIDE, 4)))
    both = [node("Add", ["image", "other"], "q")]
    shape = (1, 3, SIDE, SIDE)
    refused("two_pictures", both, ("image", single, shape), ("other", single, shape))
    scaled = [node("Mul", ["image", "strength"], "q")]
    refused("two_inputs", scaled, ("image", single, shape), ("strength", single, (1,)))
    versions = store.versions(["onnx", "onnxruntime", "pillow", "torchvision"])
    text = json.dumps({"versions": versions, "cases": files.cases}, indent=1) + "\n"
    store.replace(store.destination(CRATE, "preparing.json"), text.encode())


if __name__ == "__main__":
    main()
