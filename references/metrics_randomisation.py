"""Agreement of maps by SciPy and scikit-image, and randomisation tests of maps by Quantus, in f64.

Quantus gets our random numbers: weights of layers and noise of the smooth test are drawn from the streams of
`dvm_attribution::random`.
"""

import functools
import math
import warnings

import numpy as np
import quantus
import torch
from quantus.functions.complexity_func import discrete_entropy
from scipy import stats
from skimage.metrics import structural_similarity
from torch import nn

import gradient_methods
import methods
import networks
import seeded
import store
import streams

PACKAGES = ("torch", "torchvision", "quantus", "scipy", "scikit-image", "numpy")
SEED = 5
SAMPLES = 4
NOISE = 0.1
BINS = 100
# Side or sides of the picture, what its normalised values are multiplied by (see `networks.INPUTS`), target, and
# the methods whose maps are tested, with the channels' signed sum where it is not the largest magnitude.
NETWORKS = {
    "small": ((32, 28), 1, 3, ("gradient", "input-x-gradient")),
    "resnet18": ((64, 64), 1, 3, ("gradient",)),
}
CLASSES = {"small": 5, "resnet18": networks.CLASSES}
# Rows and columns of the maps that are compared.
SIZES = ((40, 33), (11, 60))


def ssim(a, b, size):
    """Wang et al. 2004 of maps divided by their largest magnitude."""
    a, b = (np.asarray(m, dtype=np.float64).reshape(size) for m in (a, b))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    return float(
        structural_similarity(
            a, b, data_range=high - low, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def batched_ssim(size):
    """The same as Quantus calls it: with flat maps in batches."""
    return lambda a, b, batched=True, **_: np.array([ssim(x, y, size) for x, y in zip(a, b)])


def maps(size):
    """Two maps of this size: the second follows the first a little; `ties` are the same with many equal values."""
    first = seeded.uniform(f"agreement.{size[0]}x{size[1]}.first", size, -1, 1)
    other = seeded.uniform(f"agreement.{size[0]}x{size[1]}.second", size, -1, 1)
    second = (np.float32(0.5) * first + np.float32(0.75) * other).astype(np.float32)
    yield "values", first, second
    yield "ties", np.maximum(np.round(first * np.float32(4)), 0), np.round(second * np.float32(4))


def agreements():
    found = []
    for size in SIZES:
        for kind, a, b in maps(size):
            found.append(
                {
                    "size": size,
                    "kind": kind,
                    "rank": float(stats.spearmanr(a.ravel(), b.ravel())[0]),
                    "absolute_rank": float(stats.spearmanr(np.abs(a).ravel(), np.abs(b).ravel())[0]),
                    "linear": float(stats.pearsonr(a.ravel().astype(np.float64), b.ravel().astype(np.float64))[0]),
                    "ssim": ssim(a, b, size),
                }
            )
    return found


def bound_of(module):
    return 1 / math.sqrt(module.weight[0].numel())


def check_the_bounds():
    """What a layer of PyTorch begins with is uniform in ±1 / √fan-in, its bias too."""
    torch.manual_seed(0)
    for module in (nn.Conv2d(16, 400, 3, groups=4), nn.Linear(50, 4000)):
        for values in (module.weight, module.bias):
            largest = values.abs().max().item()
            assert 0.98 * bound_of(module) < largest <= bound_of(module) * (1 + 1e-6)
            assert abs(values.std().item() / (bound_of(module) / math.sqrt(3)) - 1) < 0.05


def reset(module):
    """Draws a layer's weight and bias from the streams of their names, if it has been given its own."""
    if not hasattr(module, "path"):
        return
    with torch.no_grad():
        for suffix, values in module.named_parameters(recurse=False):
            name = f"randomised {module.path}.{suffix} {SEED}"
            bound = bound_of(module)
            values.copy_(torch.from_numpy(seeded.uniform(name, tuple(values.shape), -bound, bound)))


def attribution(method, size, model, inputs, targets, **_):
    """Maps `[N, 1, H, W]` of the logits of these targets."""
    x = torch.as_tensor(np.asarray(inputs), dtype=torch.float64).reshape(-1, 3, *size).requires_grad_()
    logits = model(x)
    (gradient,) = torch.autograd.grad(logits[range(len(x)), torch.as_tensor(targets)].sum(), x)
    if method == "gradient":
        found = gradient.abs().amax(1, keepdim=True)
    else:
        found = (gradient * x).sum(1, keepdim=True)
    return found.detach().numpy()


class Fed:
    """Stands for `np.random.randn`: the noise of one sample after another, the same for every network."""

    def __init__(self):
        self.next = 0

    def __call__(self, *shape):
        pairs = seeded.unit(f"model-randomisation noise {self.next} {SEED}", 2 * int(np.prod(shape))).reshape(-1, 2)
        self.next = (self.next + 1) % (SAMPLES - 1)
        return (np.sqrt(-2 * np.log1p(-pairs[:, 0])) * np.cos(2 * np.pi * pairs[:, 1])).reshape(shape)


def by_layer(scores):
    return [{"layer": name, "score": float(score[0])} for name, score in scores.items() if name != "original"]


def tested(name):
    size, scale, target, of = NETWORKS[name]
    if name == "small":
        network = methods.SmallNetwork()
        with torch.no_grad():
            seeded.fill(network)
        network = network.double().eval()
    else:
        network = networks.build(name)
    subject = gradient_methods.Subject(name, network, size, scale, target)
    # Quantus gives networks f32 where it asks them itself.
    network.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    for path, module in network.named_modules():
        module.path = path
    x, y = subject.x.numpy(), np.array([target])
    cases = []
    for method in of:
        explain = functools.partial(attribution, method, size)

        def run(metric, **more):
            return metric(
                model=network, x_batch=x, y_batch=y, a_batch=None, explain_func=explain, channel_first=True, **more
            )

        quiet = {"disable_warnings": True}
        case = {"method": method}
        for order in ("top_down", "independent"):
            case[order] = by_layer(run(quantus.MPRT(layer_order=order, **quiet)))
            similar = by_layer(run(quantus.MPRT(layer_order=order, similarity_func=batched_ssim(size), **quiet)))
            for entry, other in zip(case[order], similar):
                entry["ssim"] = other["score"]
        randn, explanation = np.random.randn, quantus.explain
        np.random.randn = Fed()
        quantus.explain = lambda model, inputs, targets, **_: explain(model, inputs, targets)
        try:
            smooth = quantus.SmoothMPRT(layer_order="top_down", nr_samples=SAMPLES, noise_magnitude=NOISE, **quiet)
            case["smooth"] = by_layer(run(smooth))
        finally:
            np.random.randn, quantus.explain = randn, explanation
        efficient = quantus.EfficientMPRT(
            layer_order="top_down", complexity_func=discrete_entropy, complexity_func_kwargs={"n_bins": BINS}, **quiet
        )
        case["efficient"] = float(run(efficient, softmax=True)[0])
        drawn = streams.Stream("random-logit", SEED).below(CLASSES[name] - 1)
        randint = np.random.randint
        np.random.randint = lambda *_: np.array([drawn])
        try:
            logit = quantus.RandomLogit(num_classes=CLASSES[name], similarity_func=batched_ssim(size), **quiet)
            case["random_logit"] = float(run(logit)[0])
        finally:
            np.random.randint = randint
        case["other_class"] = drawn + (drawn >= target)
        cases.append(case)
    described = gradient_methods.described(subject, 1)
    del described["sample_stride"]
    return {**described, "cases": cases}


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    check_the_bounds()
    resets = {kind: kind.reset_parameters for kind in (nn.modules.conv._ConvNd, nn.Linear)}
    for kind in resets:
        kind.reset_parameters = reset
    try:
        found = [tested(name) for name in NETWORKS]
    finally:
        for kind, original in resets.items():
            kind.reset_parameters = original
    content = {
        "script": "references/metrics_randomisation.py",
        "versions": store.versions(PACKAGES),
        "seed": SEED,
        "samples": SAMPLES,
        "noise": NOISE,
        "bins": BINS,
        "agreement": agreements(),
        "networks": found,
    }
    store.save_json(store.destination("dvm", "metrics_randomisation.json"), content)


if __name__ == "__main__":
    main()
