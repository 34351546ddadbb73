"""Class activation maps by pytorch-grad-cam, before it rescales them, in f64.

pytorch-grad-cam scales every map to 0 … 1; here its `get_cam_image` is called, to compare the raw
numbers. Where it differs on purpose or uses f32, our own slow loop is used, compared with it. Parameters and
pictures follow from their names, as in networks.py and methods.py. `cams.py resnet18 vgg11` makes the maps of these
networks and keeps the others.
"""

import contextlib
import copy
import os
import sys

import numpy as np
import onnxruntime
import torch
from captum.attr import GuidedGradCam
from pytorch_grad_cam import (
    AblationCAM,
    EigenCAM,
    EigenGradCAM,
    FullGrad,
    GradCAM,
    GradCAMElementWise,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F

import methods
import networks
import onnx_files
import seeded
import store

PACKAGES = ("torch", "torchvision", "timm", "captum", "grad-cam", "onnxruntime", "numpy", "safetensors")
TARGET = 3
ALPHA = 0.8
SIMILAR = 3
# Maps of the picture's size are stored at every so many rows and columns.
STEP = 4
GRADIENT_CAMS = {
    "grad-cam": GradCAM,
    "grad-cam++": GradCAMPlusPlus,
    "xgrad-cam": XGradCAM,
    "hires-cam": HiResCAM,
    "layer-cam": LayerCAM,
    "element-wise-cam": GradCAMElementWise,
    "eigen-cam": EigenCAM,
    "eigengrad-cam": EigenGradCAM,
}


class Cnn(onnx_files.Cnn):
    """The network of `cnn_script_17.onnx` with its last feature map as a module."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = self.first(F.relu(self.bn(self.stem(x))))
        x = self.pool(x)
        y = F.hardswish(self.bn2(self.deep(x)))
        s = F.adaptive_avg_pool2d(y, 1)
        y = y * F.hardsigmoid(self.excite(F.relu6(self.squeeze(s))))
        x = torch.cat([x + y, F.silu(x)], 1)
        x = self.last(F.gelu(self.wide(F.relu(self.after(x)))))
        x = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Vit(onnx_files.Vit):
    """The network of `vit_script_17.onnx` with the sum behind its first block as a module."""

    def __init__(self):
        super().__init__()
        self.last = nn.Identity()

    def forward(self, x):
        x = self.patch(x)
        n, d, h, w = x.shape
        x = x.reshape(n, d, h * w).permute(0, 2, 1)
        x = torch.cat([self.cls_token.expand(n, -1, -1), x], 1) + self.pos_embed
        x = x + self.gamma * self.attn(self.norm1(x))
        x = self.last(x + self.mlp(self.norm2(x)))
        y, _ = self.other(x, x, x, need_weights=False)
        return self.head((x + y)[:, 0])


def onnx_twin(kind, file):
    """The PyTorch network that `file` was exported from; checked with ONNX Runtime."""
    network = onnx_files.built(kind).double()
    path = str(store.destination("dvm-onnx", file))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[2:]
    x = np.random.default_rng(5).standard_normal((1, 3, *side)).astype(np.float32)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x})
    with torch.no_grad():
        found = network(torch.from_numpy(x).double()).numpy()
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5), f"{file} is another network"
    return network


def tokens_as_maps(before, rows, columns):
    """`[N, T, D]` as `[N, D, rows, columns]`, without the tokens that stand for no place."""
    return lambda x: x[:, before:].reshape(len(x), rows, columns, -1).permute(0, 3, 1, 2)


def channels_last_as_maps(x):
    return x.permute(0, 3, 1, 2)


def is_map(x):
    return x


# Network: size, limit of the picture's values ±, and by our names of nodes: module, how its value becomes
# a feature map. The first is the default of each family, the second the one of Score-CAM.
CASES = {
    "resnet18": ((64, 96), 2.0, {
        "layer4.1.relu2": (lambda n: n.layer4, is_map),
        "layer1.1.relu2": (lambda n: n.layer1, is_map),
        "layer3.1.relu2": (lambda n: n.layer3, is_map),
    }),
    "vgg11": ((64, 96), 64.0, {
        "features.20": (lambda n: n.features, is_map),
        "features.2": (lambda n: n.features[2], is_map),
    }),
    "efficientnet_b0": ((64, 96), 256.0, {
        "features.8.2": (lambda n: n.features[-1], is_map),
        "features.1.0.block.2.1": (lambda n: n.features[1], is_map),
    }),
    "convnext_tiny": ((64, 96), 2.0, {
        "features.7.2.add": (lambda n: n.features[-1], is_map),
        # Not the last of the stage: the norm behind that one makes activation × gradient add up to 0.
        "features.1.1.add": (lambda n: n.features[1][1], is_map),
    }),
    "swin_t": ((64, 96), 2.0, {
        "features.7.1.norm2": (lambda n: n.features[-1][-1].norm2, channels_last_as_maps),
        "features.1.1.norm2": (lambda n: n.features[1][-1].norm2, channels_last_as_maps),
    }),
    "deit_tiny_patch16_224": ((224, 224), 2.0, {
        "blocks.11.norm1": (lambda n: n.blocks[-1].norm1, tokens_as_maps(1, 14, 14)),
    }),
    "cnn_script_17": ((18, 14), 2.0, {
        "/Mul_3": (lambda n: n.last, is_map),
        "/Relu": (lambda n: n.first, is_map),
    }),
    "vit_script_17": ((12, 12), 2.0, {
        "/Add_2": (lambda n: n.last, tokens_as_maps(1, 3, 3)),
        "norm1": (lambda n: n.norm1, tokens_as_maps(1, 3, 3)),
    }),
}  # fmt: skip
ONNX = {"cnn_script_17": Cnn, "vit_script_17": Vit}


def build(name):
    if name in ONNX:
        return onnx_twin(ONNX[name], f"{name}.onnx").requires_grad_(True)
    return networks.build(name)


def picture(name, size, limit):
    """`[1, 3, H, W]`: bytes that follow from the name, as (p / 255 − 0.5) / (0.5 / limit) in f32 steps."""
    bytes_ = np.floor(256 * seeded.unit(f"cam.{name}.input", size[0] * size[1] * 3)).astype(np.float32)
    std = np.float32(0.5 / limit)
    values = (bytes_.reshape(*size, 3) / np.float32(255) - np.float32(0.5)) / std
    return torch.from_numpy(values.transpose(2, 0, 1)[None].copy()).double()


def without_scaling(cam, x, layer, targets, smooth=False):
    """The raw map `[h, w]` of one layer."""
    outputs = cam.activations_and_grads(x)
    if cam.uses_gradients:
        cam.model.zero_grad()
        sum(target(output) for target, output in zip(targets, outputs)).backward()
    (activations,) = [a.numpy() for a in cam.activations_and_grads.activations]
    grads = [g.numpy() for g in cam.activations_and_grads.gradients] or [None]
    return cam.get_cam_image(x, layer, targets, activations, grads[0], smooth)[0].astype(np.float64)


@contextlib.contextmanager
def half_pixel_centres():
    """pytorch-grad-cam upsamples Score-CAM's masks with aligned corners, the authors without; as do we."""
    own = torch.nn.UpsamplingBilinear2d
    torch.nn.UpsamplingBilinear2d = lambda size: nn.Upsample(size=size, mode="bilinear", align_corners=False)
    yield
    torch.nn.UpsamplingBilinear2d = own


def quiet(work):
    """Without progress bars."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        return work()


def activations_of(network, layer, x):
    kept = []
    hook = layer.register_forward_hook(lambda _m, _i, output: kept.append(output.detach().clone()))
    with torch.no_grad():
        logits = network(x)[0].numpy()
    hook.remove()
    return kept[0], logits


def score_cam_by_probabilities(network, layer, to_map, x):
    """The authors' own program: channels weighted by the probability of the class, no softmax over channels."""
    value, _ = activations_of(network, layer, x)
    channels = to_map(value)
    total = np.zeros(channels.shape[2:])
    for channel in channels[0]:
        mask = F.interpolate(channel[None, None], x.shape[2:], mode="bilinear", align_corners=False)
        if channel.max() == channel.min():
            continue
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        with torch.no_grad():
            probability = network(x * mask).softmax(1)[0, TARGET].item()
        total += probability * channel.numpy()
    return total


def ablation_cam(network, layer, to_map, x):
    """(y − y without channel k) / |y| as weights, with channels set to 0 whatever their lowest value."""
    value, logits = activations_of(network, layer, x)
    axis = {3: 2, 4: 1}[value.dim()] if to_map is not channels_last_as_maps else 3
    weights = []
    with torch.no_grad():
        for channel in range(value.shape[axis]):
            changed = value.clone()
            changed.select(axis, channel).zero_()
            hook = layer.register_forward_hook(lambda _m, _i, _o, changed=changed: changed)
            weights.append(logits[TARGET] - network(x)[0, TARGET].item())
            hook.remove()
    weights = np.array(weights) / abs(logits[TARGET])
    return np.tensordot(weights, to_map(value)[0].numpy(), 1), logits[TARGET]


def similar_classes(logits):
    """As FinerCAM sorts them."""
    order = np.argsort(np.abs(logits - logits[TARGET]))
    assert order[0] == TARGET
    return [int(k) for k in order[1 : 1 + SIMILAR]]


class MeanTarget:
    """Logit of the class minus ALPHA times the mean of those of the similar ones."""

    def __init__(self, similar):
        self.similar = similar

    def __call__(self, output):
        return output[TARGET] - ALPHA * output[self.similar].mean()


def averaged_over_augmentations(network, layer, to_map, x):
    """The raw Grad-CAM of the six pictures of pytorch-grad-cam's aug_smooth, turned back, averaged."""
    with GradCAM(network, [layer], to_map) as cam:
        maps = []
        for transform in cam.tta_transforms:
            raw = without_scaling(cam, transform.augment_image(x), layer, [ClassifierOutputTarget(TARGET)])
            maps.append(transform.deaugment_mask(torch.from_numpy(raw[None, None])).numpy()[0, 0])
    assert len(maps) == 6
    return np.mean(maps, axis=0)


def full_grad_parts(network, x):
    """Input · gradient `[3, H, W]` and, layer by layer, bias · gradient `[C, h, w]`, by pytorch-grad-cam."""
    with quiet(lambda: FullGrad(network, [])) as cam:
        x = x.clone().requires_grad_()
        output = cam.activations_and_grads(x)
        cam.model.zero_grad()
        output[0, TARGET].backward()
        parts = [
            bias[:, None, None] * gradient[0].numpy()
            for bias, gradient in zip(cam.bias_data, cam.activations_and_grads.gradients)
        ]
    return (x * x.grad)[0].detach().numpy(), parts


def rescaled(values, by):
    """Absolute values, min-max scaled: not at all, each layer (the authors), each channel (pytorch-grad-cam)."""
    values = np.abs(values)
    if by == "none":
        return values
    axes = {"layer": (0, 1, 2), "channel": (1, 2)}[by]
    values = values - values.min(axes, keepdims=True)
    epsilon = {"layer": 1e-6, "channel": 1e-7}[by]
    return values / (values.max(axes, keepdims=True) + epsilon)


def full_grad_map(parts, by):
    own, biases = parts
    total = rescaled(own, by).sum(0)
    for part in biases:
        plane = torch.from_numpy(rescaled(part, by).sum(0))[None, None]
        total = total + F.interpolate(plane, total.shape, mode="bilinear", align_corners=False)[0, 0].numpy()
    return total


def check_full_grad(network, x, own):
    """Our map with channels rescaled is what pytorch-grad-cam adds up, but for its f32."""
    with quiet(lambda: FullGrad(network, [])) as cam:
        theirs = cam(x.clone(), [ClassifierOutputTarget(TARGET)])[0]
    own = own - own.min()
    assert np.abs(own / own.max() - theirs).max() < 1e-4


def linear_bias_parts(network, x, layers):
    """The sum of bias · gradient of these linear layers."""
    total = []

    def keep(module, _input, output):
        # A hook, since a ReLU may change the output in place.
        output.register_hook(lambda gradient: total.append((module.bias * gradient[0]).sum().item()))

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    network(x.clone().requires_grad_())[0, TARGET].backward()
    for hook in hooks:
        hook.remove()
    return sum(total)


def resized(raw, size):
    """As the map is: relu, then bilinear with half-pixel centres."""
    raw = torch.from_numpy(np.maximum(raw, 0))[None, None]
    return F.interpolate(raw, size, mode="bilinear", align_corners=False)[0, 0].numpy()


def reference(name):
    """Arrays of one network, by `<network>.<layer>.<what>`."""
    size, limit, layers = CASES[name]
    network, x = build(name), picture(name, size, limit)
    targets = [ClassifierOutputTarget(TARGET)]
    arrays = {"logits": network(x)[0].detach().numpy()}
    logits = arrays["logits"]
    print(name, "logits", np.round(logits, 3))
    for position, (node, (module, to_map)) in enumerate(layers.items()):
        layer = module(network)
        found = {}
        for method, cam_of in GRADIENT_CAMS.items():
            with cam_of(network, [layer], to_map) as cam:
                found[method] = without_scaling(cam, x, layer, targets)
                if method in ("grad-cam", "layer-cam"):
                    found[f"{method}.smooth"] = without_scaling(cam, x, layer, targets, smooth=True)
        with GradCAM(network, [layer], to_map) as cam:
            similar = similar_classes(logits)
            found["finer-cam.mean"] = without_scaling(cam, x, layer, [MeanTarget(similar)])
            weighted = [FinerWeightedTarget(TARGET, similar, ALPHA)]
            found["finer-cam.softmax"] = without_scaling(cam, x, layer, weighted)
        value, _ = activations_of(network, layer, x)
        flat = to_map(value)[0].flatten(1).numpy().T
        first = np.linalg.svd(flat, full_matrices=False)[2][0]
        found["eigen-cam.uncentred"] = (flat @ first).reshape(found["grad-cam"].shape)
        if position == 0:
            found["grad-cam.augment"] = averaged_over_augmentations(network, layer, to_map, x)
            found["grad-cam.map"] = resized(found["grad-cam"], size)[::STEP, ::STEP]
            found["ablation-cam"], logit = ablation_cam(network, layer, to_map, x)
            if to_map is is_map and value.min() == 0:
                # There pytorch-grad-cam sets channels to 0, too; it divides by y, not |y|, in f32.
                with AblationCAM(copy.deepcopy(network), [layer], to_map) as cam:
                    cam.target_layers = [module(cam.model)]
                    cam.activations_and_grads.release()
                    twin = AblationCAM(cam.model, cam.target_layers, to_map, batch_size=8)
                    theirs = quiet(lambda: without_scaling(twin, x, cam.target_layers[0], targets))
                error = np.abs(theirs * np.sign(logit) - found["ablation-cam"]).max() / np.abs(theirs).max()
                print(f"    ablation: pytorch-grad-cam's f32 is off by {error:.1e}")
                assert error < 1e-3
        if position == 1:
            with half_pixel_centres(), ScoreCAM(network, [layer], to_map) as cam:
                found["score-cam"] = quiet(lambda: without_scaling(cam, x, layer, targets))
            found["score-cam.probability"] = score_cam_by_probabilities(network, layer, to_map, x)
        for key, value in found.items():
            print(f"    {node} {key}: {value.min():.3g} … {value.max():.3g}")
            assert np.abs(value).max() > 0
            arrays[f"{node}.{key}"] = value
    if name in ("resnet18", "vgg11", "efficientnet_b0"):
        parts = full_grad_parts(network, x)
        maps = {by: full_grad_map(parts, by) for by in ("none", "layer", "channel")}
        check_full_grad(network, x, maps["channel"])
        for by, values in maps.items():
            arrays[f"full-grad.{by}"] = values[::STEP, ::STEP]
        arrays["full-grad.biases"] = np.array([part.sum() for part in parts[1]])
    if name in ("resnet18", "vgg11"):
        linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
        total = parts[0].sum() + arrays["full-grad.biases"].sum() + linear_bias_parts(network, x, linear)
        print(f"    full-grad adds up to {total}, the logit is {logits[TARGET]}")
        assert abs(total - logits[TARGET]) < 1e-8 * abs(logits[TARGET])
        layer = network.layer4 if name == "resnet18" else network.features[20]
        guided = GuidedGradCam(network, layer).attribute(x.clone(), TARGET, interpolate_mode="bilinear")
        arrays["guided-grad-cam"] = guided[0].detach().numpy()[:, ::STEP, ::STEP]
    return {f"{name}.{key}": value for key, value in arrays.items()}


def check_the_tiny_networks():
    """What the tests of dvm-attribution work out by hand."""
    network = methods.TinyNetwork().double().eval()
    x = torch.arange(16.0).reshape(1, 1, 4, 4).double()
    expected = {
        ("grad-cam", "conv1"): "11.25 13.5 / 20.25 22.5",
        ("grad-cam", "relu1"): "0 4 / 28 32.5",
        ("hires-cam", "relu1"): "0 4 / 25 25",
        ("xgrad-cam", "relu1"): "0 4 / 25 25",
        ("layer-cam", "relu1"): "0 4 / 31 40",
        ("grad-cam++", "relu1"): "0 0.2078 / 1.8713 2.7301",
    }
    for (method, layer), text in expected.items():
        rows = np.array([[float(value) for value in row.split()] for row in text.split("/")])
        module = getattr(network, layer)
        with GRADIENT_CAMS[method](network, [module]) as cam:
            raw = without_scaling(cam, x, module, [ClassifierOutputTarget(0)])
        if layer == "conv1":
            raw = np.maximum(raw, 0)
        assert np.allclose(raw, rows, atol=1e-4), (method, layer, raw)


def main():
    torch.set_num_threads(1)
    check_the_tiny_networks()
    path = store.destination("dvm", "cams.safetensors")
    wanted = sys.argv[1:] if __name__ == "__main__" and sys.argv[1:] else list(CASES)
    tensors = {}
    if len(wanted) < len(CASES):
        kept = load_file(path)
        tensors |= {key: value for key, value in kept.items() if key.split(".")[0] not in wanted}
    for name in wanted:
        tensors |= reference(name)
    store.save_tensors(
        path,
        {key: value.astype(np.float32) for key, value in tensors.items()},
        "cams.py",
        PACKAGES,
    )
    described = {
        "target": TARGET,
        "classes": networks.CLASSES,
        "alpha": ALPHA,
        "similar": SIMILAR,
        "step": STEP,
        "networks": [
            {
                "name": name,
                "input": {"name": f"cam.{name}.input", "size": size, "mean": 0.5, "std": 0.5 / limit},
                "layers": list(layers),
            }
            for name, (size, limit, layers) in CASES.items()
        ],
    }
    store.save_json(store.destination("dvm", "cams.json"), described)


if __name__ == "__main__":
    main()
