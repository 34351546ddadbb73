"""Small ONNX files that other tools rewrote, and constructs of current exporters, with their outputs:
`crates/dvm-onnx/tests/references/rewritten/`.

ONNX Runtime fuses, optimises and quantises networks that PyTorch exported; forms that only older files have are made
node by node. Expected are the logits for two pictures, by PyTorch in f64; for
quantised files by ONNX Runtime, which runs the float file with the weights that the quantised ones represent.
"""

import logging
import pathlib
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

import store

PACKAGES = ("torch", "onnx", "onnxruntime", "numpy")
CRATE = "dvm-onnx"
SIZE = (16, 16)


class Cnn(nn.Module):
    """What ONNX Runtime fuses with a convolution or a layer, and what it quantises besides."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, padding=1)
        self.b = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.c = nn.Conv2d(6, 8, 1)
        self.d = nn.Conv2d(8, 8, 3, padding=1)
        self.e = nn.Conv2d(8, 4, 1)
        self.f = nn.Conv2d(4, 8, 1)
        self.g = nn.Linear(16, 10)
        self.h = nn.Linear(10, 5)

    def forward(self, x):
        x = F.leaky_relu(self.a(x), 0.1)
        x = F.pad(x, (1, 0, 0, 1))
        x = F.max_pool2d(x, 2)
        x = F.relu6(self.b(x))
        x = F.silu(self.c(x))
        y = F.relu(self.d(x) + x)
        gate = F.adaptive_avg_pool2d(y, 1)
        y = y * F.hardsigmoid(self.f(F.relu(self.e(gate)))) + x
        y = torch.cat([F.avg_pool2d(y, 2), F.max_pool2d(x, 2)], 1)
        y = F.interpolate(y, scale_factor=2, mode="nearest")
        return self.h(F.relu(self.g(y.mean((2, 3)))))


class Block(nn.Module):
    def __init__(self, width, heads, activation):
        super().__init__()
        self.heads, self.activation = heads, activation
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)

    def forward(self, x):
        n, t, d = x.shape
        y = self.norm1(x)
        q, k, v = (
            layer(y).view(n, t, self.heads, d // self.heads).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        a = torch.softmax(q @ k.transpose(-1, -2) / (d // self.heads) ** 0.5, -1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.down(self.activation(self.up(self.norm2(x))))


class Vit(nn.Module):
    """A class token, places, a block."""

    def __init__(self, activation=F.gelu):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.places = nn.Parameter(torch.randn(1, 17, 8))
        self.block = Block(8, 2, activation)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.block(x))[:, 0])


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class Cosine(nn.Module):
    """Windows whose queries and keys are brought to length 1, as Swin v2 has them: `normalize` spreads the lengths."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, stride=2)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        y = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(y).reshape(-1, 16, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(5 * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1), -1)
        y = (a @ v).transpose(1, 2).reshape(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return self.head((x + y).mean((1, 2)))


class Folding(nn.Module):
    """Blocks of a map taken out and put back: side by side, and over each other."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.mix = nn.Linear(16, 16)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        y = F.unfold(x, 2, stride=2)
        x = x + F.fold(self.mix(y.transpose(1, 2)).transpose(1, 2), (16, 16), 2, stride=2)
        y = F.unfold(x, (3, 2), padding=(1, 1), stride=(2, 1))
        y = F.fold(torch.tanh(y) * 0.5, (16, 16), (3, 2), padding=(1, 1), stride=(2, 1))
        return self.head((x * y).mean((2, 3)))


class Repeating(nn.Module):
    """A token said once for every other, as SwiftFormer has it; and a pattern of several, again and again."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 2, stride=2)
        self.mix = nn.Linear(12, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        n, t, _ = x.shape
        whole = (x * torch.softmax(x.sum(-1, keepdim=True), 1)).sum(1, keepdim=True)
        x = self.mix(torch.cat([x, whole.repeat(1, t, 1)], 2))
        return self.head((x * x[:, :4].repeat(1, t // 4, 1).sigmoid()).mean(1))


class Places(nn.Module):
    """Places relative to each other counted by the graph, as BEiT has them, which picks from a learnt table by them."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 4, stride=4)
        self.table = nn.Parameter(torch.randn(49, 2))
        self.qkv = nn.Linear(6, 18)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.patch(x)
        n, c, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        grid = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")).flatten(1)
        relative = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0).contiguous()
        relative[:, :, 0] += h - 1
        relative[:, :, 1] += w - 1
        relative[:, :, 0] *= 2 * w - 1
        bias = self.table[relative.sum(-1).view(-1)].view(h * w, h * w, 2).permute(2, 0, 1)
        q, k, v = self.qkv(x).reshape(n, h * w, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(q @ k.transpose(-2, -1) + bias, -1)
        return self.head((x + (a @ v).transpose(1, 2).reshape(n, h * w, c)).mean(1))


def built(kind, *arguments):
    torch.manual_seed(5)
    return kind(*arguments).eval()


def pictures():
    generator = torch.Generator().manual_seed(12)
    return torch.randn(2, 3, *SIZE, generator=generator)


def export(model, path, dynamo=False, opset=17, batch="open"):
    example = torch.randn(2 if batch == "open" else 1, 3, *SIZE)
    if dynamo:
        shapes = {"dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},)} if batch == "open" else {}
        program = torch.onnx.export(
            model, (example,), dynamo=True, opset_version=opset, verbose=False, input_names=["x"], **shapes
        )
        proto = program.model_proto
        for nodes in [proto.graph.node, *(function.node for function in proto.functions)]:
            for node in nodes:
                del node.metadata_props[:]
                node.doc_string = ""
        del proto.graph.value_info[:]
        onnx.save(proto, path)
    else:
        axes = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}} if batch == "open" else {}
        names = {"input_names": ["x"], "output_names": ["y"]}
        torch.onnx.export(model, (example,), str(path), dynamo=False, opset_version=opset, **names, **axes)
    return path


def session(path, level="ORT_DISABLE_ALL", target=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    if target:
        options.optimized_model_filepath = str(target)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def by_runtime(path):
    """What ONNX Runtime says of the pictures, one by one."""
    running = session(path)
    name = running.get_inputs()[0].name
    return np.concatenate([running.run(None, {name: x[None]})[0] for x in pictures().numpy()])


class Files:
    """The files, and what is expected of them."""

    def __init__(self):
        self.arrays = {"input": pictures().numpy()}

    def add(self, name, path, logits, holds=(), within=1e-4):
        """A file with its operators, some of which it must hold; ONNX Runtime has to agree but for rounding."""
        model = onnx.load(path)
        kinds = {node.op_type for node in model.graph.node}
        missing = set(holds) - kinds
        assert not missing, f"{name} holds no {missing}, but {kinds}"
        logits = np.asarray(logits, np.float32)
        apart = np.abs(by_runtime(path) - logits).max() / np.abs(logits).max()
        assert apart <= within, f"{name}: ONNX Runtime is {apart:.1e} from what is expected"
        store.replace(store.destination(CRATE, f"rewritten/{name}.onnx"), model.SerializeToString(deterministic=True))
        self.arrays[f"{name}.logits"] = logits


def answer(model):
    with torch.no_grad():
        return model.double()(pictures().double()).float().numpy()


def fused(files, folder):
    for name, model, holds in (
        ("fused_cnn", built(Cnn), ["FusedConv", "FusedGemm", "QuickGelu"]),
        ("fused_vit", built(Vit), ["BiasGelu"]),
        ("fused_quick_vit", built(Vit, quick_gelu), ["QuickGelu"]),
    ):
        path, target = export(model, folder / "float.onnx"), folder / f"{name}.onnx"
        session(path, "ORT_ENABLE_EXTENDED", target)
        files.add(name, target, answer(model), holds)

    from onnxruntime.transformers import optimizer

    model = built(Vit, lambda x: F.gelu(x, approximate="tanh"))
    path = export(model, folder / "float.onnx")
    optimised = optimizer.optimize_model(str(path), model_type="vit", num_heads=2, hidden_size=8, opt_level=0)
    target = folder / "optimised.onnx"
    optimised.save_model_to_file(str(target))
    files.add("optimised_vit", target, answer(model), ["SkipLayerNormalization", "FastGelu"])


def random(*shape, seed=1, scale=0.5):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def double(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def microsoft(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, name=outputs[0], domain="com.microsoft", **attributes)


def tokens(folder, name, nodes, arrays):
    """A file that makes tokens [N, 16, 8] `t` of pictures, and logits of the mean of tokens `m` by `head`."""
    patch, head = random(8, 3, 4, 4, seed=20, scale=0.2), random(8, 5, seed=21)
    own = [
        helper.make_node("Conv", ["x", "patch"], ["p"], name="patch", strides=[4, 4]),
        helper.make_node("Reshape", ["p", "rows"], ["r"], name="rows"),
        helper.make_node("Transpose", ["r"], ["t"], name="tokens", perm=[0, 2, 1]),
        *nodes,
        helper.make_node("ReduceMean", ["m"], ["mean"], name="mean", axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["y"], name="head"),
    ]
    arrays = {"patch": patch, "head": head, "rows": np.array([0, 8, 16]), **arrays}
    graph = helper.make_graph(
        own,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in arrays.items()],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)

    def logits(of_tokens):
        t = F.conv2d(pictures().double(), double(patch), stride=4).flatten(2).transpose(1, 2)
        return (of_tokens(t).mean(1) @ double(head)).float().numpy()

    return path, logits


def attended(q, k, v, heads, scale=None, bias=0):
    n, t, _ = q.shape
    q, k, v = (x.view(n, t, heads, -1).transpose(1, 2) for x in (q, k, v))
    scale = scale or q.shape[-1] ** -0.5
    return (torch.softmax(q @ k.transpose(-1, -2) * scale + bias, -1) @ v).transpose(1, 2).reshape(n, t, -1)


def attention(files, folder):
    weight, bias = random(8, 24), random(24, seed=2)
    table = random(1, 2, 16, 16, seed=3)
    arrays = {"w": weight, "b": bias, "bias": table}
    node = microsoft("Attention", ["t", "w", "b", "", "", "bias"], ["m"], num_heads=2)
    path, logits = tokens(folder, "attention", [node], arrays)

    def of_tokens(t):
        q, k, v = (t @ double(weight) + double(bias)).chunk(3, -1)
        return attended(q, k, v, 2, bias=double(table))

    files.add("attention", path, logits(of_tokens))

    parts = {name: random(8, 8, seed=seed) for seed, name in enumerate("qkv", 4)}
    layers = [helper.make_node("MatMul", ["t", f"w{n}"], [n], name=n) for n in "qkv"]
    node = microsoft("MultiHeadAttention", ["q", "k", "v", "b", "", "bias"], ["m"], num_heads=2, scale=0.3)
    arrays = {f"w{name}": part for name, part in parts.items()} | {"b": bias, "bias": table}
    path, logits = tokens(folder, "multi_head", [*layers, node], arrays)

    def of_parts(t):
        q, k, v = (t @ double(parts[n]) + double(b) for n, b in zip("qkv", np.split(bias, 3)))
        return attended(q, k, v, 2, 0.3, double(table))

    files.add("multi_head", path, logits(of_parts))

    nodes = [
        helper.make_node("MatMul", ["t", "w"], ["qkv"], name="qkv"),
        helper.make_node("Reshape", ["qkv", "heads"], ["packed"], name="packed"),
        microsoft("MultiHeadAttention", ["packed"], ["m"], num_heads=2),
    ]
    path, logits = tokens(folder, "packed", nodes, {"w": weight, "heads": np.array([0, 0, 2, 3, 4])})

    def of_packed(t):
        q, k, v = (t @ double(weight)).view(*t.shape[:2], 2, 3, 4).unbind(3)
        return attended(*(x.flatten(2) for x in (q, k, v)), 2)

    # ONNX Runtime computes packed ones on graphics cards only.
    store.replace(store.destination(CRATE, "rewritten/packed_heads.onnx"), path.read_bytes())
    files.arrays["packed_heads.logits"] = logits(of_packed)


def sums(files, folder):
    """Sums that are normalised, whose sum goes on; GELU in three forms; transposed stacks of matrices."""
    scale, shift, bias = random(8, seed=1), random(8, seed=2), random(8, seed=3)
    wide, last = random(8, 8, seed=4), random(8, seed=5)
    nodes = [
        helper.make_node("MatMul", ["t", "wide"], ["s"], name="s"),
        microsoft("SkipLayerNormalization", ["s", "t", "scale", "shift", "bias"], ["n", "", "", "sum"], epsilon=1e-5),
        microsoft("FastGelu", ["n", "bias"], ["fast"]),
        microsoft("SkipSimplifiedLayerNormalization", ["fast", "sum", "last"], ["rms", "", "", "both"], epsilon=1e-5),
        microsoft("QuickGelu", ["rms"], ["quick"], alpha=1.3),
        microsoft("FusedMatMul", ["quick", "both"], ["gram"], transA=1, alpha=0.25),
        microsoft("FusedMatMul", ["both", "gram"], ["mixed"], transB=1),
        microsoft("Gelu", ["mixed"], ["m"]),
    ]
    arrays = dict(scale=scale, shift=shift, bias=bias, wide=wide, last=last)
    path, logits = tokens(folder, "sums", nodes, arrays)

    def of_tokens(t):
        total = t @ double(wide) + t + double(bias)
        n = F.layer_norm(total, (8,), double(scale), double(shift))
        fast = F.gelu(n + double(bias), approximate="tanh")
        both = fast + total
        rms = both / (both.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * double(last)
        quick = rms * torch.sigmoid(1.3 * rms)
        gram = quick.transpose(1, 2) @ both * 0.25
        return F.gelu(both @ gram.transpose(1, 2))

    files.add("sums", path, logits(of_tokens))


def for_a_processor(folder):
    """What ONNX Runtime's last level of optimisation writes; its weights lie as one processor wants them."""
    node = helper.make_node("ReorderInput", ["t"], ["m"], name="reorder", domain="com.microsoft.nchwc")
    path, _ = tokens(folder, "nchwc", [node], {})
    store.replace(store.destination(CRATE, "rewritten/nchwc.onnx"), path.read_bytes())


def packed_weights(files, folder):
    """Weights of 4 bits in blocks, as hubs for browsers have them."""
    random_numbers = np.random.default_rng(9)
    whole = random_numbers.integers(0, 16, (6, 32))
    scales = (random_numbers.random((6, 2)) * 0.05 + 0.01).astype(np.float32)
    zeros = random_numbers.integers(0, 16, (6, 2))
    packed = (whole[:, ::2] | whole[:, 1::2] << 4).astype(np.uint8).reshape(6, 2, 8)
    packed_zeros = (zeros[:, ::2] | zeros[:, 1::2] << 4).astype(np.uint8)
    up, back = random(8, 32, seed=6), random(6, 8, seed=7)
    for name, zero in (("four_bits", None), ("four_bits_zeros", packed_zeros)):
        inputs = ["wide", "packed", "scales"] + (["zeros"] if zero is not None else [])
        nodes = [
            helper.make_node("MatMul", ["t", "up"], ["wide"], name="wide"),
            microsoft("MatMulNBits", inputs, ["few"], K=32, N=6, bits=4, block_size=16),
            helper.make_node("MatMul", ["few", "back"], ["m"], name="back"),
        ]
        arrays = {"up": up, "back": back, "packed": packed, "scales": scales.reshape(-1)}
        if zero is not None:
            arrays["zeros"] = zero.reshape(-1)
        path, logits = tokens(folder, name, nodes, arrays)
        middle = 8 if zero is None else zeros.repeat(16, 1)
        weight = (whole - middle) * scales.astype(np.float64).repeat(16, 1)
        files.add(name, path, logits(lambda t: t @ double(up) @ double(weight).T @ double(back)))


class Calibration:
    def __init__(self):
        generator = np.random.default_rng(3)
        self.rows = iter([{"x": generator.standard_normal((1, 3, *SIZE)).astype(np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.rows, None)


def stood_for(whole, scale, zero, along=0):
    """The floats of whole numbers; several scales lie along an axis."""
    shape = np.ones(whole.ndim, int)
    if scale.size > 1:
        shape[along] = -1
    scale, zero = scale.reshape(shape), zero.astype(np.int64).reshape(shape if zero.size > 1 else shape * 0 + 1)
    return ((whole.astype(np.int64) - zero).astype(np.float32) * scale).astype(np.float32)


def unrounded(full, quantised, folder, rounded={}):
    """The float file with the weights as the numbers that those of a quantised file stand for. Constants that are
    `rounded` while it runs are named with the values whose scales they are rounded by."""
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
        if whole is not None:
            # A bias is called quantised before its scale is.
            code = own if f"{own}_scale" in arrays else f"{own}_quantized"
            zero = arrays.get(f"{code}_zero_point", np.int8(0))
            # The outputs of products are their last axis, those of other layers the first.
            along = -1 if "MatMul" in own or own.endswith("_Transposed") else 0
            values = stood_for(whole, arrays[f"{code}_scale"], zero, along)
            values = values.T if own.endswith("_Transposed") else values
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
        elif own in rounded and f"{rounded[own]}_scale" in arrays:
            scale, zero = arrays[f"{rounded[own]}_scale"], arrays[f"{rounded[own]}_zero_point"]
            kind = np.iinfo(zero.dtype)
            whole = np.clip(np.round(numpy_helper.to_array(tensor) / scale) + zero, kind.min, kind.max)
            tensor.CopyFrom(numpy_helper.from_array(stood_for(whole, scale, zero), tensor.name))
    target = folder / "unrounded.onnx"
    onnx.save(model, target)
    return target


def quantised(files, folder):
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().setLevel(logging.ERROR)
    for name, kind, batch in (("cnn", Cnn, "open"), ("vit", Vit, "open"), ("vit_one", Vit, "one")):
        plain, full = folder / "plain.onnx", folder / "float.onnx"
        export(built(kind), plain, batch=batch)
        quant_pre_process(str(plain), str(full), skip_symbolic_shape=True)
        ways = [
            ("operators", lambda to: quantize_static(str(full), to, Calibration(), quant_format=QuantFormat.QOperator)),
            ("dynamic", lambda to: quantize_dynamic(str(full), to, per_channel=True)),
        ]
        if kind is Vit and batch == "open":
            ways.append(("qdq", lambda to: quantize_static(str(full), to, Calibration(), quant_format=QuantFormat.QDQ)))
        elif kind is Cnn:
            signed = dict(activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, per_channel=True)
            to_operators = dict(quant_format=QuantFormat.QOperator)
            ways.append(
                ("signed_operators", lambda to: quantize_static(str(full), to, Calibration(), **to_operators, **signed))
            )
            ways.append(("dynamic_unsigned", lambda to: quantize_dynamic(str(full), to, weight_type=QuantType.QUInt8)))
        for way, write in ways:
            path = folder / "quantised.onnx"
            write(str(path))
            rounded = {"token": "/Expand_output_0"}
            expected = by_runtime(unrounded(full, path, folder, rounded))
            # ONNX Runtime rounds every value to 8 bits.
            files.add(f"{name}_{way}", path, expected, within=0.3)
    # What its optimiser makes of dynamic quantisation.
    path, full = folder / "quantised.onnx", folder / "float.onnx"
    export(built(Vit), full)
    quantize_dynamic(str(full), str(path))
    expected = by_runtime(unrounded(full, path, folder))
    target = folder / "fused.onnx"
    session(path, "ORT_ENABLE_EXTENDED", target)
    files.add("vit_dynamic_fused", target, expected, ["DynamicQuantizeMatMul"], within=0.3)


def exporters(files, folder):
    for name, kind, opset, dynamo, batch in (
        ("cosine_one_dynamo", Cosine, 18, True, "one"),
        ("cosine_script", Cosine, 17, False, "open"),
        ("folding_dynamo", Folding, 18, True, "open"),
        ("folding_one_dynamo", Folding, 18, True, "one"),
        ("repeating_script", Repeating, 17, False, "open"),
        ("repeating_one_dynamo", Repeating, 18, True, "one"),
        ("places_script", Places, 17, False, "open"),
        ("places_one_dynamo", Places, 18, True, "one"),
    ):
        model = built(kind)
        path = export(model, folder / f"{name}.onnx", dynamo, opset, batch)
        files.add(name, path, answer(model))


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    store.destination(CRATE, "rewritten").mkdir(exist_ok=True)
    files = Files()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        fused(files, folder)
        attention(files, folder)
        sums(files, folder)
        for_a_processor(folder)
        packed_weights(files, folder)
        quantised(files, folder)
        exporters(files, folder)
    store.save_tensors(
        store.destination(CRATE, "rewritten/expected.safetensors"), files.arrays, "onnx_rewritten.py", PACKAGES
    )


if __name__ == "__main__":
    main()
