"""Path, noise and DeepLIFT attributions by Captum and PAIR's saliency, in f64.

Both get our random numbers and baselines. Where neither works (DeepLIFT of networks with products, attention,
layer normalisation, or with one ReLU module in several places) the slow second implementation of `rescale.py`
is used; this script compares it with Captum where Captum works.
"""

import copy
import warnings

import numpy as np
import saliency.core as saliency
import torch
from captum.attr import DeepLift, DeepLiftShap, GradientShap, IntegratedGradients, NoiseTunnel, Saliency
from scipy import ndimage
from torch import nn

import methods
import networks
import onnx_files
import rescale
import seeded
import store

PACKAGES = ("torch", "torchvision", "timm", "captum", "saliency", "numpy", "scipy", "safetensors")
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
TARGET = 3
SEED = 7
# Networks of the zoo: side of the picture, what its normalised values are multiplied by (see
# `networks.INPUTS`), and every how many of the array's values are stored.
ZOO = {
    "resnet18": (64, 1, 11),
    "vgg11": (64, 32, 11),
    "efficientnet_b0": (64, 128, 11),
    "convnext_tiny": (64, 1, 11),
    "deit_tiny_patch16_224": (224, 1, 151),
}
# Small networks, all of whose values are stored: rows and columns of the picture, and their target.
SMALL = {"small": ((32, 28), 3), "cnn_script_17": ((18, 14), 2), "vit_script_17": ((12, 12), 1)}
# What the methods are set to, by the option's name; the rest is the method's default.
SETTINGS = {
    "integrated-gradients": {"steps": 12, "baseline": "zero,white"},
    "expected-gradients": {"samples": 8, "baseline": "noise,blur", "seed": SEED},
    "smoothgrad": {"samples": 4, "noise": 0.15, "seed": SEED},
    "blur-ig": {"steps": 8, "sigma": 6},
    "guided-ig": {"steps": 8, "fraction": 0.25, "distance": 0.02, "baseline": "noise", "seed": SEED},
    "deeplift": {"baseline": "noise", "seed": SEED},
}
# A plain colour would not do for the last two: where all pixels are alike, so are their gradients and the
# values under a max-pool, and which of them comes first is a matter of rounding.
SEVERAL = "noise,blur"


class Subject:
    """A network in f64, its picture, and the score that is explained."""

    def __init__(self, name, network, size, scale, target):
        self.name, self.network, self.target = name, network, target
        self.std = np.array(STD, dtype=np.float32) / np.float32(scale)
        self.size = size
        values = seeded.unit(f"{name}.input", 3 * size[0] * size[1])
        self.colours = np.floor(256 * values).astype(np.float32).reshape(*size, 3)
        self.x = self.normalised(self.colours)
        for parameter in network.parameters():
            parameter.requires_grad_(False)

    def normalised(self, colours):
        """`(p / 255 − mean) / std` of colours `[H, W, 3]`, each step in f32; `[1, 3, H, W]` in f64."""
        values = (np.asarray(colours, dtype=np.float32) / np.float32(255) - np.float32(MEAN)) / self.std
        return torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float64))

    def baseline(self, name):
        if name == "zero":
            return torch.zeros_like(self.x)
        if name == "noise":
            colours = seeded.uniform(f"baseline noise {SEED}", (*self.size, 3), 0, 255)
            return self.normalised(colours)
        if name == "blur":
            return self.normalised(blurred(self.colours))
        colour = {"black": 0.0, "grey": 127.5, "white": 255.0}[name]
        return self.normalised(np.full((*self.size, 3), colour))

    def baselines(self, names):
        return torch.cat([self.baseline(name) for name in names.split(",")])

    def forward(self, x):
        return self.network(x)

    def gradients(self, x):
        """Gradients of the target's logit for a batch of pictures."""
        x = torch.as_tensor(x, dtype=torch.float64).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.network(x)[:, self.target].sum(), x)
        return gradient

    def model_of_pair(self, pictures, call_model_args=None, expected_keys=None):
        """The network as PAIR's methods want it: pictures and gradients `[N, H, W, C]`."""
        x = torch.from_numpy(np.asarray(pictures).transpose(0, 3, 1, 2).copy())
        gradient = self.gradients(x).numpy().transpose(0, 2, 3, 1)
        return {saliency.INPUT_OUTPUT_GRADIENTS: gradient}

    def picture_of_pair(self, x):
        return x[0].numpy().transpose(1, 2, 0)


def blurred(colours):
    """Under a Gaussian of a tenth of the shorter side, cut at three deviations; f32 after either axis."""
    sigma = min(colours.shape[:2]) / 10
    for axis in (1, 0):
        colours = ndimage.gaussian_filter1d(
            colours.astype(np.float64), sigma, axis, mode="nearest", radius=int(np.ceil(3 * sigma))
        ).astype(np.float32)
    return colours


def drawn(name, count):
    """Uniform numbers of the stream of this name (`dvm_attribution::random`)."""
    return seeded.unit(f"{name} {SEED}", count)


def normal(name, count):
    pairs = drawn(name, 2 * count).reshape(count, 2)
    values = np.sqrt(-2 * np.log1p(-pairs[:, 0])) * np.cos(2 * np.pi * pairs[:, 1])
    return values.astype(np.float32).astype(np.float64)


def from_pair(mask):
    return mask.transpose(2, 0, 1)[None]


class Fed:
    """Stands for the random functions that Captum draws from, one after the other."""

    def __init__(self, values):
        self.values = list(values)

    def __call__(self, *_, **__):
        return self.values.pop(0)


def integrated_gradients(subject):
    settings = SETTINGS["integrated-gradients"]
    found = [
        IntegratedGradients(subject.forward).attribute(
            subject.x, subject.baseline(name), subject.target, n_steps=settings["steps"], method="gausslegendre"
        )
        for name in settings["baseline"].split(",")
    ]
    return torch.stack(found).mean(0)


def expected_gradients(subject, is_exact=True):
    settings = SETTINGS["expected-gradients"]
    baselines = subject.baselines(settings["baseline"])
    samples = settings["samples"]
    chosen = np.floor(drawn("expected-gradients baseline", samples) * len(baselines)).astype(int)
    places = drawn("expected-gradients place", samples)
    choice, uniform = np.random.choice, np.random.uniform
    np.random.choice, np.random.uniform = Fed([chosen]), Fed([places])
    try:
        found = GradientShap(subject.forward).attribute(
            subject.x, baselines, n_samples=samples, stdevs=0.0, target=subject.target
        )
    finally:
        np.random.choice, np.random.uniform = choice, uniform
    if not is_exact:
        return found
    between = [p * subject.x + (1 - p) * baselines[b : b + 1] for p, b in zip(places, chosen)]
    slow = sum(
        (subject.x - baselines[b : b + 1]) * subject.gradients(z) for z, b in zip(between, chosen)
    ) / samples
    assert relative(found, slow) < 1e-9
    return found


def noise(subject):
    """Standard normal numbers `[samples, 3, H, W]`; each sample has a stream of its own, whose order is
    `H, W, 3`."""
    shape = (*subject.size, 3)
    samples = [
        normal(f"smoothgrad noise {index}", int(np.prod(shape))).reshape(shape).transpose(2, 0, 1)
        for index in range(SETTINGS["smoothgrad"]["samples"])
    ]
    return torch.from_numpy(np.array(samples))


def smoothed(subject, attribution, kinds, **arguments):
    """Captum's noise tunnel around an attribution, by kind of statistic."""
    settings = SETTINGS["smoothgrad"]
    deviation = settings["noise"] * (subject.x.max() - subject.x.min()).item()
    noisy = noise(subject) * deviation
    original, found = torch.normal, {}
    for ours, captums in kinds.items():
        torch.normal = Fed([noisy])
        try:
            found[ours] = NoiseTunnel(attribution).attribute(
                subject.x, captums, nt_samples=settings["samples"], stdevs=float(deviation),
                target=subject.target, **arguments,
            )  # fmt: skip
        finally:
            torch.normal = original
    return found


def smoothgrad(subject):
    kinds = {"mean": "smoothgrad", "square": "smoothgrad_sq", "variance": "vargrad"}
    return smoothed(subject, Saliency(subject.forward), kinds, abs=False)


def blur_ig(subject):
    settings = SETTINGS["blur-ig"]
    mask = saliency.BlurIG().GetMask(
        subject.picture_of_pair(subject.x), subject.model_of_pair,
        max_sigma=settings["sigma"], steps=settings["steps"],
    )  # fmt: skip
    return torch.from_numpy(from_pair(mask).copy())


def guided_ig(subject):
    settings = SETTINGS["guided-ig"]
    quantile = np.quantile
    # NumPy renamed the argument that the package uses.
    np.quantile = lambda values, fraction, interpolation: quantile(values, fraction, method=interpolation)
    try:
        mask = saliency.GuidedIG().GetMask(
            subject.picture_of_pair(subject.x), subject.model_of_pair,
            x_baseline=subject.picture_of_pair(subject.baseline(settings["baseline"])),
            x_steps=settings["steps"], fraction=settings["fraction"], max_dist=settings["distance"],
        )  # fmt: skip
    finally:
        np.quantile = quantile
    return torch.from_numpy(from_pair(mask).copy())


def deeplift(subject, baseline):
    def score(numbers):
        return numbers[0, subject.target]

    found = rescale.attributed(subject.network, subject.x, baseline, score)
    with torch.no_grad():
        rise = (score(subject.network(subject.x)) - score(subject.network(baseline))).item()
    assert abs(found.sum().item() - rise) < 1e-9 * max(1.0, abs(rise)), (subject.name, found.sum(), rise)
    return found


class Apart(nn.Module):
    """Hands on a tensor of its own. Captum hooks the tensors between modules, and where a ReLU and a
    max-pool share one, the first sees the gradient as it was before the second's multipliers."""

    def forward(self, x):
        return x * 1.0


def apart(network):
    """A copy whose nonlinear modules share no tensor."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, (nn.ReLU, nn.MaxPool2d)):
                if isinstance(child, nn.ReLU):
                    child.inplace = False
                setattr(module, name, nn.Sequential(Apart(), child, Apart()))
    return network


def check_rescale_against_captum(subject):
    """Networks of convolutions, single ReLUs and max-pools whose windows do not overlap."""
    network = apart(subject.network)
    baselines = subject.baselines(SEVERAL)
    captums = DeepLift(network).attribute(subject.x, baselines[:1], subject.target)
    own = deeplift(subject, baselines[:1])
    assert relative(own, captums) < 1e-9
    captums = DeepLiftShap(network).attribute(subject.x, baselines, subject.target)
    own = torch.stack([deeplift(subject, b[None]) for b in baselines]).mean(0)
    assert relative(own, captums) < 1e-9


def arrays_of(subject):
    """`[1, 3, H, W]` by the name of the method and what is special about it."""
    baselines = subject.baselines(SEVERAL)
    lifted = [deeplift(subject, baseline[None]) for baseline in baselines]
    return {
        "integrated-gradients": integrated_gradients(subject),
        "expected-gradients": expected_gradients(subject),
        **{f"smoothgrad.{kind}": values for kind, values in smoothgrad(subject).items()},
        "blur-ig": blur_ig(subject),
        "guided-ig": guided_ig(subject),
        "deeplift": lifted[0],
        "deeplift.several": torch.stack(lifted).mean(0),
    }


def single(subject):
    """The same with the network in f32, to see what rounding does."""
    other = copy.copy(subject)
    network = copy.deepcopy(subject.network).float()
    other.network = lambda x: network(x.float()).double()
    return other


class VitInParts(onnx_files.Vit):
    """The network of `onnx_files.Vit` with its attentions in the steps that the exported file has."""

    def forward(self, x):
        heads = {"attn": self.attn.forward, "other": self.other.forward}
        self.attn.forward = self.attention_of_timm
        self.other.forward = self.attention_of_pytorch
        try:
            return super().forward(x)
        finally:
            self.attn.forward, self.other.forward = heads["attn"], heads["other"]

    @staticmethod
    def in_parts(qkv, heads):
        n, t, d = qkv.shape
        q, k, v = qkv.reshape(n, t, 3, heads, d // 3 // heads).permute(2, 0, 3, 1, 4).unbind(0)
        return rescale.attention(q, k, v).transpose(1, 2).reshape(n, t, d // 3)

    def attention_of_timm(self, x):
        return self.attn.proj(self.in_parts(self.attn.qkv(x), self.attn.heads))

    def attention_of_pytorch(self, x, *_, **__):
        other = self.other
        qkv = nn.functional.linear(x, other.in_proj_weight, other.in_proj_bias)
        return other.out_proj(self.in_parts(qkv, other.num_heads)), None


def zoo_subject(name):
    side, scale, _ = ZOO[name]
    return Subject(name, networks.build(name), (side, side), scale, TARGET)


def small_subject(name):
    size, target = SMALL[name]
    if name == "small":
        network = methods.SmallNetwork()
        with torch.no_grad():
            seeded.fill(network)
    else:
        network = onnx_files.built(onnx_files.Cnn if name.startswith("cnn") else VitInParts)
    return Subject(name, network.double().eval(), size, 1, target)


def described(subject, stride):
    return {
        "name": subject.name,
        "size": subject.size,
        "mean": [float(np.float32(m)) for m in MEAN],
        "std": [float(s) for s in subject.std],
        "target": subject.target,
        "sample_stride": stride,
    }


def relative(values, expected):
    return (values - expected).norm().item() / expected.norm().item()


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    tensors, networks_described = {}, []
    subjects = [(small_subject(name), 1) for name in SMALL] + [(zoo_subject(n), ZOO[n][2]) for n in ZOO]
    for subject, stride in subjects:
        if subject.name in ("small", "vgg11"):
            check_rescale_against_captum(subject)
        rounded = arrays_of_f32(subject)
        for key, values in arrays_of(subject).items():
            assert values.abs().max() > 0
            off = relative(rounded[key], values) if key in rounded else float("nan")
            print(f"{subject.name}.{key}: |value| ≤ {values.abs().max():.3g}, f32 is off by {off:.1e} in L2")
            tensors[f"{subject.name}.{key}"] = values.detach().numpy().reshape(-1)[::stride].astype(np.float32)
        networks_described.append(described(subject, stride))
    small = subjects[0][0]
    kinds = {"mean": "smoothgrad"}
    steps = SETTINGS["integrated-gradients"]["steps"]
    of = smoothed(
        small, IntegratedGradients(small.forward), kinds,
        baselines=small.baseline("zero"), n_steps=steps, method="gausslegendre",
    )  # fmt: skip
    tensors["small.smoothgrad.of_integrated_gradients"] = of["mean"].detach().numpy().reshape(-1).astype(np.float32)
    store.save_tensors(
        store.destination("dvm", "gradient_methods.safetensors"), tensors, "gradient_methods.py", PACKAGES
    )
    content = {"settings": SETTINGS, "several": SEVERAL, "networks": networks_described}
    store.save_json(store.destination("dvm", "gradient_methods.json"), content)


def arrays_of_f32(subject):
    """Methods whose network may run in f32 without their knowing."""
    other = single(subject)
    return {
        "integrated-gradients": integrated_gradients(other),
        "expected-gradients": expected_gradients(other, is_exact=False),
        **{f"smoothgrad.{kind}": values for kind, values in smoothgrad(other).items()},
        "blur-ig": blur_ig(other),
        "guided-ig": guided_ig(other),
    }


if __name__ == "__main__":
    main()
