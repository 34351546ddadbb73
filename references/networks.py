"""Logits and input gradients of whole networks, and one training step of some, in f64.

Parameters are computed from their state-dict names (`seeded.fill`), the input from `<network>.input`. Every
network has its own files; `networks.py resnet18 vgg16` makes those of these two.
"""

import contextlib
import copy
import hashlib
import sys

import numpy as np
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as f

import dropout
import functional
import seeded
import store

PACKAGES = ("torch", "torchvision", "timm", "numpy", "safetensors")
CLASSES = 10
TARGET = 3
# A prime, so that the sample meets every channel, row and column.
SAMPLE_STRIDE = 251
# Number of images, their side in pixels, and the input's range ± limit. SqueezeNet and the plain VGGs
# have no batch-norm: seeded weights halve the signal per layer, and only a large input is still seen
# beside the biases; SiLU and squeeze-and-excitation quarter it. Where batch-norms do not match the signal
# (their statistics are seeded, too), as in networks of many branches, a larger input helps likewise. VGG
# takes 15 GMAC at 224 pixels; at 96 its adaptive pool has something to do, too.
INPUTS = {
    "squeezenet1_1": (2, 224, 64.0),
    "resnet18": (2, 224, 2.0),
    "resnet34": (1, 224, 2.0),
    "resnet50": (1, 224, 2.0),
    "resnet101": (1, 224, 2.0),
    "resnet152": (1, 224, 2.0),
    "efficientnet_lite0": (2, 224, 2.0),
    "vgg11": (2, 96, 64.0),
    "vgg11_bn": (1, 96, 2.0),
    "vgg13": (1, 96, 64.0),
    "vgg13_bn": (1, 96, 2.0),
    "vgg16": (2, 96, 64.0),
    "vgg16_bn": (1, 96, 2.0),
    "vgg19": (1, 96, 64.0),
    "vgg19_bn": (1, 96, 2.0),
    "resnext50_32x4d": (1, 96, 2.0),
    "resnext101_32x8d": (1, 64, 2.0),
    "resnext101_64x4d": (1, 64, 2.0),
    "wide_resnet50_2": (1, 64, 2.0),
    "wide_resnet101_2": (1, 64, 2.0),
    "alexnet": (1, 127, 64.0),
    "squeezenet1_0": (1, 127, 64.0),
    "densenet121": (2, 96, 16.0),
    "densenet161": (1, 64, 16.0),
    "densenet169": (1, 64, 16.0),
    "densenet201": (1, 64, 16.0),
    "googlenet": (2, 96, 64.0),
    "inception_v3": (1, 107, 1024.0),
    "mobilenet_v2": (2, 96, 16.0),
    "mobilenet_v3_large": (2, 96, 128.0),
    "mobilenet_v3_small": (1, 96, 128.0),
    "mobilenetv3_large_100": (1, 96, 128.0),
    "mobilenetv3_small_100": (1, 96, 128.0),
    "shufflenet_v2_x0_5": (2, 96, 16.0),
    "shufflenet_v2_x1_0": (1, 96, 16.0),
    "shufflenet_v2_x1_5": (1, 96, 16.0),
    "shufflenet_v2_x2_0": (1, 96, 16.0),
    "efficientnet_b0": (2, 96, 256.0),
    "efficientnet_b1": (1, 64, 256.0),
    "efficientnet_b2": (1, 64, 256.0),
    "efficientnet_b3": (1, 64, 256.0),
    "efficientnet_b4": (1, 64, 64.0),
    "efficientnet_b5": (1, 64, 64.0),
    "efficientnet_b6": (1, 64, 64.0),
    "efficientnet_b7": (1, 64, 64.0),
    "tf_efficientnet_b0": (1, 64, 256.0),
    "tf_efficientnet_b1": (1, 64, 256.0),
    "tf_efficientnet_b2": (1, 64, 256.0),
    "tf_efficientnet_b3": (1, 64, 256.0),
    "tf_efficientnet_b4": (1, 64, 64.0),
    "tf_efficientnet_b5": (1, 64, 64.0),
    "tf_efficientnet_b6": (1, 64, 64.0),
    "tf_efficientnet_b7": (1, 64, 64.0),
    "efficientnet_lite1": (1, 96, 2.0),
    "efficientnet_lite2": (1, 96, 2.0),
    "efficientnet_lite3": (1, 96, 2.0),
    "efficientnet_lite4": (1, 96, 2.0),
    "convnext_tiny": (2, 64, 2.0),
    "convnext_small": (1, 64, 2.0),
    "convnext_base": (1, 64, 2.0),
    "convnext_large": (1, 64, 2.0),
    "vit_b_16": (1, 224, 2.0),
    "vit_b_32": (1, 224, 2.0),
    "vit_l_16": (1, 224, 2.0),
    "vit_tiny_patch16_224": (2, 224, 2.0),
    "vit_small_patch16_224": (1, 224, 2.0),
    "vit_small_patch32_224": (1, 224, 2.0),
    "vit_base_patch16_224": (1, 224, 2.0),
    "deit_tiny_patch16_224": (1, 224, 2.0),
    "deit_small_patch16_224": (1, 224, 2.0),
    "deit_base_patch16_224": (1, 224, 2.0),
    # Three windows and a rest at the first stage, less than one at the last.
    "swin_t": (2, 100, 2.0),
    "swin_s": (1, 100, 2.0),
    "swin_b": (1, 100, 2.0),
}
# Networks that timm has and torchvision has not, by timm's name.
TIMM = {
    **{f"efficientnet_lite{i}": f"tf_efficientnet_lite{i}" for i in range(5)},
    **{
        name: name
        for name in (
            *(f"tf_efficientnet_b{i}" for i in range(8)),
            "mobilenetv3_large_100",
            "mobilenetv3_small_100",
            "vit_tiny_patch16_224",
            "vit_small_patch16_224",
            "vit_small_patch32_224",
            "vit_base_patch16_224",
            "deit_tiny_patch16_224",
            "deit_small_patch16_224",
            "deit_base_patch16_224",
        )
    },
}
# What torchvision builds with published weights, and only then without being told.
ARGUMENTS = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}
# Networks whose step of training is described, too: pictures and side.
TRAINED = {
    "resnet18": (4, 64),
    "alexnet": (4, 96),
    "densenet121": (3, 64),
    "googlenet": (4, 64),
    # Smaller pictures leave its auxiliary head nothing to see.
    "inception_v3": (2, 299),
    "mobilenet_v3_small": (4, 64),
    "vit_tiny_patch16_224": (2, 224),
}
# What the losses of auxiliary heads count, in the order of the network's outputs.
AUXILIARIES = {"googlenet": (0.3, 0.3), "inception_v3": (0.4,)}
# Where in our graphs of these networks dropouts stand; their masks follow from it.
DROPOUTS = {
    "alexnet": {"classifier.0": 16, "classifier.3": 19},
    "googlenet": {"aux1.dropout": 81, "aux2.dropout": 150, "dropout": 215},
    "inception_v3": {"dropout": 319},
    "mobilenet_v3_small": {"classifier.2": 156},
}
# How far the outputs of a sound f32 convolution may be off, relative to the largest: sums in
# another order, and Winograd. One ReLU near zero that flips changes whole patches of a gradient.
ROUNDINGS = (1e-6, 1e-5)
ROUNDING_DRAWS = 3
# A gradient whose norm is less than this part of the largest is zero but for rounding: that of the bias
# of a batch-norm, if nothing but a convolution comes before the next one.
ZERO = 1e-12
# Networks with so many ReLUs that some flip in every f32 step of training; how far that moves gradients
# is described, too.
FLIPPING = {"densenet121", "googlenet", "inception_v3"}
# What passes the positive and holds back the negative, and so gets the rules of guided backprop and
# deconvnet; gates (sigmoids) keep their true gradient.
RECTIFIERS = {
    nn.ReLU: f.relu,
    nn.ReLU6: f.relu6,
    nn.SiLU: f.silu,
    nn.GELU: f.gelu,
    nn.Hardswish: f.hardswish,
}
# Those with a slope that jumps, and pools whose winner may change: what makes a gradient jump, too.
KINKED = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.MaxPool2d)
# Autograd nodes of every rectifier; none may be left once the rules are in place.
RECTIFIER_NODES = ("Relu", "Hardtanh", "Clamp", "Threshold", "Silu", "Gelu", "Hardswish")


class GuidedRectifier(torch.autograd.Function):
    """max(g, 0) times the slope."""

    @staticmethod
    def forward(context, x, function):
        context.save_for_backward(x)
        context.function = function
        return function(x)

    @staticmethod
    def backward(context, grad):
        (x,) = context.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(context.function(x).sum(), x)
        return grad.clamp(min=0) * slope, None


class DeconvnetRectifier(torch.autograd.Function):
    """max(g, 0), whatever x was."""

    @staticmethod
    def forward(context, x, function):
        return function(x)

    @staticmethod
    def backward(context, grad):
        return grad.clamp(min=0), None


class RuledActivation(nn.Module):
    """One of RECTIFIERS with another backward rule."""

    def __init__(self, rectifier, replaced):
        super().__init__()
        self.rectifier, self.function = rectifier, RECTIFIERS[type(replaced)]
        self.kinked = isinstance(replaced, KINKED)

    def forward(self, x):
        return self.rectifier.apply(x, self.function)


def with_rule(network, rectifier):
    """A copy of `network` whose RECTIFIERS go backward by `rectifier`."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) in RECTIFIERS:
                setattr(module, name, RuledActivation(rectifier, child))
    return network


def create(name, classes):
    """The network as torchvision builds it, or else timm."""
    if name in TIMM:
        return timm.create_model(TIMM[name], pretrained=False, num_classes=classes)
    network = torchvision.models.get_model(
        name, weights=None, num_classes=classes, **ARGUMENTS.get(name, {})
    )
    return functional.with_modules(network)


def build(name):
    """The network in evaluation mode, f64, filled with seeded parameters."""
    network = create(name, CLASSES)
    with torch.no_grad():
        seeded.fill(network)
    return network.double().eval()


def state_dict(name):
    """Number of parameters and statistics of the network for 1000 classes, the SHA-256 of their names
    and shapes, and the number of learned values."""
    network = create(name, 1000)
    entries = [
        f"{key} {list(value.shape)}\n"
        for key, value in network.state_dict().items()
        if not key.endswith(("num_batches_tracked", "relative_position_index"))
    ]
    return {
        "state_dict_size": len(entries),
        "state_dict_sha256": hashlib.sha256("".join(sorted(entries)).encode()).hexdigest(),
        "learned_parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def autograd_nodes(output):
    """The names of all autograd nodes behind `output`."""
    names, seen, open_nodes = [], set(), [output.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.append(node.name())
        open_nodes += [parent for parent, _ in node.next_functions]
    return names


def logits_and_gradient(network, values, precision=torch.float64):
    """Logits, the gradient of `logits[:, TARGET].sum()`, and the autograd nodes on the way."""
    x = torch.from_numpy(values).to(precision).requires_grad_()
    logits = network(x)
    nodes = autograd_nodes(logits)
    logits[:, TARGET].sum().backward()
    return logits.detach().numpy(), x.grad.numpy(), nodes


@contextlib.contextmanager
def rounded_convolutions(network, amplitude, seed):
    """Adds noise up to `amplitude` times the largest output to what every convolution returns."""
    generator = torch.Generator().manual_seed(seed)

    def add_noise(_module, _input, output):
        noise = 2 * torch.rand(output.shape, generator=generator, dtype=output.dtype) - 1
        return output + amplitude * output.detach().abs().max() * noise

    hooks = [m.register_forward_hook(add_noise) for m in network.modules() if isinstance(m, nn.Conv2d)]
    yield
    for hook in hooks:
        hook.remove()


def sample(gradient):
    return gradient.reshape(-1)[::SAMPLE_STRIDE]


def check_health(name, network, values, logits, gradient):
    """Raises unless the signal gets through: no dead network can tell right from wrong."""
    alive = []

    def note(_module, _input, output):
        # The few values of a squeezed layer may all be negative.
        if output.numel() >= 500:
            alive.append((output > 0).double().mean().item())

    hooks = [
        module.register_forward_hook(note)
        for module in network.modules()
        if isinstance(module, tuple(RECTIFIERS))
    ]
    with torch.no_grad():
        network(torch.from_numpy(values).double())
    for hook in hooks:
        hook.remove()
    spread = logits.std(axis=1).min() / np.abs(logits).max()
    between = np.abs(logits[0] - logits[-1]).max() / np.abs(logits).max()
    print(
        f"{name}: |logit| ≤ {np.abs(logits).max():.3g}, spread {spread:.2g}, between images {between:.2g}, "
        f"|gradient| ≤ {np.abs(gradient).max():.3g}, zeros {np.mean(gradient == 0):.1%}, "
        f"positive after rectifiers {min(alive):.0%}…{max(alive):.0%}"
    )
    assert np.isfinite(logits).all() and spread > 1e-3
    assert len(logits) == 1 or between > 1e-3
    assert min(alive) > 0.02 and np.mean(gradient == 0) < 0.2


def inference(name):
    """Tensors and description of one network in evaluation mode."""
    network = build(name).requires_grad_(False)
    images, side, limit = INPUTS[name]
    shape = (images, 3, side, side)
    values = seeded.uniform(f"{name}.input", shape, -limit, limit)
    logits, gradient, _ = logits_and_gradient(network, values)
    check_health(name, network, values, logits, gradient)

    tensors = {f"{name}.logits": logits}
    single_logits = logits_and_gradient(copy.deepcopy(network).float(), values, torch.float32)[0]
    tensors[f"{name}.logits_f32_error"] = relative_error(single_logits, logits)
    add_gradient(tensors, f"{name}.input_grad", gradient, network, values)
    for rule, rectifier in (("guided", GuidedRectifier), ("deconvnet", DeconvnetRectifier)):
        ruled = with_rule(network, rectifier)
        ruled_logits, ruled_gradient, nodes = logits_and_gradient(ruled, values)
        left = [node for node in nodes if node.startswith(RECTIFIER_NODES)]
        assert not left, f"{name}: {left} kept their own rule"
        assert any(rectifier.__name__ in node for node in nodes)
        assert np.array_equal(ruled_logits, logits), f"{name}: {rule} changed the forward pass"
        add_gradient(tensors, f"{name}.{rule}.input_grad", ruled_gradient, ruled, values)
    described = {
        "name": name,
        "classes": CLASSES,
        "input": {"name": f"{name}.input", "shape": shape, "low": -limit, "high": limit},
        "target": TARGET,
        "sample_stride": SAMPLE_STRIDE,
        "roundings": ROUNDINGS,
        **state_dict(name),
    }
    depths = stochastic_depths(network, values)
    if depths:
        described["stochastic_depths"] = depths
    return tensors, described


def stochastic_depths(network, values):
    """With what probability each residual branch is dropped in training, in the order in which they are
    computed, but for those that never are."""
    found = []

    def note(module, _input, _output):
        if module.p > 0:
            found.append(module.p)

    modules = [m for m in network.modules() if isinstance(m, torchvision.ops.StochasticDepth)]
    hooks = [module.register_forward_hook(note) for module in modules]
    with torch.no_grad():
        network(torch.from_numpy(values).double())
    for hook in hooks:
        hook.remove()
    return found


def add_gradient(tensors, key, gradient, network, values):
    """Adds the sample, norm and maximum, and how far f32 arithmetic may be off."""
    assert np.linalg.norm(gradient) > 0
    single = logits_and_gradient(copy.deepcopy(network).float(), values, torch.float32)[1]
    tensors[key] = sample(gradient)
    tensors[f"{key}_norm"] = np.array([np.linalg.norm(gradient)])
    tensors[f"{key}_max"] = np.array([np.abs(gradient).max()])
    tensors[f"{key}_f32_error"] = relative_error(single, gradient)
    tensors[f"{key}_f32_sample_error"] = relative_error(sample(single), sample(gradient))
    tensors[f"{key}_rounding_l2"] = rounding_error(gradient, network, values)
    print(
        f"    {key}: norm {np.linalg.norm(gradient):.3g}, PyTorch's f32 is off by "
        f"{tensors[f'{key}_f32_error'][0]:.1e} (sample {tensors[f'{key}_f32_sample_error'][0]:.1e}), "
        f"rounding allows {tensors[f'{key}_rounding_l2']} of the sample's norm"
    )


def rounding_error(gradient, network, values):
    """The worst |sample of rounded − sample| / |sample| (L2), one number per rounding; none where
    nothing can flip."""
    if not any(getattr(module, "kinked", isinstance(module, KINKED)) for module in network.modules()):
        return np.zeros(len(ROUNDINGS))
    worst = []
    for amplitude in ROUNDINGS:
        errors = []
        for seed in range(ROUNDING_DRAWS):
            with rounded_convolutions(network, amplitude, seed):
                rounded = logits_and_gradient(network, values)[1]
            errors.append(np.linalg.norm(sample(rounded - gradient)) / np.linalg.norm(sample(gradient)))
        worst.append(max(errors))
    return np.array(worst)


def relative_error(single, exact):
    """max |f32 − f64| / max |f64|, as an array of one number."""
    return np.array([np.abs(single - exact).max() / np.abs(exact).max()])


def train_step(network, values, labels, auxiliaries, precision):
    """Loss, logits, gradients by parameter name, and running statistics after one forward."""
    network = copy.deepcopy(network).to(precision).train()
    outputs = network(torch.from_numpy(values).to(precision))
    logits, *heads = outputs if isinstance(outputs, tuple) else [outputs]
    loss = f.cross_entropy(logits, labels)
    for weight, head in zip(auxiliaries, heads, strict=True):
        loss = loss + weight * f.cross_entropy(head, labels)
    loss.backward()
    gradients = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    statistics = {name: b.numpy() for name, b in network.named_buffers() if "running_" in name}
    return np.array([loss.item()]), logits.detach().numpy(), gradients, statistics


def gradient_rounding(network, values, labels, auxiliaries):
    """The worst change of a gradient's norm or probe, relative to the norm, when every convolution is
    rounded by the first of ROUNDINGS; one number per parameter."""
    exact = digest(train_step(network, values, labels, auxiliaries, torch.float64)[2])
    worst = np.zeros_like(exact[0])
    for seed in range(ROUNDING_DRAWS):
        with rounded_convolutions(network, ROUNDINGS[0], seed):
            rounded = digest(train_step(network, values, labels, auxiliaries, torch.float64)[2])
        for value, other in zip(exact, rounded):
            worst = np.maximum(worst, np.abs(other - value) / exact[0])
    print(f"    rounding moves gradients by {worst.min():.1e}…{worst.max():.1e}, half by {np.median(worst):.1e}")
    return worst


def digest(arrays):
    """Norm of each array, and its dot product with `seeded.uniform("probe.<name>", …, -1, 1)`."""
    norms = [np.linalg.norm(array) for array in arrays.values()]
    probes = [
        np.sum(array.astype(np.float64) * seeded.uniform(f"probe.{name}", array.shape, -1.0, 1.0))
        for name, array in arrays.items()
    ]
    return np.array(norms), np.array(probes)


def training(name):
    """Tensors and description of one training step: cross-entropy, labels 0, 1, 2, 3."""
    dropouts = DROPOUTS.get(name, {})
    network = dropout.with_our_masks(build(name), dropouts)
    auxiliaries = AUXILIARIES.get(name, ())
    pictures, side = TRAINED[name]
    shape = (pictures, 3, side, side)
    limit = INPUTS[name][2]
    values = seeded.uniform(f"{name}.train_input", shape, -limit, limit)
    labels = torch.arange(pictures)
    loss, logits, gradients, statistics = train_step(network, values, labels, auxiliaries, torch.float64)
    single_loss, single_logits, single_gradients, _ = train_step(network, values, labels, auxiliaries, torch.float32)
    norms, probes = digest(gradients)
    zero = norms < ZERO * norms.max()
    errors = [
        np.abs(single_gradients[key]).max() / norms.max()
        if is_zero
        else relative_error(single_gradients[key], gradients[key])[0]
        for key, is_zero in zip(gradients, zero)
    ]
    statistic_norms, statistic_probes = digest(statistics)
    print(
        f"{name} training: loss {loss[0]:.4f}, gradient norms {norms.min():.3g}…{norms.max():.3g}, "
        f"PyTorch's f32 off by {min(errors):.1e}…{max(errors):.1e}"
    )
    print(f"    zero but for rounding: {[key for key, is_zero in zip(gradients, zero) if is_zero]}")
    assert norms[~zero].min() > 1e-6 and zero.mean() < 0.1
    tensors = {
        "loss": loss,
        "loss_f32_error": relative_error(single_loss, loss),
        "logits": logits,
        "logits_f32_error": relative_error(single_logits, logits),
        "gradient_norms": norms,
        "gradient_probes": probes,
        "gradient_f32_errors": np.array(errors),
        "statistic_norms": statistic_norms,
        "statistic_probes": statistic_probes,
    }
    if name in FLIPPING:
        tensors["gradient_rounding"] = gradient_rounding(network, values, labels, auxiliaries)
    described = {
        "name": name,
        "classes": CLASSES,
        "input": {"name": f"{name}.train_input", "shape": shape, "low": -limit, "high": limit},
        "labels": labels.tolist(),
        "parameters": list(gradients),
        "statistics": list(statistics),
    }
    if dropouts:
        described["dropouts"] = dropouts
    return {f"{name}.train.{key}": tensor for key, tensor in tensors.items()}, described


def save(stem, tensors, described):
    """Writes the two files of one network."""
    folder = store.destination("dvm-zoo", "networks")
    folder.mkdir(exist_ok=True)
    store.save_tensors(folder / f"{stem}.safetensors", tensors, "networks.py", PACKAGES)
    store.save_json(folder / f"{stem}.json", described)


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(INPUTS)
    for name in wanted:
        save(name, *inference(name))
        if name in TRAINED:
            save(f"{name}.train", *training(name))


if __name__ == "__main__":
    main()
