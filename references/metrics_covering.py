"""Metrics that cover more and more of a picture, by Quantus and by a slow second implementation, in f64.

Quantus flips single values in the order of a map, and patches in the order of their sums. The
baseline is passed as a picture, because its own "black" is the smallest value of the normalised
picture. It has neither deletion nor insertion: deletion is its pixel flipping with all channels of a pixel in one
step, insertion the same from the baseline to the picture. The second implementation has the formulas of Xplique's
`Deletion` and `Insertion`.
"""

import warnings

import numpy as np
import quantus
import torch
from torch import nn

import gradient_methods
import seeded
import store

PACKAGES = ("torch", "torchvision", "quantus", "numpy", "safetensors")
# Size of the picture, steps of deletion and insertion, rows and columns of a patch, regions. A step is a whole
# number of pixels: ours rounds the number of pixels covered up, Xplique down.
NETWORKS = {
    "resnet18": ((48, 48), 36, 8, 20),
    "mobilenet_v2": ((48, 48), 36, 6, 30),
    "cnn_script_17": ((18, 14), 12, 2, 25),
    "vit_script_17": ((12, 12), 12, 4, 5),
}
BASELINES = {"deletion": "zero", "insertion": "blur", "pixel_flipping": "black", "region_perturbation": "black"}


class Double(nn.Module):
    """Quantus hands pictures over in f32; they are f32 numbers, so nothing is lost."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.double())


def subject_of(name):
    size = NETWORKS[name][0]
    if name in gradient_methods.SMALL:
        return gradient_methods.small_subject(name)
    network = gradient_methods.networks.build(name)
    return gradient_methods.Subject(name, network, size, 1, gradient_methods.TARGET)


def maps_of(name, size):
    """A map whose steps lie everywhere, and one whose first steps are a small spot."""
    rows, columns = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    spot = -((rows - 0.31 * size[0]) ** 2 + (columns - 0.57 * size[1]) ** 2)
    # Ranks: no two pixels are alike.
    ranks = np.argsort(np.argsort(spot.reshape(-1), kind="stable")).reshape(size)
    return {"noise": seeded.uniform(f"{name}.map", size, -1, 1), "spot": ranks.astype(np.float32)}


def arguments(subject, x, values, is_probability):
    return {
        "model": Double(subject.network).eval(),
        "x_batch": x.numpy().astype(np.float32),
        "y_batch": np.array([subject.target]),
        "a_batch": values[None, None],
        "softmax": is_probability,
        "device": "cpu",
        "channel_first": True,
    }


def turned_into(picture):
    """Quantus' function that changes values: into those of this picture."""
    flat = picture.numpy().astype(np.float32).reshape(1, -1)

    def perturb(arr, indices, **_):
        changed = arr.copy()
        for one, at in zip(changed, indices):
            one[at] = flat[0][at]
        return changed

    return perturb


PLAIN = {"normalise": False, "abs": False, "disable_warnings": True}


def flipped(subject, start, end, values, pixels, is_probability):
    """Scores by Quantus after every `pixels` pixels that were turned from `start` into `end`."""
    metric = quantus.PixelFlipping(features_in_step=3 * pixels, perturb_func=turned_into(end), **PLAIN)
    return np.array(metric(**arguments(subject, start, values, is_probability))[0])


def regions(subject, baseline, values, patch, count, is_probability):
    """Drops of the score by Quantus after each of the first regions."""
    metric = quantus.RegionPerturbation(
        patch_size=patch, regions_evaluation=count, order="morf", perturb_func=turned_into(baseline), **PLAIN
    )
    return np.array(metric(**arguments(subject, subject.x, values, is_probability))[0])


def score(subject, x, is_probability):
    with torch.no_grad():
        numbers = subject.network(x)
    if is_probability:
        numbers = numbers.softmax(1)
    return numbers[0, subject.target].item()


def causal(subject, start, end, values, steps, is_probability):
    """Scores and area as in Xplique's `CausalFidelity`."""
    order = np.argsort(values.reshape(-1))[::-1]
    scores = []
    for count in np.linspace(0, len(order), steps + 1, dtype=np.int32):
        x = start.clone().reshape(3, -1)
        at = torch.from_numpy(order[:count].copy())
        x[:, at] = end.reshape(3, -1)[:, at]
        scores.append(score(subject, x.reshape(start.shape), is_probability))
    scores = np.array(scores)
    return scores, np.mean(scores[:-1] + scores[1:]) * 0.5


def close(found, expected):
    largest = np.abs(expected).max()
    assert np.abs(found - expected).max() <= 1e-6 * largest, (found, expected)


def of_map(subject, values, kind):
    """Curves and figures by their names."""
    size, steps, patch, count = NETWORKS[subject.name]
    pixels = size[0] * size[1] // steps
    is_probability = kind == "probability"
    assert pixels * steps == size[0] * size[1] and len(np.unique(values)) == values.size
    baseline = {metric: subject.baseline(name) for metric, name in BASELINES.items()}
    ways = {
        "deletion": (subject.x, baseline["deletion"]),
        "insertion": (baseline["insertion"], subject.x),
        "back": (baseline["deletion"], subject.x),
    }
    found, areas = {}, {}
    for name, (start, end) in ways.items():
        scores, areas[name] = causal(subject, start, end, values, steps, is_probability)
        close(flipped(subject, start, end, values, pixels, is_probability), scores[1:])
        found[name] = scores
    # The least relevant first, on its own.
    least = flipped(subject, subject.x, baseline["deletion"], -values, pixels, is_probability)
    close(least, found.pop("back")[::-1][1:])
    whole = score(subject, subject.x, is_probability)
    drops = regions(subject, baseline["pixel_flipping"], values, patch, 1 << 20, is_probability)
    found["pixel_flipping"] = np.concatenate([[whole], whole - drops])
    drops = regions(subject, baseline["region_perturbation"], values, patch, count, is_probability)
    assert len(drops) == count
    found["region_perturbation"] = np.concatenate([[whole], whole - drops])
    figures = {
        "deletion": areas["deletion"],
        "insertion": areas["insertion"],
        "symmetric_relevance_gain": areas["back"] - areas["deletion"],
        # The same as the mean over pairs of neighbours, since all patches are of one size.
        "pixel_flipping": np.trapezoid(found["pixel_flipping"]) / (len(found["pixel_flipping"]) - 1),
        "region_perturbation": drops.sum() / (count + 1),
    }
    return found, figures


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    tensors, described = {}, []
    for name, (size, steps, patch, count) in NETWORKS.items():
        subject = subject_of(name)
        described.append(
            {**gradient_methods.described(subject, 1), "steps": steps, "patch": patch, "regions": count}
        )
        for map_name, values in maps_of(name, size).items():
            tensors[f"{name}.{map_name}.map"] = values
            for kind in ("probability", "logit"):
                curves, figures = of_map(subject, values, kind)
                for metric, scores in curves.items():
                    key = f"{name}.{map_name}.{kind}.{metric}"
                    print(f"{key}: {scores.min():.4g} … {scores.max():.4g}, {figures[metric]:.6g}")
                    assert np.ptp(scores) > 1e-3 * np.abs(scores).max(), key
                    tensors[f"{key}.curve"] = scores.astype(np.float32)
                for metric, figure in figures.items():
                    tensors[f"{name}.{map_name}.{kind}.{metric}.figure"] = np.array([figure], dtype=np.float32)
    path = store.destination("dvm", "metrics_covering.safetensors")
    store.save_tensors(path, tensors, "metrics_covering.py", PACKAGES)
    content = {"baselines": BASELINES, "networks": described}
    store.save_json(store.destination("dvm", "metrics_covering.json"), content)


if __name__ == "__main__":
    main()
