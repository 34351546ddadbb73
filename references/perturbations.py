"""Methods that cover parts of a picture, by the field's tools, on seeded networks in f64.

Random numbers are those of crates/dvm-attribution (`streams.py`), passed to the tools: permutations to Captum's
Shapley sampling, coalitions to shap's and lime's solvers, masks to RISE's formula.
"""

import itertools
import math
import warnings

import captum.attr
import numpy as np
import shap
import timm
import torch
import torchvision
from captum._utils.models.linear_model import SkLearnRidge
from lime.lime_base import LimeBase
from saliency.core import xrai
from skimage.morphology import dilation, disk
from skimage.segmentation import felzenszwalb, slic
from skimage.transform import resize

import extremal
import methods
import seeded
import store
from streams import Stream

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "captum",
    "shap",
    "lime",
    "saliency",
    "scikit-image",
    "scikit-learn",
    "numpy",
    "safetensors",
)
CLASSES = 10
TARGET = 3
SEED = 7
GRID = 4
# Network: side of the picture, and the range ± limit of its normalised values.
NETWORKS = {
    "resnet18": (64, 2.0),
    "vgg11": (64, 64.0),
    "efficientnet_b0": (64, 4096.0),
    "convnext_tiny": (64, 2.0),
    "deit_tiny_patch16_224": (224, 2.0),
}
# How much of each method is asked for: enough to be told apart, little enough to test on a whole network.
SAMPLES = {"shapley": 3, "kernel_shap": 50, "lime": 40, "rise": 24}
RISE_GRID, RISE_P = 7, 0.5
KERNEL_WIDTH = 0.25
EXTREMAL = {"steps": 4, "area": 0.1, "step": 7, "sigma": 21}
XRAI_STEPS = 8
# Of maps, every so many rows and columns are stored.
EVERY = 4


def network(name):
    builder = timm.create_model if name in timm.list_models() and "deit" in name else torchvision.models.get_model
    net = builder(name, num_classes=CLASSES)
    with torch.no_grad():
        seeded.fill(net)
    return net.double().eval()


def picture(name, size, block=8, noise=64):
    """8-bit colours `[H, W, 3]`: blocks of pixels of one colour, and noise of every pixel."""
    height, width = size
    rows, columns = -(-height // block), -(-width // block)
    blocks = seeded.unit(f"{name}.blocks", rows * columns * 3).reshape(rows, columns, 3)
    blocks = blocks.repeat(block, 0).repeat(block, 1)[:height, :width]
    pixels = seeded.unit(f"{name}.pixels", height * width * 3).reshape(height, width, 3)
    return np.floor((256 - noise) * blocks + noise * pixels).astype(np.uint8)


def prepared(colours, limit):
    """`[1, 3, H, W]` in f64 of f32 steps: (p / 255 − 0.5) / (0.5 / limit)."""
    values = np.asarray(colours, dtype=np.float32) / np.float32(255)
    values = (values - np.float32(0.5)) / np.float32(0.5 / limit)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)[None])).double()


def grid_segments(size, rows, columns):
    """Labels `[H, W]` of a grid of cells, row by row."""
    height, width = size
    y = np.arange(height) * rows // height
    x = np.arange(width) * columns // width
    return y[:, None] * columns + x[None, :]


class Asked:
    """A network that is asked about coalitions of segments; the others are zero."""

    def __init__(self, net, x, segments):
        self.net, self.x, self.segments = net, x, torch.from_numpy(segments)
        self.count = int(segments.max()) + 1
        self.known = {}

    def logits(self, coalitions):
        """`[N, K]` for coalitions `[N, M]` of 0 and 1."""
        answers = []
        for z in np.asarray(coalitions):
            key = tuple(int(v) for v in z)
            if key not in self.known:
                kept = torch.from_numpy(np.asarray(z, dtype=np.float64))[self.segments]
                with torch.no_grad():
                    self.known[key] = self.net(self.x * kept)[0].numpy()
            answers.append(self.known[key])
        return np.array(answers)


def ablation(net, x, segments, target):
    mask = torch.from_numpy(segments)[None, None]
    values = captum.attr.FeatureAblation(net).attribute(x, baselines=0, target=target, feature_mask=mask)
    return per_segment(values, segments)


def per_segment(values, segments):
    """One value per segment `[M]` of an array `[1, C, H, W]` that is even within them."""
    values = values.detach().numpy()[0]
    found = np.array([values[:, segments == label].flat[0] for label in range(segments.max() + 1)])
    assert np.allclose(found[segments], values, rtol=1e-6, atol=0)
    return found


def permutations(count, samples):
    return [Stream(f"shapley-sampling {i}", SEED).permutation(count) for i in range(samples)]


def shapley_sampling(net, x, segments, target, samples):
    method = captum.attr.ShapleyValueSampling(net)
    orders = permutations(segments.max() + 1, samples)
    method.permutation_generator = lambda _, n: iter(orders[:n])
    mask = torch.from_numpy(segments)[None, None]
    values = method.attribute(x, baselines=0, target=target, feature_mask=mask, n_samples=samples)
    return per_segment(values, segments)


def shapley_standard_errors(asked, target, samples):
    """Standard errors of the mean of marginal contributions, by a slow loop, `[M]`."""
    gains = []
    for order in permutations(asked.count, samples):
        z, gain = np.zeros(asked.count), np.zeros(asked.count)
        before = asked.logits([z])[0, target]
        for feature in order:
            z[feature] = 1
            after = asked.logits([z])[0, target]
            gain[feature], before = after - before, after
        gains.append(gain)
    return np.std(gains, axis=0, ddof=1) / math.sqrt(samples), np.mean(gains, axis=0)


def kernel_coalitions(count, samples, seed):
    """Coalitions `[N, M]` and weights `[N]` as shap's KernelExplainer chooses them, from our stream."""
    paired, sizes = (count - 1) // 2, count // 2
    shares = np.array([(count - 1) / (k * (count - k)) for k in range(1, sizes + 1)])
    shares[:paired] *= 2
    shares /= shares.sum()
    coalitions, weights = [], []
    left, full, of_the_rest = samples, 0, shares.copy()
    for k in range(1, sizes + 1):
        number = math.comb(count, k) * (2 if k <= paired else 1)
        if left * of_the_rest[k - 1] / number < 1 - 1e-8:
            break
        full += 1
        left -= number
        if of_the_rest[k - 1] < 1:
            of_the_rest = of_the_rest / (1 - of_the_rest[k - 1])
        for members in itertools.combinations(range(count), k):
            z = np.zeros(count)
            z[list(members)] = 1
            both = [z, 1 - z] if k <= paired else [z]
            coalitions += both
            weights += [shares[k - 1] / number] * len(both)
    fixed = len(coalitions)
    if full < sizes:
        rest = shares.copy()
        rest[:paired] /= 2
        rest = rest[full:] / rest[full:].sum()
        ends = np.cumsum(rest)
        stream, places = Stream("kernel-shap", seed), {}
        draws = 4 * left
        while left > 0 and draws > 0:
            draws -= 1
            k = full + 1 + min(int(np.searchsorted(ends, stream.uniform(), side="right")), len(ends) - 1)
            z = np.zeros(count)
            z[stream.permutation(count)[:k]] = 1
            for z in [z, 1 - z] if k <= paired else [z]:
                key = tuple(z)
                if key in places:
                    weights[places[key]] += 1
                elif left > 0:
                    places[key] = len(coalitions)
                    coalitions.append(z)
                    weights.append(1.0)
                    left -= 1
        weights = np.array(weights)
        weights[fixed:] *= shares[full:].sum() / weights[fixed:].sum()
    return np.array(coalitions), np.array(weights)


def solved_by_shap(asked, target, coalitions, weights):
    """Values `[M]` by shap's own constrained solver for these coalitions."""
    count = asked.count
    explainer = shap.KernelExplainer(lambda z: asked.logits(z)[:, target], np.zeros((1, count)))
    # One ordinary run makes its arrays; then they are filled with our coalitions.
    explainer.shap_values(np.ones(count), nsamples=len(coalitions), l1_reg=0, silent=True)
    scores = asked.logits(coalitions)[:, target]
    explainer.maskMatrix, explainer.kernelWeights = coalitions.copy(), weights.copy()
    explainer.nsamplesAdded = len(coalitions)
    explainer.ey = scores[:, None].copy()
    explainer.l1_reg = 0
    values, _ = explainer.solve(1.0, 0)
    return values


def weighted_r2(y, predicted, weights):
    mean = np.average(y, weights=weights)
    return 1 - np.sum(weights * (y - predicted) ** 2) / np.sum(weights * (y - mean) ** 2)


def kernel_shap(asked, target, samples):
    coalitions, weights = kernel_coalitions(asked.count, samples, SEED)
    values = solved_by_shap(asked, target, coalitions, weights)
    y = asked.logits(coalitions)[:, target]
    empty = asked.logits(np.zeros((1, asked.count)))[0, target]
    return values, weighted_r2(y, empty + coalitions @ values, weights)


def check_the_weights_against_shap(count, samples):
    """The coalitions that are taken whole must have the weights that shap gives them, the rest their sum."""
    coalitions, weights = kernel_coalitions(count, samples, SEED)
    model = lambda z: z @ np.arange(1.0, count + 1)  # noqa: E731
    explainer = shap.KernelExplainer(model, np.zeros((1, count)))
    explainer.shap_values(np.ones(count), nsamples=samples, l1_reg=0, silent=True)
    sums = lambda z, w: [w[z.sum(1) == k].sum() for k in range(1, count)]  # noqa: E731
    theirs = sums(explainer.maskMatrix[: explainer.nsamplesAdded], explainer.kernelWeights[: explainer.nsamplesAdded])
    ours = sums(coalitions, weights)
    exact = [k - 1 for k in range(1, count) if (coalitions.sum(1) == k).sum() == math.comb(count, k)]
    assert exact, "no size of coalition is taken whole"
    assert np.allclose(np.array(ours)[exact], np.array(theirs)[exact], rtol=1e-12)
    assert np.isclose(sum(ours), sum(theirs), rtol=1e-12)


def lime_coalitions(count, samples):
    """The first is the whole picture; of the others each segment is kept with probability one half."""
    drawn = [[1.0] * count]
    for i in range(1, samples):
        stream = Stream(f"lime {i}", SEED)
        drawn.append([float(stream.uniform() < 0.5) for _ in range(count)])
    return np.array(drawn)


def lime(asked, target, samples):
    coalitions = lime_coalitions(asked.count, samples)
    scores = methods.softmax(asked.logits(coalitions))
    similarity = np.sqrt(coalitions.mean(1))
    distances = 1 - similarity
    kernel = lambda d: np.sqrt(np.exp(-(d**2) / KERNEL_WIDTH**2))  # noqa: E731
    base = LimeBase(kernel)
    _, found, r2, _ = base.explain_instance_with_data(
        coalitions, scores, distances, target, asked.count, feature_selection="none"
    )
    values = np.zeros(asked.count)
    for label, value in found:
        values[label] = value
    check_lime_against_captum(coalitions, scores[:, target], kernel(distances), values)
    return values, r2


def check_lime_against_captum(coalitions, scores, weights, expected):
    """Captum's LIME with the same coalitions, kernel and ridge must agree."""
    draws = iter(coalitions)
    known = {tuple(z): (score, weight) for z, score, weight in zip(coalitions, scores, weights)}
    method = captum.attr.LimeBase(
        lambda z: torch.tensor([known[tuple(row)][0] for row in z.numpy()], dtype=torch.float64),
        SkLearnRidge(alpha=1.0),
        similarity_func=lambda _, z, __, **___: torch.tensor(known[tuple(z[0].numpy())][1], dtype=torch.float64),
        perturb_func=lambda _, **__: torch.from_numpy(next(draws))[None],
        perturb_interpretable_space=False,
        from_interp_rep_transform=None,
        to_interp_rep_transform=lambda z, *_, **__: z,
    )
    whole = torch.ones(1, coalitions.shape[1], dtype=torch.float64)
    found = method.attribute(whole, n_samples=len(coalitions)).numpy()[0]
    # Captum solves in f32.
    assert np.allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max()), (found, expected)


def rise_masks(size, samples):
    """Masks `[N, H, W]` as the authors' code makes them."""
    cell = np.ceil(np.array(size) / RISE_GRID).astype(int)
    up = (RISE_GRID + 1) * cell
    masks = np.empty((samples, *size))
    for i in range(samples):
        stream = Stream(f"rise {i}", SEED)
        kept = np.array([stream.uniform() < RISE_P for _ in range(RISE_GRID**2)], dtype=np.float64)
        top, left = stream.below(cell[0]), stream.below(cell[1])
        smooth = resize(kept.reshape(RISE_GRID, RISE_GRID), up, order=1, mode="reflect", anti_aliasing=False)
        masks[i] = smooth[top : top + size[0], left : left + size[1]]
    return masks


def rise(net, x, target, samples):
    """The authors' map `[H, W]`, the standard error of each of its values, and the mean score where a pixel is
    kept less that where it is not."""
    masks = rise_masks(x.shape[2:], samples)
    with torch.no_grad():
        logits = np.array([net(x * torch.from_numpy(mask))[0].numpy() for mask in masks])
    scores = methods.softmax(logits)[:, target][:, None, None]
    terms = scores * masks / RISE_P
    contrast = (scores * masks).sum(0) / masks.sum(0) - (scores * (1 - masks)).sum(0) / (1 - masks).sum(0)
    return terms.mean(0), terms.std(0, ddof=1) / math.sqrt(samples), contrast


def integrated_gradients(net, x, target, baseline, steps):
    """`[C, H, W]` by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(x)
    for node, weight in zip((nodes + 1) / 2, weights / 2):
        at = (baseline + node * (x - baseline)).requires_grad_()
        total += weight * torch.autograd.grad(net(at)[0, target], at)[0]
    return ((x - baseline) * total)[0].detach().numpy()


def xrai_masks(colours):
    """PAIR's segments of six scales. Its sizes are for 224×224 pixels; here they follow the picture's area."""
    size = colours.shape[:2]
    area = size[0] * size[1] / 224**2
    image = xrai._normalize_image(colours.astype(np.float64), [-1.0, 1.0])
    segmented = [
        felzenszwalb(image, scale=scale * area, sigma=0.8, min_size=max(1, math.floor(150 * area + 0.5)))
        for scale in xrai._FELZENSZWALB_SCALE_VALUES
    ]
    footprint = disk(math.floor(5 * math.sqrt(area) + 0.5))
    masks = [dilation(mask, footprint=footprint) for mask in xrai._unpack_segs_to_masks(segmented)]
    if size == (224, 224):
        theirs = xrai._get_segments_felzenszwalb(colours.astype(np.float64), resize_image=False)
        assert np.array_equal(masks, theirs)
    return masks, max(1, math.floor(50 * area + 0.5))


def xrai_map(net, x, target, limit, colours):
    """PAIR's XRAI `[H, W]` on integrated gradients from black and white, and its ranks."""
    black, white = (prepared(np.full_like(colours, value), limit) for value in (0, 255))
    gradients = [integrated_gradients(net, x, target, baseline, XRAI_STEPS) for baseline in (black, white)]
    attribution = np.mean(gradients, axis=0).transpose(1, 2, 0)
    masks, least = xrai_masks(colours)
    parameters = xrai.XRAIParameters(return_xrai_segments=True)
    parameters.experimental_params = {"min_pixel_diff": least}
    result = xrai.XRAI().GetMaskWithDetails(
        colours, None, base_attribution=attribution, segments=masks, extra_parameters=parameters
    )
    print(f"  xrai: {len(masks)} masks, {result.segments.max()} taken")
    return result.attribution_mask, result.segments


def every(values):
    return values[::EVERY, ::EVERY]


def of_network(name, net, colours, limit, segments, targets, samples):
    """All values of one network, and its description."""
    tensors = {}
    x = prepared(colours, limit)
    asked = Asked(net, x, segments)
    whole, empty = (asked.logits([np.full(asked.count, v)])[0] for v in (1, 0))
    tensors["logits"], tensors["empty_logits"] = whole, empty
    for target in targets:
        found = {}
        found["ablation"] = ablation(net, x, segments, target)
        found["shapley"] = shapley_sampling(net, x, segments, target, samples["shapley"])
        found["shapley_errors"], slow = shapley_standard_errors(asked, target, samples["shapley"])
        assert np.allclose(slow, found["shapley"], rtol=1e-6, atol=1e-6 * np.abs(slow).max())
        found["shapley"] = slow
        found["kernel_shap"], r2 = kernel_shap(asked, target, samples["kernel_shap"])
        found["kernel_shap_r2"] = np.array([r2])
        found["lime"], r2 = lime(asked, target, samples["lime"])
        found["lime_r2"] = np.array([r2])
        mean, error, contrast = rise(net, x, target, samples["rise"])
        found["rise"], found["rise_errors"], found["rise_contrast"] = every(mean), every(error), every(contrast)
        mask, rewards = extremal.extremal_mask(net, x, target, **EXTREMAL)
        found["extremal"], found["extremal_rewards"] = every(mask), rewards
        mask, ranks = xrai_map(net, x, target, limit, colours)
        found["xrai"], found["xrai_ranks"] = every(mask), every(ranks)
        tensors |= {f"{key}.{target}": value for key, value in found.items()}
    for key, value in tensors.items():
        print(f"  {key} {list(value.shape)}: {value.min():.4g} … {value.max():.4g}, std {value.std():.3g}")
    return {f"{name}.{key}": value for key, value in tensors.items()}


def net_m():
    """Captum's three-input network: linear 3→4 of ones, ReLU, linear 4→2 of ones."""
    first, second = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
    with torch.no_grad():
        first.weight.fill_(1)
        first.bias.copy_(torch.tensor([-10.0, 1, 1, 1]))
        second.weight.fill_(1)
        second.bias.copy_(torch.tensor([-1.0, 1]))
    return torch.nn.Sequential(torch.nn.Identity(), first, torch.nn.ReLU(), second).double()


def check_net_m():
    """The oracles that a person can follow with a pencil."""
    net = net_m()

    def check(method, x, expected, mask=None, baselines=0, tolerance=1e-5, **arguments):
        x = torch.tensor([x], dtype=torch.float64)
        mask = None if mask is None else torch.tensor([mask])
        values = method(net).attribute(x, baselines=baselines, target=0, feature_mask=mask, **arguments)
        assert np.allclose(values.detach().numpy()[0], expected, rtol=tolerance), (method, x, values)

    check(captum.attr.FeatureAblation, [20, 50, 30], [80, 200, 120])
    check(captum.attr.FeatureAblation, [2, 10, 3], [8, 35, 12])
    check(captum.attr.FeatureAblation, [20, 50, 30], [280, 280, 120], mask=[0, 0, 1])
    check(captum.attr.FeatureAblation, [20, 50, 30], [248, 248, 104], mask=[0, 0, 1], baselines=4)
    check(captum.attr.ShapleyValues, [20, 50, 30], [76.6667, 196.6667, 116.6667])
    check(captum.attr.ShapleyValues, [2, 10, 3], [7, 32.5, 10.5])
    check(captum.attr.ShapleyValues, [20, 50, 30], [275, 275, 115], mask=[0, 0, 1])
    # Captum draws its coalitions, and comes near.
    torch.manual_seed(0)
    check(captum.attr.KernelShap, [20, 50, 30], [76.6667, 196.6667, 116.6667], tolerance=2e-3, n_samples=2000)


def segmentations():
    """Labels `[H, W]` of scikit-image for one picture, and PAIR's ranking of such segments by drawn numbers."""
    size = (56, 72)
    colours = picture("segments", size, block=13, noise=24)
    found = {"slic": slic(colours, n_segments=20, compactness=10, max_num_iter=10, start_label=0)}
    image = xrai._normalize_image(colours.astype(np.float64), [-1.0, 1.0])
    for scale, smallest in ((50, 40), (2000, 5)):
        found[f"felzenszwalb.{scale}.{smallest}"] = felzenszwalb(image, scale=scale, sigma=0.8, min_size=smallest)
    attribution = seeded.uniform("attribution", size, -1, 1).astype(np.float64)
    masks = xrai._unpack_segs_to_masks(list(found.values()))
    masks = [dilation(mask, footprint=disk(2)) for mask in masks]
    parameters = xrai.XRAIParameters(return_xrai_segments=True)
    result = xrai.XRAI().GetMaskWithDetails(
        attribution, None, base_attribution=attribution, segments=masks, extra_parameters=parameters
    )
    found["xrai_map"], found["xrai_ranks"] = result.attribution_mask, result.segments
    return {name: np.asarray(values, dtype=np.float32) for name, values in found.items()}


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    check_net_m()
    for count, samples in ((9, 60), (16, 100), (12, 400)):
        check_the_weights_against_shap(count, samples)
    segmented = segmentations()
    for name, values in segmented.items():
        print(f"{name}: {len(np.unique(values))} segments")
    store.save_tensors(store.destination("dvm-attribution", "segments.safetensors"), segmented, "perturbations.py", PACKAGES)
    tensors = {}

    small = methods.SmallNetwork()
    with torch.no_grad():
        seeded.fill(small)
    small = small.double().eval()
    small_size, small_limit = (32, 28), 2.0
    small_samples = {"shapley": 10, "kernel_shap": 2**10, "lime": 200, "rise": 60}
    print("small")
    tensors |= of_network(
        "small", small, picture("small", small_size), small_limit, grid_segments(small_size, 2, 5), (0, 3), small_samples
    )
    described = {
        "seed": SEED,
        "every": EVERY,
        "extremal": EXTREMAL,
        "xrai_steps": XRAI_STEPS,
        "networks": [
            {"name": "small", "size": small_size, "limit": small_limit, "grid": [2, 5], "targets": [0, 3], "samples": small_samples}
        ],
    }
    for name, (side, limit) in NETWORKS.items():
        print(name)
        segments = grid_segments((side, side), GRID, GRID)
        colours = picture(name, (side, side))
        tensors |= of_network(name, network(name), colours, limit, segments, (TARGET,), SAMPLES)
        described["networks"].append(
            {"name": name, "size": [side, side], "limit": limit, "grid": [GRID, GRID], "targets": [TARGET], "samples": SAMPLES}
        )
    tensors = {name: np.asarray(values, dtype=np.float32) for name, values in tensors.items()}
    store.save_tensors(store.destination("dvm", "perturbations.safetensors"), tensors, "perturbations.py", PACKAGES)
    store.save_json(store.destination("dvm", "perturbations.json"), described)


if __name__ == "__main__":
    main()
