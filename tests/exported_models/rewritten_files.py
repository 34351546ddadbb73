"""Files that other tools rewrote: half precision, external data, quantised, optimised."""

import numpy as np

from checks import Skipped, check
from comparison import Exported, compare
from seeded_models import normalised, picture, MEAN, STD
from torchvision_networks import exported_network

HALF = 2e-2  # f16 has 11 bits, and ONNX Runtime computes with them


def original(around, name, **how):
    """An exported network of torchvision, and its answer."""
    exported, _ = exported_network(around, name, **({"dynamo": False, "opset": 17} | how))
    return exported


def add_half(name, by_default, keep_io_types):
    kept = "f32-input" if keep_io_types else "f16-input"

    @check(f"rewritten/half/{name}/{kept}", by_default=by_default)
    def run(around):
        import onnx
        from onnxconverter_common import float16

        full = original(around, name)
        half = float16.convert_float_to_float16(onnx.load(full.path), keep_io_types=keep_io_types)
        path = around.folder / "half.onnx"
        onnx.save(half, path)
        input_type = np.float32 if keep_io_types else np.float16
        exported = Exported(path, original=full.original, within=HALF, input_type=input_type)
        return compare(exported, around.program)


for name in ("squeezenet1_1", "resnet18", "mobilenet_v3_small"):
    for keep in (True, False):
        add_half(name, name != "resnet18", keep)


@check("rewritten/half/exported-by-torch", by_default=True)
def half_by_torch(around):
    import torch

    from comparison import by_torch
    from seeded_models import torchvision_model

    model = torchvision_model("squeezenet1_1")
    answer = by_torch(model)
    path = around.folder / "half.onnx"
    half = torchvision_model("squeezenet1_1").half()
    torch.onnx.export(half, (torch.randn(1, 3, 224, 224).half(),), str(path), dynamo=False, opset_version=17)
    exported = Exported(path, original=answer, within=HALF, input_type=np.float16)
    return compare(exported, around.program)


@check("rewritten/external-data/one-file", by_default=True)
def external_one_file(around):
    return external(around, all_tensors_to_one_file=True, location="weights.bin")


@check("rewritten/external-data/a-file-per-tensor", by_default=True)
def external_many_files(around):
    return external(around, all_tensors_to_one_file=False)


def external(around, **how):
    import onnx

    full = original(around, "squeezenet1_1")
    path = around.folder / "external" / "network.onnx"
    path.parent.mkdir()
    onnx.save(onnx.load(full.path), path, save_as_external_data=True, size_threshold=64, **how)
    if len(list(path.parent.iterdir())) < 2:
        raise Skipped("onnx wrote no external data")
    return compare(Exported(path, original=full.original), around.program)


@check("rewritten/external-data/by-dynamo", by_default=True)
def external_by_dynamo(around):
    import torch

    from comparison import by_torch
    from seeded_models import torchvision_model

    model = torchvision_model("squeezenet1_1")
    path = around.folder / "network.onnx"
    torch.onnx.export(model, (torch.randn(1, 3, 224, 224),), str(path), dynamo=True, external_data=True)
    return compare(Exported(path, original=by_torch(model)), around.program)


def add_quantised(name, by_default, title, **how):
    @check(f"rewritten/quantised/{name}/{title}", by_default=by_default)
    def run(around):
        import logging

        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Calibration(CalibrationDataReader):
            def __init__(self):
                pixels = (picture(f"calibration {n}", 224, 224) for n in range(4))
                self.rows = iter([{"input": normalised(p, MEAN, STD)} for p in pixels])

            def get_next(self):
                return next(self.rows, None)

        logging.getLogger().setLevel(logging.ERROR)
        full = original(around, name)
        prepared = around.folder / "prepared.onnx"
        quant_pre_process(str(full.path), str(prepared), skip_symbolic_shape=True)
        path = around.folder / "quantised.onnx"
        quantize_static(str(prepared), str(path), Calibration(), quant_format=QuantFormat.QDQ, **how)
        return compare(Exported(path, runtime_path=unrounded(path)), around.program)


def unrounded(path):
    """The same file with the weights as the numbers that they stand for, and feature maps not rounded.

    That is what dvm promises of a quantised network: ONNX Runtime, which rounds each feature map to 8 bits,
    is too far away to show a mistake. But quantisers leave out a ReLU or a ReLU6 where 8 bits cut off the same:
    where they begin at 0, a ReLU is put back, and where they end at 6 as well, a ReLU6.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    numbers = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    rounded = {q.output[0]: q for q in graph.node if q.op_type == "QuantizeLinear"}
    nodes = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded:
            values, scale, zero = rounded[node.input[0]].input
            kind = np.iinfo(numbers[zero].dtype)
            highest = (kind.max - kind.min) * float(numbers[scale])
            if numbers[zero] != kind.min:
                node = helper.make_node("Identity", [values], [node.output[0]])
            elif abs(highest - 6) < 6e-3:
                ends = [f"{node.output[0]}_{end}" for end in ("low", "high")]
                for name, number in zip(ends, (0, 6)):
                    graph.initializer.append(numpy_helper.from_array(np.float32(number), name))
                node = helper.make_node("Clip", [values, *ends], [node.output[0]])
            else:
                node = helper.make_node("Relu", [values], [node.output[0]])
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    target = path.with_name("unrounded.onnx")
    onnx.save(model, target)
    return target


add_quantised("squeezenet1_1", True, "per-tensor")
add_quantised("squeezenet1_1", False, "per-channel", per_channel=True)
add_quantised("resnet18", True, "per-channel", per_channel=True)
add_quantised("mobilenet_v2", False, "per-channel", per_channel=True)


def add_optimised(name, level, by_default):
    @check(f"rewritten/optimised-by-onnxruntime/{name}/{level}", by_default=by_default)
    def run(around):
        import onnxruntime

        full = original(around, name)
        path = around.folder / "optimised.onnx"
        options = onnxruntime.SessionOptions()
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level.upper()}")
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(str(full.path), options, providers=["CPUExecutionProvider"])
        return compare(Exported(path, original=full.original), around.program)


add_optimised("squeezenet1_1", "basic", True)
add_optimised("resnet18", "basic", True)
add_optimised("mobilenet_v3_small", "basic", True)
add_optimised("swin_t", "basic", False)
add_optimised("squeezenet1_1", "extended", True)
add_optimised("mobilenet_v3_small", "extended", True)
add_optimised("resnet18", "extended", False)
add_optimised("vit_b_16", "extended", False)
add_optimised("swin_t", "extended", False)


def add_simplified(name, by_default):
    @check(f"rewritten/simplified/{name}", by_default=by_default)
    def run(around):
        import onnx

        try:
            import onnxsim
        except ImportError:
            raise Skipped("onnxsim is not installed") from None
        full = original(around, name, dynamic="batch")
        simpler, good = onnxsim.simplify(onnx.load(full.path))
        path = around.folder / "simplified.onnx"
        onnx.save(simpler, path)
        return compare(Exported(path, original=full.original), around.program)


add_simplified("shufflenet_v2_x0_5", True)
add_simplified("swin_t", False)


def add_converted(name, version, by_default):
    @check(f"rewritten/version-{version}/{name}", by_default=by_default)
    def run(around):
        import onnx
        from onnx import version_converter

        full = original(around, name, opset=17)
        path = around.folder / "converted.onnx"
        onnx.save(version_converter.convert_version(onnx.load(full.path), version), path)
        return compare(Exported(path, original=full.original), around.program)


add_converted("squeezenet1_1", 21, True)
