"""The same numbers as crates/dvm-engine/src/graph/seeded.rs, computed from a name."""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fnv1a64(name: str) -> int:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def unit(name: str, length: int) -> np.ndarray:
    """`length` numbers in [0, 1), multiples of 2^-24, as float64."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(1, length + 1, dtype=np.uint64) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def uniform(name: str, shape, low: float, high: float) -> np.ndarray:
    """Row-major float32 array of `shape` in [low, high)."""
    length = int(np.prod(shape))
    return (low + (high - low) * unit(name, length)).astype(np.float32).reshape(shape)


def parameter(name: str, shape) -> np.ndarray:
    """One parameter of a network by its state-dict name; see the table in seeded.rs."""
    if len(shape) >= 2:
        bound = (3.0 / np.prod(shape[1:])) ** 0.5
        return uniform(name, shape, -bound, bound)
    if name.endswith("weight") or name.endswith("running_var"):
        return uniform(name, shape, 0.5, 1.5)
    return uniform(name, shape, -0.2, 0.2)


def fill(module) -> None:
    """Fills every parameter and buffer of a torch module by its state-dict name."""
    import torch

    state = module.state_dict()
    for name, value in state.items():
        # Counters and tables of positions are no values of the network.
        if not value.is_floating_point():
            continue
        value.copy_(torch.from_numpy(parameter(name, tuple(value.shape))))
