"""Trains a network in PyTorch with the settings of `dvm train`, and prints JSON.

    python fine_tune.py DATA MODEL [--epochs N] [--batch N] [--learning-rate R] [--scale LOW]
                        [--side N] [--head] [--workers N] [--steps N] [--weights FILE]

SGD with Nesterov momentum 0.9 and weight decay 1e-4 on weights of layers only, one cycle, label
smoothing 0.1, random resized crop and flip: a typical script. With `--steps`, only so many
steps are measured, after three for warming up, and nothing is evaluated.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torchvision import datasets, transforms

from networks import network


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--scale", type=float, default=0.4)
    parser.add_argument("--side", type=int, default=224, help="of the crops that are trained on")
    parser.add_argument("--head", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--weights")
    return parser.parse_args()


def with_classes(net, classes):
    """The same network with another last layer, and that layer."""
    last = None
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and "classifier" in name):
            last = name
    parent = net.get_submodule(last.rpartition(".")[0]) if "." in last else net
    old = net.get_submodule(last)
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, classes)
    else:
        new = nn.Conv2d(old.in_channels, classes, old.kernel_size)
    setattr(parent, last.rpartition(".")[2], new)
    return net, new


def main():
    options = arguments()
    torch.manual_seed(1)
    lite = "lite" in options.model
    mean, std = ([127 / 255] * 3, [128 / 255] * 3) if lite else (
        [0.485, 0.456, 0.406],
        [0.229, 0.224, 0.225],
    )
    normal = transforms.Normalize(mean, std)
    bicubic = transforms.InterpolationMode.BICUBIC if lite else transforms.InterpolationMode.BILINEAR
    seen = transforms.Compose([
        transforms.RandomResizedCrop(options.side, (options.scale, 1.0), interpolation=bicubic),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        normal,
    ])
    plain = transforms.Compose([
        transforms.Resize(256, interpolation=bicubic),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        normal,
    ])
    train = datasets.ImageFolder(f"{options.data}/train", plain if options.head else seen)
    val = datasets.ImageFolder(f"{options.data}/val", plain)
    net = network(options.model)
    if options.weights:
        from safetensors.torch import load_file

        weights = load_file(options.weights)
        net.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
    net, head = with_classes(net, len(train.classes))
    if options.head:
        for parameter in net.parameters():
            parameter.requires_grad_(False)
        for parameter in head.parameters():
            parameter.requires_grad_(True)
    learning = [p for p in net.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": 1e-4},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, options.learning_rate, momentum=0.9, nesterov=True)
    loader = torch.utils.data.DataLoader(
        train, options.batch, shuffle=True, num_workers=options.workers, persistent_workers=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.epochs * len(loader),
        cycle_momentum=False,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    start = time.perf_counter()
    steps, accuracies = [], []
    done = 0
    for _ in range(options.epochs):
        net.train(not options.head)
        for x, y in loader:
            begun = time.perf_counter()
            optimiser.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            optimiser.step()
            schedule.step()
            steps.append(time.perf_counter() - begun)
            done += 1
            if options.steps and done >= options.steps + 3:
                print(json.dumps({
                    "seconds_per_step": statistics.median(steps[3:]),
                    "steps_per_epoch": len(loader),
                }))
                return
        net.eval()
        right = 0
        with torch.inference_mode():
            for x, y in torch.utils.data.DataLoader(val, 32, num_workers=options.workers):
                right += (net(x).argmax(1) == y).sum().item()
        accuracies.append(right / len(val))
        print(json.dumps({"accuracy": accuracies[-1], "minutes": (time.perf_counter() - start) / 60}))
    print(json.dumps({
        "best": max(accuracies),
        "minutes": (time.perf_counter() - start) / 60,
        "seconds_per_step": statistics.median(steps[3:]),
    }))


if __name__ == "__main__":
    main()
