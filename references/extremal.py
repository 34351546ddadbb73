"""Extremal perturbations (Fong, Patrick, Vedaldi 2019, arXiv 1910.08485) by automatic differentiation, in f64.

Written from the paper, with torchray's settings where the paper is open. If torchray is installed (its licence,
CC BY-NC, does not allow every use, so it is not required), the mask of given parameters and the pyramid are compared with
its own. One difference is intended. The area term compares the sorted mask with a vector of zeros and ones. torchray
sorts equal values by their position in memory, which favours the lower part of the picture at the start, when all are
equal. Here equal values share the mean of their places.
"""

import importlib.util
import math

import numpy as np
import torch
from torch.nn import functional as f

LEVELS, LARGEST_BLUR = 8, 20.0
COLDNESS = 20.0
RATE, MOMENTUM = 0.01, 0.9
WEIGHT, GROWTH = 300.0, 1.0035
# Values of the mask that differ by no more than this are equal.
EQUAL = 1e-9


def blurred(x, sigma):
    """`[1, C, H, W]` under a Gaussian cut at ⌈4σ⌉, zeros around the picture."""
    radius = math.ceil(4 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=x.dtype)
    weights = torch.exp(-0.5 * (at / sigma) ** 2) if sigma > 0 else torch.ones(1, dtype=x.dtype)
    weights = weights / weights.sum()
    channels = x.shape[1]
    x = f.conv2d(x, weights.reshape(1, 1, -1, 1).repeat(channels, 1, 1, 1), padding=(radius, 0), groups=channels)
    return f.conv2d(x, weights.reshape(1, 1, 1, -1).repeat(channels, 1, 1, 1), padding=(0, radius), groups=channels)


def pyramid(x):
    """`[L, C, H, W]`: from the strongest blur to the picture itself."""
    return torch.cat([blurred(x, (1 - level / (LEVELS - 1)) * LARGEST_BLUR) for level in range(LEVELS)])


def perturbed(levels, mask):
    """`[1, C, H, W]`: at each pixel the level that the mask `[H, W]` says, between two of them linearly."""
    at = mask * (LEVELS - 1)
    low = at.detach().floor().long().clamp(max=LEVELS - 1)
    high = (low + 1).clamp(max=LEVELS - 1)
    share = at - low
    index = lambda k: levels.gather(0, k.expand(1, levels.shape[1], *mask.shape))  # noqa: E731
    return (1 - share) * index(low) + share * index(high)


def smooth_mask(parameters, size, step, sigma):
    """The mask `[H, W]`, and the same with a margin of σ around: the soft maximum of kernels around parameters."""
    margin = sigma
    reach = 1 + math.ceil(sigma / step)
    outside = 1 + math.ceil((margin + sigma) / step)
    lengths = [(n + 2 * outside - 2 * reach) * step - step + 1 for n in parameters.shape]
    padded = f.pad(parameters, (outside, outside, outside, outside))
    terms = []
    pixels = [torch.arange(length) for length in lengths]
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            rows, columns = pixels[0] // step + dy, pixels[1] // step + dx
            y = pixels[0] - (margin + step * (rows - outside))
            x = pixels[1] - (margin + step * (columns - outside))
            distance = torch.sqrt((y[:, None] ** 2 + x[None, :] ** 2).to(parameters.dtype)) / sigma
            kernel = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2)
            terms.append(kernel * padded[rows[:, None], columns[None, :]])
    terms = torch.stack(terms)
    mask = (terms * torch.softmax(COLDNESS * terms, 0)).sum(0).clamp(0, 1)
    return mask[margin : margin + size[0], margin : margin + size[1]], mask


def places(mask, area):
    """For each value of the mask what it should be: by its rank 0 or 1, equal values the mean of their ranks."""
    values = mask.detach().numpy().ravel()
    order = np.argsort(values, kind="stable")
    reference = np.ones(len(values))
    reference[: int(len(values) * (1 - area))] = 0
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ordered) > EQUAL]))
    group = np.cumsum(np.concatenate([[True], np.diff(ordered) > EQUAL])) - 1
    means = np.add.reduceat(reference, starts) / np.diff(np.append(starts, len(values)))
    wanted = np.empty(len(values))
    wanted[order] = means[group]
    return torch.from_numpy(wanted).reshape(mask.shape)


def extremal_mask(net, x, target, steps, area, step, sigma):
    """The mask `[H, W]` that keeps the logit of `target` large, and the logit at every step."""
    size = x.shape[2:]
    levels = pyramid(x)
    parameters = torch.ones([-(-n // step) for n in size], dtype=x.dtype)
    velocity = torch.zeros_like(parameters)
    check_against_torchray(x.float(), size, step, sigma)
    weight, rewards = WEIGHT, []
    for t in range(steps):
        parameters.requires_grad_(True)
        mask, with_margin = smooth_mask(parameters, size, step, sigma)
        picture = perturbed(levels, mask)
        if t % 2 == 0:
            picture = picture.flip(3)
        reward = net(picture)[0, target]
        away = ((with_margin - places(with_margin, area)) ** 2).mean()
        (gradient,) = torch.autograd.grad(weight * away - reward, parameters)
        rewards.append(float(reward.detach()))
        velocity = gradient if t == 0 else MOMENTUM * velocity + (1 - MOMENTUM) * gradient
        parameters = (parameters.detach() - RATE * velocity).clamp(0, 1)
        weight *= GROWTH
    return mask.detach().numpy(), np.array(rewards)


def check_against_torchray(x, size, step, sigma):
    """The mask and the perturbed picture of drawn parameters are torchray's, in f32."""
    if importlib.util.find_spec("torchray") is None:
        print("  torchray is not installed: masks are not compared with its own")
        return
    from torchray.attribution.extremal_perturbation import MaskGenerator, Perturbation

    torch.manual_seed(0)
    parameters = torch.rand([-(-n // step) for n in size])
    theirs, theirs_with_margin = MaskGenerator(size, step, sigma).generate(parameters[None, None])
    ours, ours_with_margin = smooth_mask(parameters.double(), size, step, sigma)
    assert torch.allclose(theirs[0, 0].double(), ours, rtol=0, atol=1e-5)
    assert torch.allclose(theirs_with_margin[0, 0].double(), ours_with_margin, rtol=0, atol=1e-5)
    picture = Perturbation(x).apply(theirs)
    own = perturbed(pyramid(x.double()), theirs[0, 0].double())
    assert torch.allclose(picture.double(), own, rtol=0, atol=1e-4 * float(x.abs().max()))
