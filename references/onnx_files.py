"""Small ONNX files of every kind, with the outputs of their networks: `crates/dvm-onnx/tests/references/`.

PyTorch writes most of them, by both of its exporters and for several versions of ONNX's operators; files
as other tools write them (Keras, scikit-learn, quantisers) are made node by node, with the same network in PyTorch.
Expected values are the logits for two pictures and the gradient of `sum(logits · weights)` by the pictures,
by PyTorch in f64.
"""

import io
import math
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

import store

PACKAGES = ("torch", "onnx", "onnxscript", "numpy")
CRATE = "dvm-onnx"


class Cnn(nn.Module):
    """Every kind of layer that networks for pictures are made of."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.deep = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.squeeze = nn.Conv2d(4, 2, 1)
        self.excite = nn.Conv2d(2, 4, 1)
        self.after = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 6, 3, padding=2, dilation=2)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        x = self.pool(x)
        y = F.hardswish(self.bn2(self.deep(x)))
        s = F.adaptive_avg_pool2d(y, 1)
        y = y * F.hardsigmoid(self.excite(F.relu6(self.squeeze(s))))
        x = torch.cat([x + y, F.silu(x)], 1)
        x = F.gelu(self.wide(F.relu(self.after(x))))
        x = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return self.fc(self.drop(x))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, d = x.shape
        qkv = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, t, d))


class Vit(nn.Module):
    """One block as timm writes it, and one with PyTorch's own attention as torchvision does."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.randn(1, 10, 8))
        self.norm1 = nn.LayerNorm(8, eps=1e-6)
        self.attn = Attention(8, 2)
        self.norm2 = nn.LayerNorm(8, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.gamma = nn.Parameter(torch.randn(8))
        self.other = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x)
        n, d, h, w = x.shape
        x = x.reshape(n, d, h * w).permute(0, 2, 1)
        x = torch.cat([self.cls_token.expand(n, -1, -1), x], 1) + self.pos_embed
        x = x + self.gamma * self.attn(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        y, _ = self.other(x, x, x, need_weights=False)
        return self.head((x + y)[:, 0])


class Windows(nn.Module):
    """Shifted windows on maps with channels last, as Swin has them."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 2, stride=2)
        self.norm = nn.LayerNorm(6)
        self.qkv = nn.Linear(6, 18)
        self.proj = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-1, -1), (1, 2))
        y = y.view(n, h // 3, 3, w // 3, 3, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 9, c)
        q, k, v = self.qkv(y).reshape(-1, 9, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(q * (c // 2) ** -0.5 @ k.transpose(-2, -1), -1)
        y = self.proj((a @ v).transpose(1, 2).reshape(-1, 9, c))
        y = y.view(n, h // 3, w // 3, 3, 3, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + torch.roll(y, (1, 1), (1, 2))
        return self.head(x.permute(0, 3, 1, 2).mean((2, 3)))


class Loose(nn.Module):
    """Channel shuffle, group and instance norm, PReLU, odd reductions and endings."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.group = nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.prelu = nn.PReLU(8)
        self.head = nn.Linear(8, 4)
        nn.init.uniform_(self.instance.weight, 0.5, 1.5)
        nn.init.uniform_(self.group.weight, 0.5, 1.5)
        nn.init.uniform_(self.prelu.weight, 0.1, 0.4)

    def forward(self, x):
        x = self.group(self.conv(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = F.mish(self.prelu(x)) + F.gelu(self.instance(x), approximate="tanh")
        a, b = x.chunk(2, 1)
        x = torch.cat([b.flip(1), a[:, 1:], a[:, :1]], 1)
        x = F.pad(x, (1, 0, 0, 2))
        x = x[:, :, 1:, ::2].amax((2, 3)) - x.pow(2).mean((2, 3)).sqrt()
        return F.log_softmax(self.head(x), 1)


class Modern(nn.Module):
    """What networks of timm are made of besides: standardised weights, mirrored borders, blur, maps of another
    size, gates along channels, an embedding that runs through a layer, positions in a sum over letters."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.gain = nn.Parameter(torch.rand(8) + 0.5)
        self.register_buffer("blur", torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16)
        self.gate = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.places = nn.Parameter(torch.randn(1, 4, 6, 5))
        self.embed = nn.Conv2d(4, 8, 1)
        self.qkv = nn.Linear(8, 24)
        self.rows = nn.Parameter(torch.randn(6, 6, 4) * 0.3)
        self.norm = nn.BatchNorm1d(8)
        self.stack = nn.Parameter(torch.randn(2, 4, 4) * 0.4)
        self.head = nn.Linear(8, 4)

    def standardised(self):
        flat = self.stem.weight.reshape(1, 8, -1)
        flat = F.batch_norm(flat, None, None, weight=self.gain, training=True, momentum=0.0, eps=1e-6)
        return flat.reshape_as(self.stem.weight)

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.standardised(), self.stem.bias, 2, 1))
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, self.blur.expand(8, 1, 3, 3), groups=8)
        small = F.avg_pool2d(x, 2, 2, ceil_mode=True)
        x = x + F.interpolate(small, size=x.shape[-2:], mode="bilinear")
        small = F.interpolate(small, scale_factor=2, mode="nearest")
        x = x + small[:, :, : x.shape[2], : x.shape[3]]
        gate = self.gate(x.mean((2, 3)).unsqueeze(1)).sigmoid().transpose(1, 2).unsqueeze(-1)
        x = x * gate + self.embed(self.places)
        n, c, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).reshape(n, h * w, 3, 2, -1).permute(2, 0, 3, 1, 4).unbind(0)
        relative = torch.einsum("byhwc,hkc->byhwk", q.reshape(n, 2, h, w, -1), self.rows)
        a = (q @ k.transpose(-2, -1)).view(n, 2, h, w, h, w) + relative.unsqueeze(-1)
        a = a.view(n, 2, h * w, h * w).softmax(-1)
        y = (a @ (v @ self.stack)).transpose(1, 2).reshape(n, h * w, -1)
        y = F.pad(y, (0, 1), value=0.5)[..., :8]
        x = self.norm((x + y).flatten(0, 1)).reshape(n, h * w, -1)
        return self.head(x.mean(1))


class Assigning(nn.Module):
    """Parts of a map are replaced, of one and of several axes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = torch.tanh(self.stem(x)) * 1.5
        x[:, 1:3] = x[:, 2:4] * 0.5
        x[:, :, 2:, :3] = x[:, :, 2:, 1:4] + x[:, :, 2:, :3]
        x[:, 5:, 1:2] = 0.25
        x[:, 4] = x[:, 0] * 2
        return self.head(x.mean((2, 3)))


class Parts(nn.Module):
    """Windows and heads of a picture that convolutions, pools and norms take for pictures."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.window = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.head_conv = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.stem(x))
        n, c, h, w = x.shape
        y = x.view(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 1, 3, 5).reshape(n * 4, c, h // 2, w // 2)
        y = F.relu(self.norm(self.window(y)))
        y = y.view(n, 2, 2, c, h // 2, w // 2).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)
        x = x + y
        y = x.reshape(n * 2, c // 2, h, w)
        y = self.head_conv(y) + F.max_pool2d(y, 3, 2, 1)
        y = y.reshape(n, c, -1)
        return self.head(y.mean(2) + y.logsumexp(2))


def settle(model):
    """Statistics that are not 0 and 1, so that mistakes show."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.6, 1.4, generator=generator)
            nn.init.uniform_(module.weight, 0.6, 1.4, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)
    return model.eval()


def built(kind):
    torch.manual_seed(3)
    return settle(kind())


class Files:
    """The files, and what is expected of them."""

    def __init__(self):
        self.arrays = {}
        self.cases = []

    def add(self, name, content, network, size, scale=1.0, layout="NCHW", channels=3):
        """`network` computes the logits of f64 pictures."""
        generator = torch.Generator().manual_seed(11)
        x = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64) * scale
        x = x.float().double().requires_grad_()
        logits = network(x)
        weights = torch.linspace(-1, 1, logits.numel(), dtype=torch.float64).reshape(logits.shape)
        (logits * weights).sum().backward()
        self.arrays[f"{name}.input"] = x.detach().float().numpy()
        self.arrays[f"{name}.logits"] = logits.detach().float().numpy()
        self.arrays[f"{name}.gradient"] = x.grad.float().numpy()
        if isinstance(content, onnx.ModelProto):
            content.producer_name = content.producer_name or "references/onnx_files.py"
            content = content.SerializeToString(deterministic=True)
        store.replace(store.destination(CRATE, f"{name}.onnx"), content)
        self.cases.append(name)

    def exported(self, name, model, size, opset, dynamo, batch="open", open_size=False):
        example = torch.randn(2 if batch == "open" else 1, 3, *size)
        options = {}
        target = io.BytesIO()
        if dynamo:
            if batch == "open":
                dims = {0: torch.export.Dim.DYNAMIC}
                if open_size:
                    dims |= {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
                options["dynamic_shapes"] = (dims,)
            program = torch.onnx.export(
                model, (example,), dynamo=True, opset_version=opset, verbose=False, **options
            )
            proto = program.model_proto
            # Where each node came from in the Python program is much longer than the network.
            for nodes in [proto.graph.node, *(function.node for function in proto.functions)]:
                for node in nodes:
                    del node.metadata_props[:]
                    node.doc_string = ""
            del proto.graph.value_info[:]
            content = proto.SerializeToString(deterministic=True)
        else:
            axes = {0: "n"} | ({2: "h", 3: "w"} if open_size else {})
            if batch == "open":
                options["dynamic_axes"] = {"x": axes}
            torch.onnx.export(
                model, (example,), target, dynamo=False, opset_version=opset, input_names=["x"], **options
            )
            content = target.getvalue()
        double = built(type(model)).double()
        double.load_state_dict(model.state_dict())
        self.add(name, content, double, size)


def tensors(arrays):
    return [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in arrays.items()]


def model(nodes, arrays, shape, classes, opset=17, kind=TensorProto.FLOAT, outputs=None, **options):
    outputs = outputs or [helper.make_tensor_value_info("y", kind, ["n", classes])]
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("x", kind, shape)], outputs, tensors(arrays)
    )
    sets = [helper.make_opsetid("", opset), *options.pop("sets", [])]
    return helper.make_model(graph, opset_imports=sets, ir_version=8, **options)


def random(*shape, seed=1, scale=0.4):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def double(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def same(x, kernel, stride):
    """TensorFlow's SAME, the odd pixel below and to the right."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def keras(files):
    w1, b1, w2 = random(6, 3, 3, 3), random(6, seed=2), random(6, 1, 3, 3, seed=3)
    scale, shift = 1 + random(6, seed=4), random(6, seed=5)
    dense, bias = random(6, 4, seed=6), random(4, seed=7)
    to, back = [0, 3, 1, 2], [0, 2, 3, 1]
    n = helper.make_node
    nodes = [
        n("Transpose", ["x"], ["t0"], perm=to),
        n("Conv", ["t0", "w1", "b1"], ["c1"], name="conv1/Conv2D", auto_pad="SAME_UPPER", strides=[2, 2]),
        n("Transpose", ["c1"], ["t1"], perm=back),
        n("Relu", ["t1"], ["r1"], name="relu1"),
        n("Mul", ["r1", "scale"], ["m1"]),
        n("Add", ["m1", "shift"], ["a1"]),
        n("Transpose", ["a1"], ["t2"], perm=to),
        n("Conv", ["t2", "w2"], ["c2"], name="depthwise", auto_pad="SAME_UPPER", group=6),
        n("Transpose", ["c2"], ["t3"], perm=back),
        n("Add", ["t3", "a1"], ["s1"], name="sum"),
        n("ReduceMean", ["s1"], ["p1"], axes=[1, 2], keepdims=1),
        n("Shape", ["p1"], ["shape"]),
        n("Slice", ["shape", "zero", "one"], ["batch"]),
        n("Concat", ["batch", "minus"], ["to"], axis=0),
        n("Reshape", ["p1", "to"], ["f1"]),
        n("MatMul", ["f1", "dense"], ["d1"], name="dense/MatMul"),
        n("Add", ["d1", "bias"], ["d2"], name="dense/BiasAdd"),
        n("Softmax", ["d2"], ["y"], axis=-1),
    ]
    arrays = dict(w1=w1, b1=b1, w2=w2, scale=scale, shift=shift, dense=dense, bias=bias)
    arrays |= dict(zero=np.array([0]), one=np.array([1]), minus=np.array([-1]))

    def network(x):
        y = F.relu(F.conv2d(same(x, 3, 2), double(w1), double(b1), stride=2))
        y = y * double(scale)[:, None, None] + double(shift)[:, None, None]
        y = y + F.conv2d(same(y, 3, 1), double(w2), groups=6)
        return y.mean((2, 3)) @ double(dense) + double(bias)

    files.add("keras", model(nodes, arrays, ["n", 12, 12, 3], 4), network, (12, 12))


def small(files):
    """A convolution, a pool, a layer: in other precisions, other places, other endings."""
    w, b, f, g = random(4, 3, 3, 3), random(4, seed=2), random(3, 4, seed=3), random(3, seed=4)
    n = helper.make_node

    def network(x, relu=F.relu, w=w, b=b, f=f, g=g):
        y = relu(F.conv2d(x, double(w), double(b), padding=1)).mean((2, 3))
        return y @ double(f).T + double(g)

    def nodes(end="y", start="x"):
        return [
            n("Conv", [start, "conv.weight", "conv.bias"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            n("Relu", ["c"], ["r"], name="relu"),
            n("GlobalAveragePool", ["r"], ["p"], name="pool"),
            n("Flatten", ["p"], ["f"], name="flatten"),
            n("Gemm", ["f", "fc.weight", "fc.bias"], [end], name="fc", transB=1),
        ]

    arrays = {"conv.weight": w, "conv.bias": b, "fc.weight": f, "fc.bias": g}
    shape, size = ["n", 3, 8, 8], (8, 8)
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    rounded = [halves[name] for name in arrays]
    files.add(
        "float16",
        model(nodes(), halves, shape, 3, kind=TensorProto.FLOAT16),
        lambda x: network(x, F.relu, *rounded),
        size,
    )
    doubles = {name: array.astype(np.float64) for name, array in arrays.items()}
    files.add("double", model(nodes(), doubles, shape, 3, kind=TensorProto.DOUBLE), network, size)

    bfloat = model(nodes(), arrays, shape, 3)
    cut = []
    for tensor in bfloat.graph.initializer:
        bits = numpy_helper.to_array(tensor).view(np.uint32) >> 16
        cut.append((bits << 16).astype(np.uint32).view(np.float32))
        tensor.CopyFrom(
            helper.make_tensor(tensor.name, TensorProto.BFLOAT16, tensor.dims, bits.astype(np.uint16).tobytes(), raw=True)
        )
        tensor.name += ".stored"
        cast = n("Cast", [tensor.name], [tensor.name.removesuffix(".stored")], to=TensorProto.FLOAT)
        bfloat.graph.node.insert(0, cast)
    files.add("bfloat16", bfloat, lambda x: network(x, F.relu, *cut), size)

    external = model(nodes(), arrays, shape, 3)
    data = bytearray()
    for tensor in external.graph.initializer:
        raw = tensor.raw_data
        entries = dict(location="external.data", offset=len(data), length=len(raw))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        data += raw
    store.replace(store.destination(CRATE, "external.data"), bytes(data))
    files.add("external", external, network, size)

    mean, deviation = np.float32([123.7, 116.3, 103.5]), np.float32([58.4, 57.1, 57.4])
    before = [
        n("Sub", ["x", "mean"], ["centred"]),
        n("Div", ["centred", "deviation"], ["normal"]),
    ]
    normalising = model(
        before + nodes(start="normal"),
        arrays | dict(mean=mean.reshape(1, 3, 1, 1), deviation=deviation.reshape(1, 3, 1, 1)),
        shape,
        3,
    )
    by_channel = [double(a)[:, None, None] for a in (mean, deviation)]
    files.add("normalising", normalising, lambda x: network((x - by_channel[0]) / by_channel[1]), size, 80.0)

    end = [
        n("Softmax", ["logits"], ["p1"], name="softmax", axis=1),
        n("Identity", ["p1"], ["p2"]),
        n("ArgMax", ["p2"], ["number"], axis=1, keepdims=0),
        n("ZipMap", ["p2"], ["probabilities"], domain="ai.onnx.ml", classlabels_strings=["cat", "dog", "owl"]),
    ]
    labelled = model(
        nodes("logits") + end,
        arrays,
        shape,
        3,
        outputs=[
            helper.make_tensor_value_info("number", TensorProto.INT64, ["n"]),
            helper.make_value_info(
                "probabilities",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
                ),
            ),
        ],
        sets=[helper.make_opsetid("ai.onnx.ml", 3)],
    )
    files.add("labelled", labelled, network, size)

    named = model(nodes(), arrays, shape, 3)
    named.metadata_props.add(key="names", value="{0: 'cat', 1: 'dog', 2: \"owl's\"}")
    files.add("named", named, network, size)

    sets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    leaky = n("LeakyRelu", ["c"], ["out"])
    reference = leaky.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "slope"
    inner = helper.make_function(
        "own", "Activate", ["c"], ["out"], [leaky], [helper.make_opsetid("", 17)], ["slope"]
    )
    outer = helper.make_function(
        "own",
        "Layer",
        ["x", "w", "b"],
        ["out"],
        [
            n("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
            n("Activate", ["c"], ["a"], domain="own", slope=0.2),
            n("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
            n(
                "If",
                ["yes"],
                ["out"],
                then_branch=helper.make_graph(
                    [n("Mul", ["a", "two"], ["doubled"])],
                    "then",
                    [],
                    [helper.make_tensor_value_info("doubled", TensorProto.FLOAT, None)],
                    [numpy_helper.from_array(np.float32(2), "two")],
                ),
                else_branch=helper.make_graph(
                    [n("Identity", ["a"], ["same"])],
                    "else",
                    [],
                    [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
                ),
            ),
        ],
        sets,
    )
    called = [n("Layer", ["x", "conv.weight", "conv.bias"], ["r"], name="layer", domain="own"), *nodes()[2:]]
    functions = model(called, arrays, shape, 3, sets=sets[1:], functions=[inner, outer])
    files.add("functions", functions, lambda x: network(x, lambda c: 2 * F.leaky_relu(c, 0.2)), size)

    shuffling = nodes()
    shuffling[2:2] = [
        n("Reshape", ["r", "split"], ["g"]),
        n("Transpose", ["g"], ["t"], perm=[0, 2, 1, 3, 4]),
        n("Reshape", ["t", "joined"], ["s"]),
    ]
    shuffling[5].input[0] = "s"
    shapes = dict(split=np.array([0, 2, 2, 8, 8]), joined=np.array([-1, 4, 8, 8]))
    shuffle = model(shuffling, arrays | shapes, shape, 3)
    files.add("shuffle", shuffle, lambda x: network(x, lambda c: F.relu(c)[:, [0, 2, 1, 3]]), size)

    scales = np.float32([0.01, 0.02, 0.015, 0.008])
    whole = np.clip(np.round(w / scales[:, None, None, None]), -128, 127).astype(np.int8)
    whole_bias = np.round(b / (scales * 0.02)).astype(np.int32)
    quantised = [
        n("QuantizeLinear", ["x", "sx", "zx"], ["qx"]),
        n("DequantizeLinear", ["qx", "sx", "zx"], ["dx"]),
        n("DequantizeLinear", ["conv.weight_quantized", "sw", "zw"], ["dw"], axis=0),
        n("DequantizeLinear", ["conv.bias_quantized", "sb", "zb"], ["db"], axis=0),
        n("Conv", ["dx", "dw", "db"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        # The rectifier that was there is in the range of the numbers.
        n("QuantizeLinear", ["c", "sc", "zc"], ["qc"]),
        n("DequantizeLinear", ["qc", "sc", "zc"], ["r"]),
        *nodes()[2:],
    ]
    arrays_of_quantised = {
        "sx": np.float32(0.02),
        "zx": np.uint8(128),
        "conv.weight_quantized": whole,
        "sw": scales,
        "zw": np.zeros(4, np.int8),
        "conv.bias_quantized": whole_bias,
        "sb": (scales * np.float32(0.02)).astype(np.float32),
        "zb": np.zeros(4, np.int32),
        "sc": np.float32(0.05),
        "zc": np.uint8(0),
        "fc.weight": f,
        "fc.bias": g,
    }
    stands_for = whole.astype(np.float32) * scales[:, None, None, None]
    bias_stands_for = whole_bias.astype(np.float32) * (scales * np.float32(0.02))
    files.add(
        "quantised",
        model(quantised, arrays_of_quantised, shape, 3),
        lambda x: network(x, F.relu, stands_for, bias_stands_for),
        size,
    )


def single(files):
    """A network of grey pictures that ends with one number and a sigmoid, and one whose last layer is a
    convolution. The number is the logit of a yes."""
    w, b, f, g = random(4, 1, 3, 3), random(4, seed=2), random(1, 4, seed=3), random(1, seed=4)
    n = helper.make_node
    nodes = [
        n("Conv", ["x", "conv.weight", "conv.bias"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        n("Relu", ["c"], ["r"], name="relu"),
        n("GlobalAveragePool", ["r"], ["p"], name="pool"),
        n("Flatten", ["p"], ["f"], name="flatten"),
        n("Gemm", ["f", "fc.weight", "fc.bias"], ["z"], name="fc", transB=1),
        n("Sigmoid", ["z"], ["y"], name="sigmoid"),
    ]
    arrays = {"conv.weight": w, "conv.bias": b, "fc.weight": f, "fc.bias": g}

    def of_grey(x):
        y = F.relu(F.conv2d(x, double(w), double(b), padding=1)).mean((2, 3))
        return y @ double(f).T + double(g)

    files.add("grey", model(nodes, arrays, ["n", 1, 8, 8], 1), of_grey, (8, 8), channels=1)

    last = random(1, 3, 3, 3, seed=5)
    nodes = [
        n("Conv", ["x", "conv.weight"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        n("Tanh", ["c"], ["t"], name="tanh"),
        n("ReduceMean", ["t"], ["y"], name="mean", axes=[1, 2, 3], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])]
    one = model(nodes, {"conv.weight": last}, ["n", 3, 8, 8], 1, outputs=outputs)
    one.metadata_props.add(key="classes", value='["owl"]')

    def of_one(x):
        return F.conv2d(x, double(last), padding=1).tanh().mean((1, 2, 3))[:, None]

    files.add("one_number", one, of_one, (8, 8))


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    files = Files()
    cnn, vit, windows, loose = built(Cnn), built(Vit), built(Windows), built(Loose)
    for opset in (11, 13, 17, 20):
        files.exported(f"cnn_script_{opset}", cnn, (18, 14), opset, False)
    for opset in (18, 20, 23):
        files.exported(f"cnn_dynamo_{opset}", cnn, (18, 14), opset, True)
    files.exported("cnn_open_script", cnn, (18, 14), 17, False, open_size=True)
    files.exported("cnn_open_dynamo", cnn, (18, 14), 18, True, open_size=True)
    files.exported("cnn_one", cnn, (18, 14), 17, False, batch="one")
    for opset in (14, 17):
        files.exported(f"vit_script_{opset}", vit, (12, 12), opset, False)
    files.exported("vit_one_script", vit, (12, 12), 17, False, batch="one")
    files.exported("vit_one_dynamo", vit, (12, 12), 18, True, batch="one")
    for opset in (18, 23):
        files.exported(f"vit_dynamo_{opset}", vit, (12, 12), opset, True)
    files.exported("windows_script", windows, (12, 12), 17, False)
    files.exported("windows_dynamo", windows, (12, 12), 18, True)
    files.exported("loose_script", loose, (9, 10), 13, False)
    files.exported("loose_dynamo", loose, (9, 10), 20, True)
    modern = built(Modern)
    files.exported("modern_script", modern, (12, 10), 17, False)
    files.exported("modern_one_script", modern, (12, 10), 14, False, batch="one")
    files.exported("modern_one_dynamo", modern, (12, 10), 18, True, batch="one")
    assigning = built(Assigning)
    files.exported("assigning_one_script", assigning, (7, 6), 17, False, batch="one")
    files.exported("assigning_one_dynamo", assigning, (7, 6), 18, True, batch="one")
    parts = built(Parts)
    files.exported("parts_script", parts, (8, 6), 17, False)
    files.exported("parts_one_dynamo", parts, (8, 6), 18, True, batch="one")
    keras(files)
    small(files)
    single(files)
    store.save_tensors(
        store.destination(CRATE, "expected.safetensors"), files.arrays, "onnx_files.py", PACKAGES
    )


if __name__ == "__main__":
    main()
