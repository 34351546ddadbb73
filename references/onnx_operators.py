"""Small ONNX files with one activation or operator each, as exporters write it, and their outputs.

`activations`: one activation between a convolution and a linear layer, with its kind of node, the
logits by ONNX Runtime, and by PyTorch in f64 the gradient of logit 1 with respect to the picture: true, guided
(max(g, 0) · f'(x)) and deconvnet (max(g, 0)) if the activation is a rectifier.
`others`: other operators with the logits by ONNX Runtime, or by PyTorch if the runtime does not support the opset.
"""

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

import store

PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "safetensors")
SIZE = (12, 10)
CHANNELS = 8


def rng(name):
    return np.random.default_rng(abs(hash_of(name)))


def hash_of(text):
    return int.from_bytes(text.encode()[:8].ljust(8, b"."), "little") % (1 << 32)


def node(op, inputs, output, **attributes):
    outputs = output if isinstance(output, list) else [output]
    domain = attributes.pop("domain", "")
    return helper.make_node(op, inputs.split(), outputs, name=f"{outputs[0]}_node", domain=domain, **attributes)


def numbers(**named):
    """Initializers; whole numbers are 64 bits."""
    arrays = {name: np.asarray(value) for name, value in named.items()}
    kinds = {"f": np.float32, "i": np.int64}
    return {name: array.astype(kinds[array.dtype.kind]) for name, array in arrays.items()}


class Files:
    def __init__(self, folder):
        self.folder = folder
        self.tensors, self.kinds = {}, {}

    def save(self, name, nodes, constants, opset, batch="N", output=4):
        """A file whose picture is `x` and whose logits are `y`; checked by ONNX itself."""
        graph = helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, *SIZE])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, output])],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        model.producer_name = "onnx_operators.py"
        path = store.destination("dvm-onnx", f"{self.folder}/{name}.onnx")
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        return model

    def run(self, name, model, pictures):
        """The logits by ONNX Runtime, as the file says them."""
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": pictures})[0]

    def write(self, name, nodes, constants=None, opset=18, batch="N"):
        """Nodes from `x` to `c`, followed by a mean and a linear layer."""
        generator = rng(name)
        weights = numbers(w=generator.uniform(-1, 1, (4, CHANNELS)), b=generator.uniform(-1, 1, 4))
        end = [
            node("GlobalAveragePool", "end", "pooled"), node("Flatten", "pooled", "row"),
            node("Gemm", "row w b", "y", transB=1),
        ]  # fmt: skip
        constants = {**convolution(name), **(constants or {}), **weights}
        if opset < 7:
            end[-1].attribute.append(helper.make_attribute("broadcast", 1))
        nodes = [node("Conv", "x k kb", "c", pads=[1, 1, 1, 1]), *nodes, *end]
        return self.save(name, nodes, constants, opset, batch), constants

    def add(self, name, nodes, constants=None, opset=17, batch="N", expected=None):
        """A file with its logits: those that `expected` makes of `c`, or the runtime's."""
        model, constants = self.write(name, nodes, constants, opset, batch)
        pictures = picture(name, 2 if batch == "N" else batch)
        self.tensors[f"{name}.input"] = pictures
        if expected is None:
            self.tensors[f"{name}.logits"] = self.run(name, model, pictures)
            return
        x = torch.from_numpy(pictures).double()
        c = F.conv2d(x, wide(constants["k"]), wide(constants["kb"]), padding=1)
        y = expected(c).mean((2, 3)) @ wide(constants["w"]).T + wide(constants["b"])
        self.tensors[f"{name}.logits"] = y.numpy().astype(np.float32)


def wide(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def convolution(name):
    generator = rng(name + " kernel")
    return numbers(k=generator.uniform(-1, 1, (CHANNELS, 3, 3, 3)), kb=generator.uniform(-1, 1, CHANNELS))


def picture(name, count):
    return rng(name + " picture").uniform(-2, 2, (count, 3, *SIZE)).astype(np.float32)


class Ruled(torch.autograd.Function):
    """An activation with the gradient of a rule."""

    @staticmethod
    def forward(context, x, function, rule):
        context.save_for_backward(x)
        context.function, context.rule = function, rule
        return function(x)

    @staticmethod
    def backward(context, grad):
        (x,) = context.saved_tensors
        if context.rule == "deconvnet":
            return grad.clamp(min=0), None, None
        passed = grad.clamp(min=0) if context.rule == "guided" else grad
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(context.function(x), x, passed)
        return gradient, None, None


GATES = {"sigmoid", "hardsigmoid", "hardsigmoid_of", "tanh", "softsign", "shrink"}


def activation(files, name, kind, function, nodes, constants=None, opset=17):
    """One activation of `kind`, `function` to PyTorch, written as `nodes` from `c` to `end`."""
    files.add(name, nodes, constants, opset)
    files.kinds[name] = kind
    generator = rng(name)
    w, b = (wide(generator.uniform(-1, 1, shape).astype(np.float32)) for shape in ((4, CHANNELS), (4,)))
    kernel = {key: wide(value) for key, value in convolution(name).items()}
    for rule in ("gradient", "guided", "deconvnet"):
        x = torch.from_numpy(files.tensors[f"{name}.input"]).double().requires_grad_()
        c = F.conv2d(x, kernel["k"], kernel["kb"], padding=1)
        own = "gradient" if kind in GATES else rule
        y = Ruled.apply(c, function, own).mean((2, 3)) @ w.T + b
        off = np.abs(y.detach().numpy() - files.tensors[f"{name}.logits"]).max()
        assert off < 1e-4, (name, off)
        (gradient,) = torch.autograd.grad(y[:, 1].sum(), x)
        files.tensors[f"{name}.{rule}"] = gradient.numpy().astype(np.float32)


def activations(files):
    n = node
    zero, one, six, three = (numbers(**{name: value}) for name, value in
                             (("zero", 0.0), ("one", 1.0), ("six", 6.0), ("three", 3.0)))  # fmt: skip
    slopes = np.linspace(-0.4, 0.7, CHANNELS).astype(np.float32).reshape(-1, 1, 1)
    torch_slopes = wide(slopes)
    prelu = lambda x: torch.where(x > 0, x, torch_slopes * x)  # noqa: E731
    half = lambda x: torch.where(x > 0, x, 0.25 * x)  # noqa: E731
    add = lambda *given, **more: activation(files, *given, **more)  # noqa: E731

    add("relu_as_max", "relu", F.relu, [n("Max", "c zero", "end")], zero)
    add("relu_as_clip", "relu", F.relu, [n("Clip", "c zero", "end")], zero)
    add("relu6_as_min_of_relu", "relu6", F.relu6, [n("Relu", "c", "r"), n("Min", "r six", "end")], six)
    add("relu6_as_min_and_max", "relu6", F.relu6, [n("Max", "c zero", "r"), n("Min", "r six", "end")], {**zero, **six})
    bound = numbers(high=1.5)
    clipped = lambda x: x.clamp(0, 1.5)  # noqa: E731
    add("clipped_relu_as_clip", "clipped_relu", clipped, [n("Clip", "c zero high", "end")], {**zero, **bound})
    add("clipped_relu_as_min", "clipped_relu", clipped, [n("Relu", "c", "r"), n("Min", "r high", "end")], bound)
    # The bound lies beyond most values that an activation ever sees.
    far = numbers(high=100.0, large=30.0)
    add("clipped_relu_far_out", "clipped_relu", lambda x: x.clamp(0, 100.0),
        [n("Relu", "c", "r"), n("Min", "r high", "end")], far)  # fmt: skip

    add("hardswish_as_clip", "hardswish", F.hardswish,
        [n("Add", "c three", "s"), n("Clip", "s zero six", "k6"), n("Mul", "c k6", "m"), n("Div", "m six", "end")],
        {**three, **zero, **six})  # fmt: skip
    add("hardswish_as_hardsigmoid", "hardswish", F.hardswish,
        [n("HardSigmoid", "c", "s", alpha=1 / 6, beta=0.5), n("Mul", "s c", "end")])  # fmt: skip
    keras = lambda x: (0.2 * x + 0.5).clamp(0, 1)  # noqa: E731
    add("hardsigmoid_of_keras", "hardsigmoid_of", keras,
        [n("Mul", "c fifth", "m"), n("Add", "m half", "s"), n("Clip", "s zero one", "end")],
        {**numbers(fifth=0.2, half=0.5), **zero, **one})  # fmt: skip
    add("hardsigmoid_of", "hardsigmoid_of", keras, [n("HardSigmoid", "c", "end")])

    add("silu_as_sigmoid", "silu", F.silu, [n("Sigmoid", "c", "s"), n("Mul", "c s", "end")])
    add("silu_as_exponential", "silu", F.silu,
        [n("Neg", "c", "m"), n("Exp", "m", "e"), n("Add", "e one", "s"), n("Div", "c s", "end")], one)  # fmt: skip
    quick = lambda x: x * torch.sigmoid(1.702 * x)  # noqa: E731
    factor = numbers(factor=1.702)
    add("quick_gelu", "swish", quick, [n("Mul", "c factor", "m"), n("Sigmoid", "m", "s"), n("Mul", "c s", "end")], factor)

    root = numbers(root=2**0.5, half=0.5)
    erf = [n("Div", "c root", "d"), n("Erf", "d", "e"), n("Add", "e one", "g")]
    add("gelu_product_last", "gelu", F.gelu, [*erf, n("Mul", "c g", "m"), n("Mul", "m half", "end")], {**root, **one})
    add("gelu_half_first", "gelu", F.gelu, [n("Mul", "c half", "h"), *erf, n("Mul", "h g", "end")], {**root, **one})
    tanh = numbers(cube=3.0, factor=0.044715, root=(2 / np.pi) ** 0.5, half=0.5)
    approximate = lambda x: F.gelu(x, approximate="tanh")  # noqa: E731
    add("gelu_tanh_as_power", "gelu_tanh", approximate,
        [n("Pow", "c cube", "p"), n("Mul", "p factor", "m"), n("Add", "c m", "s"), n("Mul", "s root", "r"),
         n("Tanh", "r", "t"), n("Add", "t one", "g"), n("Mul", "c g", "q"), n("Mul", "q half", "end")],
        {**tanh, **one})  # fmt: skip
    add("mish_as_tanh", "mish", F.mish, [n("Softplus", "c", "s"), n("Tanh", "s", "t"), n("Mul", "c t", "end")])
    add("softplus_as_logarithm", "softplus", F.softplus,
        [n("Exp", "c", "e"), n("Add", "e one", "s"), n("Log", "s", "end")], one)  # fmt: skip
    sign = lambda x: F.softsign(x)  # noqa: E731
    add("softsign", "softsign", sign, [n("Softsign", "c", "end")])
    add("softsign_as_quotient", "softsign", sign,
        [n("Abs", "c", "a"), n("Add", "a one", "s"), n("Div", "c s", "end")], one)  # fmt: skip

    add("selu", "selu", F.selu, [n("Selu", "c", "end")])
    add("celu", "celu", lambda x: F.celu(x, 1.5), [n("Celu", "c", "end", alpha=1.5)])
    add("celu_as_exponential", "celu", lambda x: F.celu(x, 1.5),
        [n("Relu", "c", "r"), n("Div", "c alpha", "d"), n("Exp", "d", "e"), n("Sub", "e one", "s"),
         n("Mul", "s alpha", "m"), n("Min", "m zero", "l"), n("Add", "r l", "end")],
        {**numbers(alpha=1.5), **zero, **one})  # fmt: skip
    add("elu", "elu", lambda x: F.elu(x, 0.7), [n("Elu", "c", "end", alpha=0.7)])
    add("elu_as_exponential", "elu", lambda x: F.elu(x, 0.7),
        [n("Relu", "c", "r"), n("Min", "c zero", "l"), n("Exp", "l", "e"), n("Sub", "e one", "s"),
         n("Mul", "s alpha", "m"), n("Add", "m r", "end")],
        {**numbers(alpha=0.7), **zero, **one})  # fmt: skip

    add("squared_relu_as_product", "squared_relu", lambda x: F.relu(x) ** 2, [n("Relu", "c", "r"), n("Mul", "r r", "end")])
    add("squared_relu_as_power", "squared_relu", lambda x: F.relu(x) ** 2,
        [n("Relu", "c", "r"), n("Pow", "r two", "end")], numbers(two=2.0))  # fmt: skip
    add("thresholded_relu", "thresholded_relu", lambda x: F.threshold(x, 0.7, 0.0),
        [n("ThresholdedRelu", "c", "end", alpha=0.7)])  # fmt: skip
    add("hard_shrink", "shrink", lambda x: F.hardshrink(x, 0.6), [n("Shrink", "c", "end", lambd=0.6, bias=0.0)])
    soft = lambda x: F.softshrink(x, 0.6)  # noqa: E731
    add("soft_shrink", "shrink", soft, [n("Shrink", "c", "end", lambd=0.6, bias=0.6)])
    add("soft_shrink_as_relus", "shrink", soft,
        [n("Sub", "c lambda", "u"), n("Relu", "u", "r"), n("Neg", "c", "m"), n("Sub", "m lambda", "v"),
         n("Relu", "v", "l"), n("Sub", "r l", "end")], numbers(**{"lambda": 0.6}))  # fmt: skip

    add("leaky_relu_as_max", "leaky_relu", half, [n("Mul", "c a", "m"), n("Max", "c m", "end")], numbers(a=0.25))
    add("leaky_relu_of_absolutes", "leaky_relu", half,
        [n("Abs", "c", "s"), n("Mul", "s a", "m"), n("Mul", "c b2", "q"), n("Add", "m q", "end")],
        numbers(a=0.375, b2=0.625))  # fmt: skip
    add("leaky_relu_of_relus", "leaky_relu", half,
        [n("Relu", "c", "r"), n("Neg", "c", "m"), n("Relu", "m", "l"), n("Mul", "l a", "s"), n("Sub", "r s", "end")],
        numbers(a=0.25))  # fmt: skip

    weight = {"act.weight": slopes}
    add("prelu", "prelu", prelu, [n("PRelu", "c act.weight", "end")], weight)
    add("prelu_of_one_slope", "prelu", half, [n("PRelu", "c act.weight", "end")], {"act.weight": np.float32([0.25])})
    mirrored = [n("Relu", "c", "r"), n("Neg", "c", "m"), n("Relu", "m", "l")]
    add("prelu_of_keras", "prelu", prelu, [*mirrored, n("Mul", "l model/p_re_lu/Neg:0", "s"), n("Add", "r s", "end")],
        {"model/p_re_lu/Neg:0": -slopes[None]})  # fmt: skip
    add("prelu_as_difference", "prelu", prelu, [*mirrored, n("Mul", "l act.weight", "s"), n("Sub", "r s", "end")], weight)
    add("prelu_of_negated_slopes", "prelu", prelu,
        [*mirrored, n("Neg", "act.weight", "w2"), n("Mul", "w2 l", "s"), n("Add", "s r", "end")], weight)  # fmt: skip
    add("prelu_as_max_and_min", "prelu", prelu,
        [n("Max", "c zero", "r"), n("Min", "c zero", "l"), n("Mul", "l act.weight", "s"), n("Add", "r s", "end")],
        {**weight, **zero})  # fmt: skip
    add("prelu_of_absolutes", "prelu", prelu,
        [n("Relu", "c", "r"), n("Abs", "c", "q"), n("Sub", "c q", "d"), n("Mul", "d act.weight", "m"),
         n("Mul", "m half", "s"), n("Add", "r s", "end")], {**weight, **numbers(half=0.5)})  # fmt: skip
    add("prelu_of_equal_slopes", "prelu", half, [*mirrored, n("Mul", "l act.weight", "s"), n("Sub", "r s", "end")],
        {"act.weight": np.full((CHANNELS, 1, 1), 0.25, np.float32)})  # fmt: skip


def others(files):
    n = node
    everything = numbers(last=[-(1 << 63) + 1], step=[-1], start=[-1], axis=[3])
    for name, ends in (("int64", (1 << 63) - 1), ("int32", (1 << 31) - 1), ("billion", 10**9), ("ten_thousand", 10**4)):
        constants = numbers(s=[0, 10**9], e=[ends, -(10**9)], a=[0, 1], t=[1, -1])
        files.add(f"slice_to_{name}", [n("Slice", "c s e a t", "end")], constants)
    files.add("slice_of_one_picture", [n("Slice", "c s e a", "end")], numbers(s=[0, 1], e=[1, 7], a=[0, 2]), batch=1)
    flip = [n("Slice", "c start last axis step", "m"), n("Conv", "m k2", "d"), n("Conv", "c k2", "g")]
    second = numbers(k2=rng("flip").uniform(-1, 1, (CHANNELS, CHANNELS, 2, 3)))
    files.add("flipped_columns", [*flip, n("Add", "d g", "end")], {**everything, **second})
    files.add("flipped_rows", [n("Slice", "c start last axis step", "m"), n("Conv", "m k2", "end")],
              {**everything, **second, **numbers(axis=[2])})  # fmt: skip

    for size, op in ((5, "MaxPool"), (40, "AveragePool"), (40, "MaxPool")):
        for ceil in (0, 1):
            if size > 12 and not ceil:
                continue
            files.add(f"{op.lower()}_{size}_{ceil}",
                      [n(op, "c", "end", kernel_shape=[size, size], strides=[size, size], ceil_mode=ceil)])  # fmt: skip
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        files.add(f"averagepool_{pad.lower()}",
                  [n("AveragePool", "c", "end", kernel_shape=[3, 4], strides=[2, 3], auto_pad=pad)])  # fmt: skip
    files.add("averagepool_counting", [n("AveragePool", "c", "end", kernel_shape=[3, 3], strides=[2, 2],
                                         pads=[1, 0, 1, 1], count_include_pad=1)])  # fmt: skip

    for size in (1, 3, 5, 15):
        files.add(f"lrn_{size}", [n("LRN", "c", "end", size=size, alpha=0.4, beta=0.75, bias=1.5)])

    def bare(c):
        return c

    for opset in (1, 6):
        files.add(f"dropout_mask_{opset}", [n("Dropout", "c", ["end", "mask"], is_test=1, ratio=0.5)], opset=opset,
                  expected=bare)  # fmt: skip
    for opset in (7, 10):
        files.add(f"dropout_mask_{opset}", [n("Dropout", "c", ["end", "mask"], ratio=0.5)], opset=opset)
    files.add("dropout_mask_13", [n("Dropout", "c ratio", ["end", "mask"])], numbers(ratio=0.5), opset=13)

    shift = numbers(shift=np.linspace(-1, 1, CHANNELS), rows=np.linspace(-1, 1, SIZE[0]))
    channels, rows = (wide(shift["shift"])[:, None, None], wide(shift["rows"])[:, None])
    files.add("add_from_an_axis_on", [n("Add", "c shift", "s", broadcast=1, axis=1),
                                      n("Mul", "s rows", "end", broadcast=1, axis=2)], shift, opset=6,
              expected=lambda c: (c + channels) * rows)  # fmt: skip
    files.add("slopes_of_opset_6", [n("PRelu", "c shift", "end")], shift, opset=6,
              expected=lambda c: torch.where(c > 0, c, channels * c))  # fmt: skip
    files.add("reshape_by_attribute", [n("Reshape", "c", "r", shape=[0, 4, 24, 10]), n("MaxPool", "r", "q", kernel_shape=[3, 1]),
                                       n("Reshape", "q", "end", shape=[0, 8, -1, 10])], opset=1,
              expected=lambda c: F.max_pool2d(c.reshape(-1, 4, 24, 10), (3, 1), 1).reshape(c.shape[0], 8, -1, 10))  # fmt: skip
    norm = numbers(scale=np.linspace(0.5, 2, CHANNELS), shift=np.linspace(-1, 1, CHANNELS),
                   mean=np.linspace(-1, 0.5, CHANNELS), variance=np.linspace(0.5, 3, CHANNELS))  # fmt: skip
    files.add("batch_norm_7_outputs", [n("BatchNormalization", "c scale shift mean variance",
                                         ["end", "m", "v", "sm", "sv"], is_test=1, consumed_inputs=[0, 0, 0, 1, 1])],
              norm, opset=6,
              expected=lambda c: F.batch_norm(c, *(wide(norm[k]) for k in ("mean", "variance", "scale", "shift")), eps=1e-5))  # fmt: skip
    files.add("upsample_1", [n("Upsample", "c", "end", height_scale=2.0, width_scale=3.0, mode="nearest")], opset=1,
              expected=lambda c: F.interpolate(c, scale_factor=(2, 3)))  # fmt: skip
    files.add("upsample_7", [n("Upsample", "c", "u", scales=[1.0, 1.0, 2.0, 2.0]), n("MaxPool", "u", "end", kernel_shape=[3, 3])],
              opset=7)  # fmt: skip
    files.add("upsample_9", [n("Upsample", "c s", "u", mode="linear"), n("MaxPool", "u", "end", kernel_shape=[3, 3])],
              numbers(s=[1.0, 1.0, 2.0, 1.5]), opset=9)  # fmt: skip
    files.add("cast_by_name", [n("Cast", "c", "end", to="FLOAT")], opset=5, expected=bare)

    for mode in ("linear", "cubic"):
        for outside in (0, 1):
            for name, rows, columns in (("smaller", 5, 3), ("larger", 17, 23)):
                files.add(f"antialiased_{mode}_{name}_{outside}",
                          [helper.make_node("Resize", ["c", "", "", "s"], ["u"], mode=mode, antialias=1,
                                            exclude_outside=outside, cubic_coeff_a=-0.5, name="resize"),
                           n("MaxPool", "u", "end", kernel_shape=[2, 2])],
                          numbers(s=[2, CHANNELS, rows, columns]), opset=18, batch=2)  # fmt: skip


def networks(files):
    """Networks of PyTorch, by its exporter and its own numbers: test-time augmentation inside of the graph, and
    what the exporter takes apart."""
    for name, (network, batch) in NETWORKS.items():
        torch.manual_seed(hash_of(name))
        module = network().eval()
        pictures = picture(name, batch)
        path = store.destination("dvm-onnx", f"{files.folder}/{name}.onnx")
        path.parent.mkdir(parents=True, exist_ok=True)
        is_open = name.endswith("open")
        torch.onnx.export(
            module, (torch.from_numpy(pictures),), path, opset_version=17, dynamo=False, input_names=["x"],
            output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}} if is_open else None,
        )  # fmt: skip
        files.tensors[f"{name}.input"] = pictures
        with torch.no_grad():
            files.tensors[f"{name}.logits"] = module(torch.from_numpy(pictures)).numpy()


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 3, 2)
        self.norm = torch.nn.BatchNorm2d(6)
        self.act = torch.nn.PReLU(6)
        self.next = torch.nn.Conv2d(6, 6, 2)
        self.fc = torch.nn.Linear(6, 4)

    def network(self, x):
        x = self.act(self.norm(self.conv(x)))
        return self.fc(torch.relu(self.next(x)).mean((2, 3)))


class Chunked(Small):
    def forward(self, x):
        a, b = self.network(torch.cat([x, x.flip(3)])).chunk(2)
        return (a + b) / 2


class Viewed(Small):
    def forward(self, x):
        versions = torch.cat([x, x.flip(3), x.flip(2), x.flip(2, 3)])
        return self.network(versions).view(4, x.shape[0], -1).mean(0)


class Averaged(Small):
    def forward(self, x):
        return self.network(torch.cat([x, x.flip(3), x.flip(2)])).mean(0, keepdim=True)


class Added(Small):
    def forward(self, x):
        return torch.stack([self.network(x), self.network(x.flip(3)), self.network(x.flip(2))]).mean(0)


class Normalised(Small):
    def forward(self, x):
        return self.network(torch.nn.LocalResponseNorm(2, alpha=0.5, k=1.5)(x) + torch.nn.LocalResponseNorm(5)(x))


NETWORKS = {
    "normalised": (Normalised, 1), "normalised_open": (Normalised, 2),
    "chunked": (Chunked, 1), "chunked_open": (Chunked, 2), "viewed": (Viewed, 1), "viewed_open": (Viewed, 2),
    "averaged": (Averaged, 1), "added": (Added, 1), "added_open": (Added, 2),
}  # fmt: skip


def refused(files):
    """Files that cannot be read."""
    n = node
    files.write("several", [n("Unheard", "c", "u"), n("MaxPool", "u", "m", kernel_shape=[2, 2], dilations=[2, 2]),
                            n("Conv", "m k2", "d"), n("Relu", "d", "e"),
                            helper.make_node("Resize", ["e", "", "", "s"], ["r"], name="r_node",
                                             keep_aspect_ratio_policy="not_larger"),
                            n("Bernoulli", "r", "q"), n("Cast", "q", "end", to=1)],
                {**numbers(s=[1, CHANNELS, 5, 5]), **numbers(k2=np.ones((CHANNELS, CHANNELS, 1, 1)))})  # fmt: skip
    files.write("mask", [n("Dropout", "c", ["d", "mask"]), n("Cast", "mask", "f", to=1), n("Mul", "d f", "end")])


def main():
    torch.set_num_threads(1)
    refused(Files("operators/refused"))
    for folder, fill in (("activations", activations), ("others", others), ("networks", networks)):
        files = Files(f"operators/{folder}")
        fill(files)
        store.save_tensors(store.destination("dvm-onnx", f"operators/{folder}.safetensors"), files.tensors,
                           "onnx_operators.py", PACKAGES)  # fmt: skip
        if files.kinds:
            store.save_json(store.destination("dvm-onnx", f"operators/{folder}.json"), files.kinds)


if __name__ == "__main__":
    main()
