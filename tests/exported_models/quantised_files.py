"""Files that ONNX Runtime quantised to operators on whole numbers, or dynamically.

dvm computes with the numbers that the weights represent and does not round in between. ONNX Runtime rounds every
activation, which hides mistakes; so it runs the float file with those weights instead.
"""

import logging

import numpy as np

from checks import check
from comparison import Exported, compare
from rewritten_files import original
from seeded_models import MEAN, STD, normalised, picture


def stood_for(whole, scale, zero, along):
    """The floats of whole numbers; several scales lie along an axis."""
    shape = np.ones(whole.ndim, int)
    if scale.size > 1:
        shape[along] = -1
    scale, zero = scale.reshape(shape), zero.astype(np.int64).reshape(shape if zero.size > 1 else shape * 0 + 1)
    return ((whole.astype(np.int64) - zero).astype(np.float32) * scale).astype(np.float32)


def with_weights_of(full, quantised, target):
    """The float file with the weights as the numbers that those of a quantised file stand for."""
    import onnx
    from onnx import numpy_helper

    model, other = onnx.load(full), onnx.load(quantised)
    arrays = {i.name: numpy_helper.to_array(i) for i in other.graph.initializer}
    for node in other.graph.node:
        # The scale of a bias is that of the products that it is added to.
        place = {"QLinearConv": 8, "QGemm": 6}.get(node.op_type, len(node.input))
        if place < len(node.input) and node.input[place]:
            bias = node.input[place].removesuffix("_quantized")
            arrays.setdefault(f"{bias}_scale", arrays[node.input[1]] * arrays[node.input[4]])
    for tensor in model.graph.initializer:
        own = tensor.name
        if f"{own}_Transposed_quantized" in arrays:
            own += "_Transposed"
        whole = arrays.get(f"{own}_quantized")
        if whole is None:
            continue
        # The outputs of products are their last axis, those of other layers the first.
        along = -1 if "MatMul" in own or own.endswith("_Transposed") else 0
        values = stood_for(whole, arrays[f"{own}_scale"], arrays.get(f"{own}_zero_point", np.int8(0)), along)
        values = values.T if own.endswith("_Transposed") else values
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    onnx.save(model, target)
    return target


def add(name, way, by_default):
    @check(f"quantised/{way}/{name}", by_default=by_default)
    def run(around):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Calibration(CalibrationDataReader):
            def __init__(self):
                pixels = (picture(f"calibration {n}", 224, 224) for n in range(4))
                self.rows = iter([{"input": normalised(p, MEAN, STD)} for p in pixels])

            def get_next(self):
                return next(self.rows, None)

        logging.getLogger().setLevel(logging.ERROR)
        full = original(around, name)
        path = around.folder / "quantised.onnx"
        floats = full.path
        if way == "dynamic":
            quantize_dynamic(str(floats), str(path))
        else:
            floats = around.folder / "prepared.onnx"
            quant_pre_process(str(full.path), str(floats), skip_symbolic_shape=True)
            quantize_static(str(floats), str(path), Calibration(), quant_format=QuantFormat.QOperator)
        runtime_path = with_weights_of(floats, path, around.folder / "floats.onnx")
        return compare(Exported(path, runtime_path=runtime_path), around.program)


add("squeezenet1_1", "dynamic", True)
add("mobilenet_v3_small", "dynamic", False)
add("vit_b_16", "dynamic", False)
add("squeezenet1_1", "operators", True)
add("resnet18", "operators", False)
