"""Dropout masks as in crates/dvm-engine/src/ops/dropout.rs: computed from the step's seed and the node's
position in our graph."""

import types

import numpy as np
import torch
from torch import nn

import seeded


def mask(seed, node, shape, p):
    """0 with probability p, else 1 / (1 − p). Feature maps are drawn channels last, as we store them."""
    unit = seeded.unit(f"dropout {seed} {node}", int(np.prod(shape))).astype(np.float32)
    values = np.where(unit < np.float32(p), 0, np.float32(1) / np.float32(1 - np.float32(p)))
    if len(shape) == 4:
        n, c, h, w = shape
        return values.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return values.reshape(shape)


def drop(self, x):
    if not self.training:
        return x
    values = mask(0, self.node, tuple(x.shape), self.p)
    return x * torch.from_numpy(values.astype(np.float64)).to(x.dtype)


def with_our_masks(network, nodes):
    """The network itself, changed in place: its dropouts, by name, draw as ours do at these nodes."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout):
            module.node = nodes[name]
            module.forward = types.MethodType(drop, module)
    return network
