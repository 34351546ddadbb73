"""Localisation metrics of seeded maps and masks, by Quantus and (with a tolerance) torchray."""

import warnings

import numpy as np
import quantus
import torch
from torchray.benchmark.pointing_game import PointingGame

import seeded
import store

PACKAGES = ("quantus", "torchray", "torch", "numpy")
# Rows, columns, the number of steps of the map's values (0: as they are), the side of the mask's blocks and the
# share of the blocks that are the object. Steps make pixels equal; the script checks that what then counts is clear.
CASES = {
    "square": ((32, 32), 0, 8, 0.2),
    "wide": ((24, 40), 0, 5, 0.3),
    "tall": ((41, 23), 0, 4, 0.1),
    "large_object": ((32, 28), 0, 3, 0.7),
    "positive": ((32, 28), 0, 7, 0.25),
    "steps": ((30, 34), 6, 6, 0.3),
}
TOLERANCES = (1, 2, 4, 7)


def made(name, size, steps, block, share):
    """The map `[H, W]` in −1 … 1, and whether each pixel is the object."""
    relevance = seeded.uniform(f"localisation.{name}.map", size, -1, 1)
    if name == "positive":
        relevance = np.abs(relevance)
    if steps:
        relevance = (np.floor(relevance * steps) / steps).astype(np.float32)
    rows, columns = (-(-side // block) for side in size)
    blocks = seeded.unit(f"localisation.{name}.mask", rows * columns).reshape(rows, columns) < share
    mask = np.kron(blocks, np.ones((block, block), bool))[: size[0], : size[1]]
    assert mask.any() and not mask.all(), name
    return relevance, mask


def by_quantus(metric, relevance, mask, **options):
    """Quantus' figure of one map as it is: neither scaled nor its absolute values."""
    model = torch.nn.Identity()
    score = metric(abs=False, normalise=False, disable_warnings=True, **options)(
        model=model,
        x_batch=np.zeros((1, 1, *mask.shape), np.float32),
        y_batch=np.array([0]),
        a_batch=relevance[None, None].astype(np.float64),
        s_batch=mask[None, None].astype(int),
        device="cpu",
    )
    return float(score[0])


def rank_accuracy(relevance, mask):
    """The mean over all orders of equal pixels, by drawing orders: slow on purpose. Quantus takes one order."""
    area, generator = mask.sum(), np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        order = generator.permutation(relevance.size)
        ranked = order[np.argsort(-relevance.ravel()[order], kind="stable")]
        drawn.append(mask.ravel()[ranked[:area]].mean())
    return float(np.mean(drawn)), float(np.std(drawn) / np.sqrt(len(drawn)))


def main():
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    cases = []
    for name, (size, steps, block, share) in CASES.items():
        relevance, mask = made(name, size, steps, block, share)
        positive = np.maximum(relevance, 0)
        mass = by_quantus(quantus.RelevanceMassAccuracy, positive, mask)
        # Another metric of Quantus is the same but for 1e-9 that it adds to the sum.
        other = by_quantus(quantus.AttributionLocalisation, relevance, mask, positive_attributions=True)
        assert abs(mass - other) < 1e-9 * mass, (mass, other)
        case = {
            "name": name,
            "size": size,
            "steps": steps,
            "mask": ["".join("#" if inside else "." for inside in row) for row in mask],
            "energy_inside": mass,
        }
        if steps:
            case["rank_accuracy"], case["rank_accuracy_error"] = rank_accuracy(relevance, mask)
        else:
            case["rank_accuracy"] = by_quantus(quantus.RelevanceRankAccuracy, relevance, mask)
            # One pixel is the highest: which of several would count, tools disagree about.
            assert (relevance == relevance.max()).sum() == 1
            case["on_object"] = by_quantus(quantus.PointingGame, relevance, mask)
            y, x = np.unravel_index(relevance.argmax(), size)
            rows, columns = np.nonzero(mask)
            squared = (rows - y) ** 2 + (columns - x) ** 2
            case["within"] = {}
            for tolerance in TOLERANCES:
                # At the very distance torchray says no.
                assert (squared != tolerance**2).all() or (squared < tolerance**2).any()
                game = PointingGame(1, tolerance=tolerance)
                case["within"][tolerance] = max(game.evaluate(torch.from_numpy(mask), (x, y)), 0)
        print(case | {"mask": f"{mask.mean():.2f}"})
        cases.append(case)
    described = {"versions": store.versions(PACKAGES), "cases": cases}
    store.save_json(store.destination("dvm-attribution", "metrics_localisation.json"), described)


if __name__ == "__main__":
    main()
