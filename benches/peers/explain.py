"""What `dvm explain` does, as a person would write it in Python: picture in, figure out.

    python explain.py PICTURE METHODS FOLDER

EfficientNet-Lite0 with the weights that `dvm` embeds, guided backprop and, if METHODS names it,
Captum's occlusion 20/10; the figure by matplotlib.
"""

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import timm
import torch
from captum.attr import Occlusion
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

from networks import guided

WEIGHTS = Path(__file__).resolve().parents[2] / "crates/dvm-zoo/embedded/efficientnet_lite0.safetensors"


def main(picture, methods, folder):
    torch.set_num_threads(os.cpu_count())
    net = timm.create_model("tf_efficientnet_lite0")
    state = {name: value.float() for name, value in load_file(WEIGHTS).items()}
    net.load_state_dict(state, strict=False)
    net.eval()
    prepare = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
        ]
    )
    crop = prepare(Image.open(picture).convert("RGB"))
    x = ((crop * 255 - 127) / 128)[None]
    with torch.inference_mode():
        probabilities = net(x).softmax(1)
    target = int(probabilities.argmax())
    panels = [("input", crop.permute(1, 2, 0), None)]
    if "occlusion" in methods:
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
