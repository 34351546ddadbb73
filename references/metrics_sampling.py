"""Metrics with random numbers, by the field's tools, in f64.

The map is the picture times its gradient, summed over channels, rounded to f32; it is stored, so that both
languages use the same one. All random numbers are ours, passed to the tools.
"""

import warnings

import numpy as np
import pytorch_grad_cam.metrics.road as grad_cam
import quantus
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from captum.metrics import infidelity, sensitivity_max
from scipy.stats import spearmanr

import gradient_methods
import seeded
import store
from streams import Stream

PACKAGES = ("torch", "torchvision", "captum", "quantus", "grad-cam", "numpy", "scipy", "safetensors")
NETWORKS = ("small", "resnet18", "vit_script_17")
SEED = 7
PERCENTS = range(10, 100, 10)
ROAD_NOISE = 0.01
GRID, SUBSET, FIDELITY_SAMPLES = 9, 0.2, 200
SAMPLES = 10
SIDE, SHARE, NOISE = 0.2, 0.2, 0.2
RADIUS = 0.02
# Rows and columns of disjoint windows on the small network's picture.
WINDOW = (8, 7)


def drawn(name, count):
    return seeded.unit(f"{name} {SEED}", count)


def normal(name, count):
    """Standard normal numbers in f32, as `dvm_attribution::random` makes them."""
    pairs = drawn(name, 2 * count).reshape(count, 2)
    values = np.sqrt(-2 * np.log1p(-pairs[:, 0])) * np.cos(2 * np.pi * pairs[:, 1])
    return values.astype(np.float32)


def input_x_gradient(subject, x):
    """`[N, H, W]`"""
    with torch.enable_grad():
        return (x * subject.gradients(x)).sum(1)


def road(subject, map):
    """Scores by pytorch-grad-cam with the most and the least relevant pixels replaced, and its figure.

    Its percentiles say how many pixels stay.
    """
    channels, pixels = subject.x.shape[1], map.size
    own_randn_like = torch.randn_like
    waiting = []

    def randn_like(values):
        name = waiting.pop(0)
        count = values.shape[1]
        assert values.shape[0] == channels and count < pixels
        return torch.from_numpy(normal(name, count * channels).reshape(count, channels).T.copy())

    def network(x):
        return subject.network(x.double())

    def probability(output):
        return torch.softmax(output, 0)[subject.target]

    cams = map[None].astype(np.float64)
    # Pictures must be in f32: what it imputes is.
    asked = (subject.x.float(), cams, [probability], network)
    stays = [100 - percent for percent in PERCENTS]
    torch.randn_like = randn_like
    try:
        found = []
        for word, metric in (("most", grad_cam.ROADMostRelevantFirst), ("least", grad_cam.ROADLeastRelevantFirst)):
            scores = []
            for percent, stay in zip(PERCENTS, stays):
                waiting.append(f"road {word} {percent}")
                scores.append(metric(stay)(*asked, return_diff=False)[0])
            found.append(np.array(scores))
        waiting.extend(f"road {word} {percent}" for word in ("least", "most") for percent in PERCENTS)
        combined = grad_cam.ROADCombined(stays)(*asked)
        assert not waiting
    finally:
        torch.randn_like = own_randn_like
    most, least = found
    assert abs(combined[0] - (least.mean() - most.mean()) / 2) < 1e-6
    return {"road.most": most, "road.least": least, "road": combined}


def cells_covered(sample):
    """The cells of a grid that a sample of µFidelity covers."""
    count = round(SUBSET * GRID * GRID)
    return Stream(f"mu-fidelity {sample}", SEED).permutation(GRID * GRID)[:count]


def mu_fidelity(subject, map):
    """Bhatt's correlation, the cells covered as Xplique covers them; slow on purpose."""
    height, width = subject.size
    cell_of = (np.arange(height) * GRID // height)[:, None] * GRID + np.arange(width) * GRID // width
    whole = logit(subject, subject.x)
    drops, sums = [], []
    for sample in range(FIDELITY_SAMPLES):
        covered = np.isin(cell_of, cells_covered(sample))
        drops.append((whole - logit(subject, subject.x * torch.from_numpy(~covered))).item())
        sums.append(map[covered].astype(np.float64).sum())
    return {
        "mu-fidelity": np.array([np.corrcoef(drops, sums)[0, 1]]),
        "mu-fidelity.rank": np.array([spearmanr(drops, sums)[0]]),
    }


def logit(subject, x):
    with torch.no_grad():
        return subject.network(x)[:, subject.target]


def perturbations(subject, kind):
    """How much every pixel is changed, `[SAMPLES, 1, H, W]`, and the changed pictures."""
    height, width = subject.size
    changes = np.zeros((SAMPLES, 1, height, width))
    for sample, change in enumerate(changes[:, 0]):
        name = f"infidelity {sample}"
        if kind == "square":
            side = round(SIDE * min(height, width))
            stream = Stream(name, SEED)
            top, left = stream.below(height - side + 1), stream.below(width - side + 1)
            change[top : top + side, left : left + side] = 1
        elif kind == "pixels":
            change[:] = (drawn(name, height * width) < SHARE).reshape(height, width)
        else:
            change[:] = (NOISE * normal(name, height * width).astype(np.float64)).astype(np.float32).reshape(height, width)
    changes = torch.from_numpy(changes)
    changed = subject.x - changes if kind == "noise" else subject.x * (1 - changes)
    return changes.expand(-1, subject.x.shape[1], -1, -1), changed


def infidelities(subject, map):
    """Captum's, of a map that is given to the first channel: every channel is changed alike."""
    attributions = torch.zeros_like(subject.x)
    attributions[0, 0] = torch.from_numpy(map.astype(np.float64))
    found = {}
    for kind in ("square", "pixels", "noise"):
        perturbed = perturbations(subject, kind)
        for key, normalize in (("", True), (".unscaled", False)):
            value = infidelity(
                lambda x: subject.network(x),
                lambda _: perturbed,
                subject.x,
                attributions,
                target=subject.target,
                n_perturb_samples=SAMPLES,
                normalize=normalize,
            )
            found[f"infidelity.{kind}{key}"] = value.numpy()
    return found


def noisy(subject):
    """The picture with noise, `[SAMPLES, C, H, W]`, rounded to f32."""
    shape = subject.x.shape[1:]
    noise = [RADIUS * (2 * drawn(f"max-sensitivity {s}", int(np.prod(shape))).reshape(shape) - 1) for s in range(SAMPLES)]
    return (subject.x + torch.from_numpy(np.array(noise))).float().double()


def sensitivity(subject, explain):
    pictures = noisy(subject)

    def explained(x):
        # What is asked about in a tuple is answered in one.
        return (explain(subject, x[0]),) if isinstance(x, tuple) else explain(subject, x)

    found = sensitivity_max(
        explained,
        subject.x,
        lambda *_: pictures,
        perturb_radius=RADIUS,
        n_perturb_samples=SAMPLES,
    )
    own = explain(subject, subject.x)
    if (own > 0).any() and (own < 0).any():
        check_against_quantus(subject, explain, pictures, found.item())
    return found.numpy()


def check_against_quantus(subject, explain, pictures, expected):
    """Quantus' max-sensitivity of the same noisy pictures must be Captum's. It refuses maps of one sign."""
    waiting = list(pictures.numpy())
    metric = quantus.MaxSensitivity(
        nr_samples=SAMPLES,
        perturb_func=lambda arr, indices, **_: waiting.pop(0).reshape(arr.shape),
        disable_warnings=True,
    )
    found = metric(
        model=subject.network,
        x_batch=subject.x.numpy(),
        y_batch=np.array([subject.target]),
        a_batch=None,
        explain_func=lambda model, inputs, targets, **_: explain(subject, torch.as_tensor(inputs).double())[:, None]
        .detach()
        .numpy(),
        channel_first=True,
        device="cpu",
    )
    assert abs(found[0] - expected) < 1e-5 * expected, (found, expected)


def occlusion(subject, x):
    """Captum's, of disjoint windows; `[N, H, W]`."""
    window = (3, *WINDOW)
    return Occlusion(subject.network).attribute(x, window, strides=window, baselines=0, target=subject.target)[:, 0]


def grad_cam_map(subject, x):
    """Captum's at the last rectifier, at the picture's size; `[N, H, W]`."""
    with torch.enable_grad():
        coarse = LayerGradCam(subject.network, subject.network.relu2).attribute(x, target=subject.target)
    return LayerAttribution.interpolate(coarse.relu(), subject.size, "bilinear")[:, 0].detach()


def simplicity(map):
    """Quantus' entropy and Gini index, which it makes finite by 1e-12 and 1e-7."""
    absolute = np.abs(map.astype(np.float64)).reshape(1, -1)
    arguments = {"disable_warnings": True}
    return {
        "complexity": quantus.Complexity(**arguments).evaluate_batch(x_batch=None, a_batch=absolute.copy()),
        "sparseness": quantus.Sparseness(**arguments).evaluate_batch(x_batch=None, a_batch=absolute / absolute.max()),
    }


def arrays_of(subject):
    map = input_x_gradient(subject, subject.x)[0].numpy().astype(np.float32)
    assert len(np.unique(map)) == map.size, "equal values come in an order of our own"
    found = {
        "map": map,
        **road(subject, map),
        **mu_fidelity(subject, map),
        **infidelities(subject, map),
        "max-sensitivity.input-x-gradient": sensitivity(subject, input_x_gradient),
        **simplicity(map),
    }
    if subject.name == "small":
        found["max-sensitivity.occlusion"] = sensitivity(subject, occlusion)
        found["max-sensitivity.grad-cam"] = sensitivity(subject, grad_cam_map)
    return found


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    tensors, described = {}, []
    for name in NETWORKS:
        subject = gradient_methods.small_subject(name) if name in gradient_methods.SMALL else gradient_methods.zoo_subject(name)
        for key, values in arrays_of(subject).items():
            values = np.asarray(values, dtype=np.float32)
            if values.size < 10:
                print(f"{name}.{key}: {values}")
            tensors[f"{name}.{key}"] = values
        described.append(gradient_methods.described(subject, 1))
    store.save_tensors(
        store.destination("dvm", "metrics_sampling.safetensors"), tensors, "metrics_sampling.py", PACKAGES
    )
    store.save_json(store.destination("dvm", "metrics_sampling.json"), {"seed": SEED, "networks": described})


if __name__ == "__main__":
    main()
