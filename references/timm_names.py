"""timm's parameter names of networks that torchvision has, too. Both networks get the same numbers and must give
the same logits; only then is timm's name listed.

`timm_names.json` has one entry per name of timm's: the network here, and pairs of layers (timm's, ours)
where names differ."""

import numpy as np
import timm
import torch

import networks
import seeded
import store

# By torchvision's name: timm's names, and the side of the picture to compare with, if any. timm's old names
# (`tv_resnet50`) stand for networks with weights (`resnet50.tv_in1k`).
CASES = {
    "resnet18": (["resnet18"], 64),
    "resnet34": (["resnet34", "tv_resnet34"], 64),
    "resnet50": (["resnet50", "tv_resnet50"], 64),
    "resnet101": (["resnet101", "tv_resnet101"], 64),
    "resnet152": (["resnet152", "tv_resnet152"], 64),
    "resnext50_32x4d": (["resnext50_32x4d", "tv_resnext50_32x4d"], 64),
    "resnext101_32x8d": (["resnext101_32x8d"], 64),
    "resnext101_64x4d": (["resnext101_64x4d"], 64),
    "wide_resnet50_2": (["wide_resnet50_2"], 64),
    "wide_resnet101_2": (["wide_resnet101_2"], 64),
    # timm's linear layers are convolutions of 7×7: equal for pictures of 224 pixels. The networks are of
    # one table, and large; of most only the names are compared.
    **{
        name: ([name], 224 if name in ("vgg11", "vgg11_bn") else None)
        for name in networks.INPUTS
        if name.startswith("vgg")
    },
    "densenet121": (["densenet121", "tv_densenet121"], 64),
    "densenet161": (["densenet161"], 64),
    "densenet169": (["densenet169"], 64),
    "densenet201": (["densenet201"], 64),
    "inception_v3": (["inception_v3", "tf_inception_v3", "adv_inception_v3"], 107),
    "mobilenet_v2": (["mobilenetv2_100"], 96),
}
# timm's networks have no input transform; it is part of the network here, and they get what it gives.
TRANSFORMED = {"inception_v3"}


def entries(network):
    """The state dict without counters, and without the heads that timm does not build."""
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked") and not name.startswith("AuxLogits.")
    }


def layers(ours, theirs):
    """Pairs of layers; both networks list their parameters in the order of their layers."""
    ours, theirs = entries(ours), entries(theirs)
    assert len(ours) == len(theirs)
    pairs = {}
    for (here, value), (there, other) in zip(ours.items(), theirs.items()):
        assert value.shape[0] == other.shape[0] and value.numel() == other.numel(), (here, there)
        (here, kind), (there, other_kind) = here.rsplit(".", 1), there.rsplit(".", 1)
        assert kind == other_kind and pairs.setdefault(there, here) == here
    return pairs


def fill(theirs, ours):
    """Gives timm's network the values of torchvision's."""
    with torch.no_grad():
        for value, other in zip(entries(ours).values(), entries(theirs).values()):
            other.copy_(value.reshape(other.shape))


def compare(architecture, name, side):
    """Raises unless both give the same logits."""
    ours = networks.build(architecture).float()
    theirs = timm.create_model(name, pretrained=False, num_classes=networks.CLASSES).eval()
    fill(theirs, ours)
    limit = networks.INPUTS[architecture][2]
    x = torch.from_numpy(seeded.uniform(f"{name}.timm", (1, 3, side, side), -limit, limit))
    with torch.no_grad():
        expected = ours(x).numpy()
        if architecture in TRANSFORMED:
            x = ours._transform_input(x)
        found = theirs(x).numpy()
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{name}: logits are those of {architecture} to {error:.1e}")
    assert error < 1e-5


def described(architecture, name):
    """One entry of the file."""
    with torch.device("meta"):
        ours = networks.create(architecture, 1000)
        pairs = layers(ours, timm.create_model(name, pretrained=False))
    differing = [] if all(a == b for a, b in pairs.items()) else list(pairs.items())
    return {"timm": name, "architecture": architecture, "layers": differing}


def main():
    torch.set_num_threads(1)
    found = []
    for architecture, (names, side) in CASES.items():
        for name in names:
            if side is not None:
                compare(architecture, name, side)
            found.append(described(architecture, name))
    store.save_json(store.destination("dvm-zoo", "timm_names.json"), found)


if __name__ == "__main__":
    main()
