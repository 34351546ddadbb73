"""Maps of a small network by Captum, in f64 (its occlusion averages in f32), and results computed by hand."""

import math
import warnings

import numpy as np
import torch
from captum.attr import Deconvolution, GuidedBackprop, GuidedGradCam, InputXGradient, Occlusion, Saliency
from torch import nn

import networks
import seeded
import store

PACKAGES = ("torch", "captum", "numpy", "safetensors")
# An 8-bit picture, [H, W, 3], normalised as ImageNet's are: what dvm's own preprocessing gives.
INPUT = {"name": "small.input", "shape": [32, 28, 3], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
TARGETS = (0, 3)
# Window and stride, rows then columns: both ways without a rest, columns with, both with.
OCCLUSIONS = {
    "exact": ((8, 7), (4, 3)),
    "ragged_columns": ((8, 6), (4, 3)),
    "ragged": ((7, 6), (6, 4)),
}
# The colour that covers a window, R, G, B.
FILL = (200, 60, 130)


class SmallNetwork(nn.Module):
    """conv1, relu1, pool1, conv2, relu2, mean over the plane, fc."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        return self.fc(self.relu2(self.conv2(x)).mean((2, 3)))


class TinyNetwork(nn.Module):
    """Captum's own test network: convolution of ones, biases −50 and −75, five +1 and three −1."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.relu1 = nn.ReLU()
        self.fc1 = nn.Linear(8, 4, bias=False)
        self.relu2 = nn.ReLU()
        with torch.no_grad():
            self.conv1.weight.fill_(1)
            self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
            self.fc1.weight.copy_(torch.tensor([[1.0] * 5 + [-1.0] * 3] * 4))

    def forward(self, x):
        return self.relu2(self.fc1(self.relu1(self.conv1(x)).flatten(1)))


def normalised(colours):
    """`(p / 255 − mean) / std` of 8-bit colours `[..., 3]`, each step in f32."""
    mean, std = (np.array(INPUT[key], dtype=np.float32) for key in ("mean", "std"))
    return (np.asarray(colours, dtype=np.float32) / np.float32(255) - mean) / std


def picture():
    """Colours `[H, W, 3]` that follow from the name: floor(256 · unit)."""
    values = seeded.unit(INPUT["name"], int(np.prod(INPUT["shape"])))
    return np.floor(256 * values).astype(np.uint8).reshape(INPUT["shape"])


def gradient_maps(network, x):
    """Full arrays `[1, 3, H, W]` of the gradient methods, by method and target."""
    methods = {
        "gradient": lambda target: Saliency(network).attribute(x, target, abs=False),
        "guided_backprop": GuidedBackprop(network).attribute,
        "deconvnet": Deconvolution(network).attribute,
        "input_x_gradient": InputXGradient(network).attribute,
    }
    tensors = {}
    for method, attribute in methods.items():
        for target in TARGETS:
            arguments = (target,) if method == "gradient" else (x, target)
            tensors[f"{method}.{target}"] = attribute(*arguments).detach().numpy()
    return tensors


def check_the_rules_against_captum(network, x, tensors):
    """The rules of networks.py must be those of Captum."""
    rules = {"guided_backprop": networks.GuidedRectifier, "deconvnet": networks.DeconvnetRectifier}
    for method, rectifier in rules.items():
        for target in TARGETS:
            own = x.detach().clone().requires_grad_()
            networks.with_rule(network, rectifier)(own)[:, target].sum().backward()
            assert np.allclose(own.grad.numpy(), tensors[f"{method}.{target}"], rtol=1e-12, atol=1e-15)


def captum_occlusion(network, x, window, stride, target=3):
    """Drop in logit per pixel `[H, W]`; all channels are covered at once and so agree."""
    maps = Occlusion(network).attribute(
        x, (3, *window), strides=(3, *stride), baselines=0, target=target, perturbations_per_eval=16
    )
    maps = maps.detach().numpy()[0]
    assert np.array_equal(maps[0], maps[1]) and np.array_equal(maps[0], maps[2])
    return maps[0]


def window_corners(size, window, stride):
    """First rows (or columns) of the windows: ceil((size − window) / stride + 1) of them."""
    return [i * stride for i in range(math.ceil((size - window) / stride + 1))]


def occluded_logits(network, x, window, stride, fill):
    """Logits `[rows, columns, classes]` with one window covered at a time; slow on purpose."""
    rows = window_corners(x.shape[2], window[0], stride[0])
    columns = window_corners(x.shape[3], window[1], stride[1])
    colour = torch.as_tensor(fill, dtype=x.dtype).reshape(3, 1, 1)
    scores = []
    for top in rows:
        for left in columns:
            covered = x.detach().clone()
            covered[0, :, top : top + window[0], left : left + window[1]] = colour
            with torch.no_grad():
                scores.append(network(covered)[0].numpy())
    return np.array(scores).reshape(len(rows), len(columns), -1)


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def spread_over_pixels(cells, size, window, stride, average):
    """Sum, or average, over the windows that cover a pixel, of one value per window."""
    total, covering = np.zeros(size), np.zeros(size)
    for i, top in enumerate(window_corners(size[0], window[0], stride[0])):
        for j, left in enumerate(window_corners(size[1], window[1], stride[1])):
            total[top : top + window[0], left : left + window[1]] += cells[i, j]
            covering[top : top + window[0], left : left + window[1]] += 1
    return total / covering if average else total


def occlusion_maps(network, x):
    """Captum's maps, and raw scores per window, by geometry."""
    tensors = {}
    with torch.no_grad():
        whole = network(x)[0].numpy()
    for name, (window, stride) in OCCLUSIONS.items():
        captum = captum_occlusion(network, x, window, stride)
        drops = whole[3] - occluded_logits(network, x, window, stride, (0, 0, 0))[..., 3]
        slow = spread_over_pixels(drops, captum.shape, window, stride, average=True)
        # Captum divides by the number of covering windows in f32, whatever the network computes in.
        rounding = 2 * np.finfo(np.float32).eps * np.abs(captum).max()
        assert np.allclose(slow, captum, rtol=0, atol=rounding), f"{name}: the slow loop disagrees with Captum"
        assert captum.std() > 1e-3, f"{name}: the map is all but flat"
        tensors[f"occlusion.{name}.captum"] = captum
        logits = occluded_logits(network, x, window, stride, normalised(FILL))
        tensors[f"occlusion.{name}.window_logits"] = logits
        tensors[f"occlusion.{name}.window_probabilities"] = softmax(logits)
    return tensors


def check_captums_tiny_network():
    """The values of Captum's tests, which a person can follow with a pencil."""
    network = TinyNetwork().eval()
    x = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    assert network(x)[0, 0].item() == 54

    def check(actual, expected):
        rows = [[float(value) for value in row.split()] for row in expected.split("/")]
        assert np.array_equal(actual.detach().numpy()[0, 0], np.array(rows)), actual

    check(GuidedBackprop(network).attribute(x, 0), "0 1 1 1 / 1 3 3 2 / 1 3 3 2 / 1 2 2 1")
    check(Deconvolution(network).attribute(x, 0), "2 3 3 1 / 3 5 5 2 / 3 5 5 2 / 1 2 2 1")
    check(
        GuidedGradCam(network, network.relu1).attribute(x, 0),
        "0 0 4 4 / 0 0 12 8 / 28 84 97.5 65 / 28 56 65 32.5",
    )
    check(
        Occlusion(network).attribute(x, (1, 3, 3), strides=(1, 2, 2), baselines=0, target=0),
        "44 44 38.5 33 / 44 44 38.5 33 / 49 49 44.5 40 / 54 54 50.5 47",
    )


def check_pairs_occlusion():
    """The oracle of PAIR saliency: f = 3 · sum, ones at (1, 1) and (3, 3), windows summed."""
    image = np.zeros((5, 5))
    image[1, 1] = image[3, 3] = 1
    drops = np.array([[3 * image[i : i + 3, j : j + 3].sum() for j in range(3)] for i in range(3)])
    expected = [[3, 6, 6, 3, 0], [6, 15, 18, 12, 3], [6, 18, 24, 18, 6], [3, 12, 18, 15, 6], [0, 3, 6, 6, 3]]
    assert np.array_equal(spread_over_pixels(drops, (5, 5), (3, 3), (1, 1), average=False), expected)


def main():
    torch.set_num_threads(1)
    # Captum announces on every call that it sets hooks and asks for gradients.
    warnings.filterwarnings("ignore", category=UserWarning)
    check_captums_tiny_network()
    check_pairs_occlusion()

    network = SmallNetwork()
    with torch.no_grad():
        seeded.fill(network)
    network = network.double().eval()
    values = normalised(picture()).transpose(2, 0, 1)[None]
    x = torch.from_numpy(np.ascontiguousarray(values)).double().requires_grad_()
    logits = network(x).detach().numpy()
    tensors = {"logits": logits, "probabilities": softmax(logits)}
    tensors |= gradient_maps(network, x)
    check_the_rules_against_captum(network, x, tensors)
    tensors |= occlusion_maps(network, x)
    for name, array in tensors.items():
        print(f"{name} {list(array.shape)}: {array.min():.4g} … {array.max():.4g}, std {array.std():.3g}")
    described = {
        "input": INPUT,
        "parameters": {name: list(value.shape) for name, value in network.state_dict().items()},
        "targets": TARGETS,
        "fill": FILL,
        "occlusions": {name: {"window": w, "stride": s, "target": 3} for name, (w, s) in OCCLUSIONS.items()},
    }
    tensors = {f"small.{name}": array for name, array in tensors.items()}
    store.save_tensors(store.destination("dvm-attribution", "methods.safetensors"), tensors, "methods.py", PACKAGES)
    store.save_json(store.destination("dvm-attribution", "methods.json"), described)


if __name__ == "__main__":
    main()
