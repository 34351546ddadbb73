"""Reference files of crates/dvm-data/tests: small pictures augmented by torchvision on Pillow's pictures, with
given parameters.

Pictures are stored as `[H, W, 3]` bytes; `augmentations.json` lists input, output and parameters.
"""

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

import store
from pictures import noise, scene

PACKAGES = ("torchvision", "pillow", "numpy", "safetensors")
# About the mean of ImageNet.
FILL = (124, 116, 104)


def colours() -> np.ndarray:
    """Colours from all over the cube, its corners and its grey diagonal among them."""
    corners = [255 * ((i >> c) & 1) for i in range(8) for c in range(3)]
    greys = np.repeat(np.arange(0, 256, 5), 3)
    spread = np.arange(1000, dtype=np.uint64) * 16_651_007 % (1 << 24)
    spread = np.stack([spread >> 16, spread >> 8 & 255, spread & 255], axis=-1)
    pixels = np.concatenate([corners, greys, spread.reshape(-1)]).astype(np.uint8).reshape(-1, 3)
    return pixels[:1056].reshape(32, 33, 3)


SOURCES = {
    "scene": scene("augmentations", 31, 22),
    "square": scene("augmentations, square", 24, 24),
    "noise": noise("augmentations", 17, 40),
    "colours": colours(),
}


def cases():
    """The kind of change, the source, the parameters, and the change itself."""
    for source in ("scene", "noise"):
        yield "horizontal_flip", source, {}, F.horizontal_flip
        yield "vertical_flip", source, {}, F.vertical_flip
    # Smaller and larger, down to a row, a column, a pixel; a crop that loses more rows than columns.
    boxes = {
        "scene": [((3, 5, 20, 13), (9, 11)), ((0, 0, 31, 22), (8, 8)), ((30, 2, 1, 19), (5, 7)), ((1, 1, 29, 4), (6, 9))],
        "noise": [((2, 9, 11, 30), (23, 17)), ((4, 39, 13, 1), (7, 6)), ((16, 39, 1, 1), (3, 2))],
    }
    for source, parts in boxes.items():
        for box, size in parts:
            for name in ("bilinear", "bicubic"):
                parameters = {"box": box, "size": size, "interpolation": name}
                mode = InterpolationMode(name)
                yield "crop", source, parameters, lambda p, b=box, s=size, m=mode: F.resized_crop(p, *b, s, m)
    for source in ("scene", "square"):
        for degrees in (0, 12.5, -37, 45, 90, -90, 180, 0.3):
            parameters = {"degrees": degrees, "fill": FILL}
            turn = lambda p, d=degrees: F.rotate(p, d, InterpolationMode.BILINEAR, fill=FILL)
            yield "rotation", source, parameters, turn
    for kind, adjust, factors in (
        ("brightness", F.adjust_brightness, (0, 0.3, 0.77, 1, 1.7)),
        ("contrast", F.adjust_contrast, (0, 0.3, 0.77, 1, 1.7)),
        ("saturation", F.adjust_saturation, (0, 0.3, 0.77, 1, 1.7)),
        ("hue", F.adjust_hue, (-0.5, -0.13, 0, 0.05, 0.37, 0.5)),
    ):
        for source in ("scene", "colours"):
            for factor in factors:
                yield kind, source, {"factor": factor}, lambda p, a=adjust, f=factor: a(p, f)


def main() -> None:
    torch.set_num_threads(1)
    pictures, listed = dict(SOURCES), []
    for kind, source, parameters, change in cases():
        name = f"{kind}.{sum(case['kind'] == kind for case in listed)}"
        pictures[name] = np.asarray(change(Image.fromarray(SOURCES[source])))
        assert pictures[name].dtype == np.uint8 and pictures[name].ndim == 3
        listed.append({"name": name, "kind": kind, "source": source, "parameters": parameters})
    tensors = store.destination("dvm-data", "augmentations.safetensors")
    store.save_tensors(tensors, pictures, "augmentations.py", PACKAGES)
    store.save_json(tensors.with_suffix(".json"), listed)


if __name__ == "__main__":
    main()
