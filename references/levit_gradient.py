"""PyTorch's gradient of a LeViT, of a single picture, against central differences: it is wrong.

    python references/levit_gradient.py [--dvm target/release/dvm]

It prints a table and writes nothing. The reason is in `BatchNorm2d`, not in LeViT: see `batch_norm` below, and
`docs/checking-gradients.md`. `--dvm` also compares the gradient of `dvm` for the network's ONNX file.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

SIDE = 224
STEPS = (1e-3, 1e-4, 1e-5)


def filled(net):
    """The network in f64, in evaluation mode, with statistics and factors that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for values, low, high in ((module.weight.data, 0.5, 1.5), (module.running_var, 0.5, 1.5),
                                      (module.bias.data, -0.2, 0.2), (module.running_mean, -0.2, 0.2)):
                values.copy_(torch.rand(values.shape, generator=generator) * (high - low) + low)
    return net.double().eval().requires_grad_(False)


def gradient_of(function, picture):
    asked = picture.clone().requires_grad_(True)
    function(asked).backward()
    return asked.grad


def mismatch(function, picture, gradient, seed):
    """The least difference of `gradient · v` and the central differences at several lengths of steps, relative to
    the larger of the two, for a random `v`."""
    direction = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    direction /= direction.norm()
    claimed = float((gradient * direction).sum())
    found = []
    with torch.no_grad():
        for step in STEPS:
            change = function(picture + step * direction) - function(picture - step * direction)
            central = float(change) / (2 * step)
            found.append((abs(central - claimed) / max(abs(central), abs(claimed)), claimed, central))
    return min(found)


def show(name, function, picture, gradient):
    for seed in (2, 3):
        off, claimed, central = mismatch(function, picture, gradient, seed)
        print(f"{name:62} {claimed:12.4e} {central:12.4e}   off by {off:.1e}")


def score_of(net, count=1):
    """A random sum of the network's numbers for the first picture; `count` copies of it are walked."""
    def score(pictures):
        numbers = net(pictures.expand(count, -1, -1, -1))
        weights = torch.randn(numbers.shape[1], generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        return (numbers[0] * weights).sum()
    return score


def contiguous_gradients(net):
    """Has gradients of batch norms laid out as PyTorch's kernel takes them to be."""
    def after(module, inputs, output):
        if output.requires_grad:
            output.register_hook(lambda gradient: gradient.clone(memory_format=torch.contiguous_format))
    hooks = [m.register_forward_hook(after) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    return lambda: [hook.remove() for hook in hooks]


def batch_norm():
    """A batch norm in evaluation multiplies by a number per channel, so its gradient does, too."""
    for count in (1, 2):
        norm = filled(nn.BatchNorm2d(128))
        maps = torch.randn(count, 128, 14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
        weights = torch.randn(count, 196, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
        seen = []

        def function(x):
            y = norm(x)
            if y.requires_grad:
                y.register_hook(lambda gradient: seen.append(gradient.stride()))
            # As vision transformers make tokens of maps.
            return (y.flatten(2).transpose(1, 2).contiguous() * weights).sum()

        gradient = gradient_of(function, maps)
        factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).view(1, -1, 1, 1)
        right = weights.transpose(1, 2).reshape(maps.shape) * factor
        off = float((gradient - right).norm() / right.norm())
        print(f"BatchNorm2d, then tokens, batch of {count}: strides of the gradient {seen[0]}, off by {off:.1e} in norm")


def by_program(program, net):
    """The program's gradient of logit 0 for the network's ONNX file, against differences of PyTorch's forward walk."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pixels = np.random.default_rng(7).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "picture.png")
        settings = {"resize": "none", "crop": [SIDE, SIDE], "mean": [0.5] * 3, "std": [0.25] * 3}
        (folder / "preprocess.json").write_text(json.dumps(settings))
        picture = torch.from_numpy((pixels / 255 - 0.5) / 0.25).permute(2, 0, 1)[None].double()
        torch.onnx.export(net.float(), (picture.float(),), str(folder / "levit.onnx"), dynamo=False, opset_version=17)
        net = net.double()
        subprocess.run(
            [program, "explain", folder / "picture.png", "--model", folder / "levit.onnx", "--preprocess",
             folder / "preprocess.json", "--output", "logits", "--method", "gradient", "--class", "0", "--out",
             folder / "out", "--quiet"],
            check=True,
        )
        maps = folder / "out" / "picture"
        gradient = torch.from_numpy(np.load(maps / "gradient.raw.npy").astype(np.float64))[None]
        show("levit_128s: dvm, from its ONNX file, in f32", lambda x: net(x)[0, 0], picture, gradient)
        record = json.loads((maps / "explanation.json").read_text())
        print("    dvm's own check:", record["model"]["gradient_check"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--dvm", type=Path, help="the program, to compare its gradient")
    program = arguments.parse_args().dvm
    print(f"torch {torch.__version__}, timm {timm.__version__}, f64, CPU")
    batch_norm()
    picture = torch.randn(1, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    for name in ("resnet18", "levit_conv_128s", "levit_128s"):
        torch.manual_seed(0)
        net = filled(timm.create_model(name, pretrained=False, num_classes=10))
        function = score_of(net)
        show(f"{name}: PyTorch", function, picture, gradient_of(function, picture))
    function = score_of(net, count=2)
    show("levit_128s: PyTorch, two copies of the picture in a batch", function, picture, gradient_of(function, picture))
    remove = contiguous_gradients(net)
    function = score_of(net)
    show("levit_128s: PyTorch, gradients of batch norms made contiguous", function, picture,
         gradient_of(function, picture))
    remove()
    if program:
        by_program(program, net)


if __name__ == "__main__":
    main()
