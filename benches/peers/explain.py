"""The work of `dvm explain` as a typical Python script: picture in, figure out.

    python explain.py PICTURE METHODS FOLDER [resnet18 WEIGHTS.safetensors]

EfficientNet-Lite0 with the weights that `dvm` embeds, or torchvision's ResNet18 with those of a file;
guided backprop and, if METHODS names it, Captum's occlusion 20/10; the figure by matplotlib. Only
what is used is imported.
"""

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

from networks import guided

LITE = Path(__file__).resolve().parents[2] / "crates/dvm-zoo/embedded/efficientnet_lite0.safetensors"


def efficientnet_lite0():
    """The network, the size and filter of its resizing, its mean and standard deviation."""
    import timm

    net = timm.create_model("tf_efficientnet_lite0")
    state = {name: value.float() for name, value in load_file(LITE).items()}
    net.load_state_dict(state, strict=False)
    return net, transforms.InterpolationMode.BICUBIC, [127 / 255] * 3, [128 / 255] * 3


def resnet18(weights):
    import torchvision

    net = torchvision.models.resnet18()
    net.load_state_dict(load_file(weights))
    return net, transforms.InterpolationMode.BILINEAR, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def main(picture, methods, folder, model="efficientnet_lite0", *weights):
    torch.set_num_threads(os.cpu_count())
    net, interpolation, mean, std = {"efficientnet_lite0": efficientnet_lite0, "resnet18": resnet18}[model](*weights)
    net.eval()
    cut = transforms.Compose(
        [transforms.Resize(256, interpolation), transforms.CenterCrop(224), transforms.ToTensor()]
    )
    crop = cut(Image.open(picture).convert("RGB"))
    x = transforms.Normalize(mean, std)(crop)[None]
    with torch.inference_mode():
        probabilities = net(x).softmax(1)
    target = int(probabilities.argmax())
    panels = [("input", crop.permute(1, 2, 0), None)]
    if "occlusion" in methods:
        from captum.attr import Occlusion

        with torch.inference_mode():
            fill = x.mean((2, 3), keepdim=True)
            method = Occlusion(lambda v: net(v).softmax(1))
            map_ = method.attribute(
                x,
                sliding_window_shapes=(3, 20, 20),
                strides=(3, 10, 10),
                baselines=fill.expand_as(x),
                target=target,
                perturbations_per_eval=16,
            )
        panels.append(("occlusion", map_[0, 0], "RdBu_r"))
    if "guided-backprop" in methods:
        v = x.clone().requires_grad_()
        guided(net)(v)[0, target].backward()
        panels.insert(1, ("guided backprop", v.grad[0].abs().amax(0), "inferno"))
    figure, axes = plt.subplots(1, len(panels), figsize=(6 * len(panels), 5))
    for axis, (title, values, colours) in zip(axes, panels):
        image = axis.imshow(values.detach().numpy(), cmap=colours)
        axis.set_title(title)
        if colours:
            figure.colorbar(image)
    figure.suptitle(f"class {target}, {float(probabilities.max()):.3f}")
    figure.savefig(os.path.join(folder, "figure.png"))


if __name__ == "__main__":
    main(*sys.argv[1:])
