"""Logits of timm's networks with seeded weights under timm's names, for the tests that load them under
torchvision's names.

One JSON file per network: the names and shapes of all parameters and statistics, and the logits in f64.
"""

import timm
import torch

import networks
import seeded
import store

PACKAGES = ("torch", "timm", "numpy")
# Name in the zoo, timm's name, side of the picture, its range.
LAYOUTS = [
    ("efficientnet_b0", "efficientnet_b0", 64, 256.0),
    ("convnext_tiny", "convnext_tiny", 64, 2.0),
    ("vit_b_32", "vit_base_patch32_224", 224, 2.0),
    ("swin_t", "swin_tiny_patch4_window7_224", 224, 2.0),
]


def layout(name, timms, side, limit):
    network = timm.create_model(timms, pretrained=False, num_classes=networks.CLASSES)
    with torch.no_grad():
        seeded.fill(network)
        network = network.double().eval()
        shape = (1, 3, side, side)
        values = seeded.uniform(f"{timms}.layout", shape, -limit, limit)
        logits = network(torch.from_numpy(values).double())
    entries = [
        f"{key} {list(value.shape)}"
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    ]
    return {
        "architecture": name,
        "timm": timms,
        "versions": store.versions(PACKAGES),
        "input": {"name": f"{timms}.layout", "shape": shape, "low": -limit, "high": limit},
        "logits": logits[0].tolist(),
        "names": entries,
    }


def main():
    torch.set_num_threads(1)
    folder = store.destination("dvm-zoo", "timm_layouts")
    folder.mkdir(exist_ok=True)
    for name, timms, side, limit in LAYOUTS:
        store.save_json(folder / f"{name}.json", layout(name, timms, side, limit))


if __name__ == "__main__":
    main()
