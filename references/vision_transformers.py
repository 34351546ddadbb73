"""Attention of vision transformers and the maps made of it, by slow implementations of the papers, in f64.

`crates/dvm/tests/references/transformers/` gets small ONNX files of the networks below, as PyTorch's
exporters write them; `transformers.{safetensors,json}` have their attention and maps. Parameters are computed from
their state-dict names (`seeded.fill`), the 8-bit picture from `<network>.input`, as in `methods.py`.

- attention rollout: Abnar and Zuidema 2020, arXiv 2005.00928; the ways to join heads, and the discarded
  share, are those of jacobgil/vit-explain (except its division of columns instead of rows);
- attention relevance: Chefer, Gur and Wolf 2021, arXiv 2103.15679, for self-attention;
- LeGrad: Bousselham et al. 2024, arXiv 2404.03214;
- Libra rules: Mehri et al. 2024, arXiv 2411.16760 (attention and norms as constants, gates as factors).
"""

import contextlib
import io
import warnings

import numpy as np
import onnx
import timm
import torch
import torchvision
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional as F
from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher, ViTConfig, ViTForImageClassification
from transformers.activations import GELUActivation

import methods
import seeded
import store

PACKAGES = ("torch", "torchvision", "timm", "transformers", "onnx", "onnxscript", "numpy", "safetensors")
CRATE = "dvm"
TARGETS = (1, 3)
DISCARDS = {"mean": (0.0, 0.5), "min": (0.0,), "max": (0.0, 0.9)}
# Discarded are the smallest values; in f32 the same must be, or tests compare two different things. Among the
# 38,809 values of a large network's attention some always lie too close.
GAP = 3e-6


class Logits(nn.Module):
    """A network of the library transformers whose answer is the logits alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(pixel_values=x).logits


SMALL = dict(embed_dim=16, depth=3, num_heads=2, mlp_ratio=1.0, num_classes=5, patch_size=4)
HUGGING = dict(
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=16,
    num_labels=5,
    patch_size=4,
)


def torchvision_vit():
    return torchvision.models.VisionTransformer(
        image_size=16, patch_size=4, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=5
    )


class Network:
    """A network with what the methods must know: its blocks, the way from the last block's tokens to the
    logits, the tokens that are read on that way, and those in front of the places."""

    def __init__(self, name, model, size, blocks, tail, read, before, exports=()):
        self.name, self.size, self.read, self.before, self.exports = name, size, read, before, exports
        with torch.no_grad():
            seeded.fill(model)
        for module in model.modules():
            # The library transformers holds the function itself, past those who put another in its place.
            if isinstance(module, GELUActivation):
                module.act = lambda x: F.gelu(x)
        self.single = model.float().eval()
        self.blocks, self.tail = blocks, tail
        colours = np.floor(256 * seeded.unit(f"{name}.input", 3 * size[0] * size[1])).reshape(*size, 3)
        self.picture = torch.from_numpy(methods.normalised(colours).transpose(2, 0, 1)[None].copy())

    def double(self):
        return self.single.double()

    @property
    def grid(self):
        return tuple(side // self.patch for side in self.size)

    @property
    def patch(self):
        return 16 if self.size[0] == 224 else 4


def first(z):
    return z[:, 0]


def networks():
    """Both of PyTorch's exporters, the operator Attention (opset 23), and a fixed batch of one."""
    timm_blocks = lambda m: list(m.blocks)
    timm_tail = lambda m, z: m.forward_head(m.norm(z))
    hugging = lambda m: m.network
    yield Network(
        "deit_tiny_patch16_224",
        timm.create_model("deit_tiny_patch16_224", pretrained=False, num_classes=10),
        (224, 224), timm_blocks, timm_tail, [0], 1,
    )  # fmt: skip
    yield Network(
        "torchvision", torchvision_vit(), (16, 16),
        lambda m: list(m.encoder.layers), lambda m, z: m.heads(first(m.encoder.ln(z))), [0], 1,
        (("script_17", 17, False, "n"), ("dynamo_18", 18, True, "one")),
    )  # fmt: skip
    yield Network(
        "timm", VisionTransformer(img_size=(12, 16), **SMALL), (12, 16), timm_blocks, timm_tail, [0], 1,
        (("script_14", 14, False, "n"), ("dynamo_18", 18, True, "n"), ("dynamo_23", 23, True, "one")),
    )  # fmt: skip
    yield Network(
        "distilled", VisionTransformerDistilled(img_size=(12, 16), **SMALL), (12, 16),
        timm_blocks, timm_tail, [0, 1], 2, (("script_17", 17, False, "n"),),
    )  # fmt: skip
    yield Network(
        "pooled", VisionTransformer(img_size=(12, 16), class_token=False, global_pool="avg", **SMALL), (12, 16),
        timm_blocks, timm_tail, list(range(12)), 0, (("script_17", 17, False, "n"),),
    )  # fmt: skip
    yield Network(
        "pooled_beside_class", VisionTransformer(img_size=(12, 16), global_pool="avg", **SMALL), (12, 16),
        timm_blocks, timm_tail, list(range(1, 13)), 1, (("dynamo_18", 18, True, "one"),),
    )  # fmt: skip
    yield Network(
        "transformers", Logits(ViTForImageClassification(ViTConfig(image_size=(12, 16), **HUGGING))), (12, 16),
        lambda m: list(hugging(m).vit.encoder.layer if hasattr(hugging(m).vit, "encoder") else hugging(m).vit.layers),
        lambda m, z: hugging(m).classifier(first(hugging(m).vit.layernorm(z))), [0], 1,
        (("script_17", 17, False, "n"),),
    )  # fmt: skip
    yield Network(
        "transformers_distilled",
        Logits(DeiTForImageClassificationWithTeacher(DeiTConfig(image_size=(12, 16), **HUGGING))), (12, 16),
        lambda m: list(hugging(m).deit.encoder.layer if hasattr(hugging(m).deit, "encoder") else hugging(m).deit.layers),
        lambda m, z: (
            hugging(m).cls_classifier(hugging(m).deit.layernorm(z)[:, 0])
            + hugging(m).distillation_classifier(hugging(m).deit.layernorm(z)[:, 1])
        ) / 2,
        [0, 1], 2, (("script_17", 17, False, "n"),),
    )  # fmt: skip


@contextlib.contextmanager
def watched(constant=False):
    """Every attention that is computed meanwhile, as `[1, heads, T, T]` with its gradient kept; as constants
    to the walk back if `constant`."""
    found = []
    own = F.scaled_dot_product_attention

    def attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **more):
        assert attn_mask is None and dropout_p == 0.0 and not is_causal and not more.get("enable_gqa")
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        p = (q @ k.transpose(-2, -1) * scale).softmax(-1)
        if constant:
            p = p.detach()
        else:
            p.retain_grad()
        found.append(p)
        return p @ v

    F.scaled_dot_product_attention = attention
    try:
        yield found
    finally:
        F.scaled_dot_product_attention = own


@contextlib.contextmanager
def libra():
    """The rules of LibraGrad: attention and the deviation of layer norms are constants, an activation x · g(x)
    a product with the constant g(x)."""
    norm, gelu = F.layer_norm, F.gelu
    met = []

    def normalised(x, shape, weight, bias, eps):
        met.append("norm")
        mean = x.mean(-1, keepdim=True)
        deviation = (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt().detach()
        return (x - mean) / deviation * weight + bias

    def gated(x, approximate="none"):
        assert approximate == "none"
        met.append("gate")
        return x * (0.5 * (1 + torch.erf(x / 2**0.5))).detach()

    F.layer_norm, F.gelu = normalised, gated
    try:
        with watched(constant=True) as attentions:
            yield
        count = len(attentions)
        assert (met.count("norm"), met.count("gate")) == (2 * count + 1, count), (count, met)
    finally:
        F.layer_norm, F.gelu = norm, gelu


def rollout(attentions, heads, discard):
    """The matrix `[T, T]` of which the class token's row is looked at."""
    tokens = attentions[0].shape[-1]
    result = np.eye(tokens)
    for attention in attentions:
        a = {"mean": np.mean, "min": np.min, "max": np.max}[heads](attention, axis=0)
        flat = a.flatten()
        count = int(len(flat) * discard)
        order = np.argsort(flat, kind="stable")
        if count:
            last, kept = flat[order[count - 1]], flat[order[count]]
            assert kept - last > GAP * kept, f"{heads} {discard}: {(kept - last) / kept}"
        # The first value, of the class token by itself, stays.
        flat[[index for index in order[:count] if index != 0]] = 0
        a = 0.5 * flat.reshape(tokens, tokens) + 0.5 * np.eye(tokens)
        result = (a / a.sum(1, keepdims=True)) @ result
    return result


def relevance(attentions, gradients):
    """R of Chefer, Gur and Wolf for self-attention."""
    result = np.eye(attentions[0].shape[-1])
    for a, g in zip(attentions, gradients):
        result = result + np.maximum(g * a, 0).mean(0) @ result
    return result


def legrad(gradients):
    """`[T]`: the sum over blocks of the mean over heads and queries."""
    return sum(np.maximum(g, 0).mean((0, 1)) for g in gradients)


def walked(network, model, target):
    """Logits, attention and its gradient by block, of one logit."""
    with watched() as found:
        logits = model(network.picture.double())
        logits[0, target].backward()
    assert len(found) == len(network.blocks(model))
    return logits, [p.detach().numpy()[0] for p in found], [p.grad.numpy()[0] for p in found]


def gradients_of_own_scores(network, model, target, pool):
    """For each block the gradient of the logit that the network's end makes of the block's own tokens."""
    outputs = []
    hook = lambda module, inputs, output: outputs.append(output[0] if isinstance(output, tuple) else output)
    hooks = [block.register_forward_hook(hook) for block in network.blocks(model)]
    with watched() as found:
        model(network.picture.double())
    for handle in hooks:
        handle.remove()
    gradients = []
    for p, z in zip(found, outputs):
        if pool == "mean":
            rows = list(z.unbind(1))
            for token in network.read:
                rows[token] = z.mean(1)
            z = torch.stack(rows, 1)
        score = network.tail(model, z)[0, target]
        gradients.append(torch.autograd.grad(score, p, retain_graph=True)[0].numpy()[0])
    return gradients


def summary(network, array):
    """All of a small network's numbers, every 97th of a large one's."""
    return array.flatten()[::97] if network.size[0] == 224 else array


def described(network):
    """What the methods say of one network."""
    model = network.double()
    arrays = {}
    places = slice(network.before, None)
    keep = lambda name, array: arrays.__setitem__(f"{network.name}.{name}", np.asarray(array, np.float32))
    for target in TARGETS:
        logits, attentions, gradients = walked(network, model, target)
        with torch.no_grad():
            tokens = []
            handle = network.blocks(model)[-1].register_forward_hook(
                lambda m, i, o: tokens.append(o[0] if isinstance(o, tuple) else o)
            )
            plain = model(network.picture.double())
            handle.remove()
            assert torch.allclose(plain, logits, rtol=1e-10, atol=1e-12)
            assert torch.allclose(network.tail(model, tokens[0]), logits, rtol=1e-10, atol=1e-12)
        for block, gradient in enumerate(gradients if target == TARGETS[-1] else []):
            keep(f"attention_gradient.{target}.{block}", summary(network, gradient))
        # The row of the identity says nothing of what attention did.
        r = relevance(attentions, gradients) - np.eye(attentions[0].shape[-1])
        keep(f"relevance.{target}", r[network.read].mean(0)[places])
        keep(f"legrad.end.{target}", legrad(gradients)[places])
        for pool in ("mean", "read"):
            own = gradients_of_own_scores(network, model, target, pool)
            keep(f"legrad.blocks.{pool}.{target}", legrad(own)[places])
        with libra():
            x = network.picture.double().requires_grad_()
            changed = model(x)
            assert torch.allclose(changed, logits, rtol=1e-10, atol=1e-12)
            changed[0, target].backward()
        gradient = x.grad.numpy()
        keep(f"libra_gradient.{target}", gradient[:, :, ::4, ::4] if network.size[0] == 224 else gradient)
    keep("logits", logits.detach().numpy())
    for block, attention in enumerate(attentions):
        keep(f"attention.{block}", summary(network, attention))
    for heads, discards in DISCARDS.items():
        for discard in discards if network.size[0] < 224 else (0.0,):
            row = rollout(attentions, heads, discard)[network.read].mean(0)
            keep(f"rollout.{heads}.{discard}", row)
    for name, array in arrays.items():
        assert array.size == 1 or array.std() > 0, name
        print(f"{name} {list(array.shape)}: {array.min():.4g} … {array.max():.4g}")
    return arrays


def exported(network):
    """ONNX files of the network in f32, by name."""
    model = network.single.float()
    for name, opset, dynamo, batch in network.exports:
        example = torch.zeros(1 if batch == "one" else 2, 3, *network.size)
        target = io.BytesIO()
        with contextlib.redirect_stdout(io.StringIO()):
            if dynamo:
                options = {}
                if batch != "one":
                    options["dynamic_shapes"] = ({0: torch.export.Dim("n")},)
                program = torch.onnx.export(model, (example,), dynamo=True, opset_version=opset, **options)
                target.write(program.model_proto.SerializeToString())
            else:
                options = {} if batch == "one" else {"dynamic_axes": {"x": {0: "n"}}}
                torch.onnx.export(
                    model, (example,), target, dynamo=False, opset_version=opset, input_names=["x"], **options
                )
        content = stripped(target.getvalue())
        yield f"{network.name}_{name}", content


def stripped(content):
    """The same file without the exporter's notes on every node, which are larger than the network."""
    model = onnx.load_model_from_string(content)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    return model.SerializeToString()


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    arrays, listed = {}, []
    for network in networks():
        files = []
        for name, content in exported(network):
            path = store.destination(CRATE, f"transformers/{name}.onnx")
            path.parent.mkdir(exist_ok=True)
            store.replace(path, content)
            files.append(name)
        arrays |= described(network)
        about = dict(name=network.name, size=network.size, grid=network.grid, before=network.before)
        listed.append(about | dict(read=network.read, blocks=len(network.blocks(network.single)), files=files))
    store.save_tensors(store.destination(CRATE, "transformers.safetensors"), arrays, "vision_transformers.py", PACKAGES)
    store.save_json(store.destination(CRATE, "transformers.json"), listed)


if __name__ == "__main__":
    main()
