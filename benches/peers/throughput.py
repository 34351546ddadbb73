"""Pictures per second for a folder: the Python package, the command, and loops over Captum and pytorch-grad-cam with a
DataLoader, one after the other in each round.

    python benches/peers/throughput.py FOLDER WEIGHTS.pth [--count 100] [--rounds 3]

FOLDER contains photos, WEIGHTS torchvision's weights of ResNet18. The loops follow the documentation of their libraries: a
DataLoader with two workers, batches of 16. Needs the dvm package, the program, torch, torchvision, captum, grad-cam.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torchvision
from captum.attr import GuidedBackprop, Occlusion
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import dvm

PREPARE = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


class Photos(Dataset):
    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return PREPARE(Image.open(self.files[index]).convert("RGB")), index


def network(weights):
    net = torchvision.models.resnet18()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    return net.eval()


def theirs(net, files, method, out):
    """Maps of all photos as .npy, by the peer."""
    loader = DataLoader(Photos(files), batch_size=16, num_workers=2)
    if method == "grad-cam":
        cam = GradCAM(model=net, target_layers=[net.layer4[-1]])
    elif method == "guided-backprop":
        guided = GuidedBackprop(net)
    else:
        occlusion = Occlusion(net)
    for x, indices in loader:
        with torch.no_grad():
            classes = net(x).argmax(1)
        if method == "grad-cam":
            maps = cam(input_tensor=x, targets=[ClassifierOutputTarget(int(c)) for c in classes])
        elif method == "guided-backprop":
            maps = guided.attribute(x.requires_grad_(), target=classes).abs().amax(1).detach().numpy()
        else:
            maps = occlusion.attribute(
                x, (3, 20, 20), strides=(3, 10, 10), target=classes, perturbations_per_eval=16
            )[:, 0].numpy()
        for index, one in zip(indices, maps):
            np.save(out / f"{int(index)}.npy", np.asarray(one, dtype=np.float32))


def package(weights, files, method, out):
    """The same by the Python package, picture by picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = dvm.load("resnet18", weights)
    for index, file in enumerate(files):
        np.save(out / f"{index}.npy", model.explain(file, method, progress=False).map)


def command(weights, files, method, out):
    """The same by the command, which loads and saves while it computes."""
    listed = out / "list.txt"
    listed.write_text("\n".join(map(str, files)))
    words = ["explain", str(listed), "--model", "resnet18", "--weights", str(weights), "--method", method]
    subprocess.run(
        [sys.executable, "-m", "dvm", *words, "--formats", "npy", "--quiet", "--out", str(out / "maps")], check=True
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", default="grad-cam,guided-backprop,occlusion")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    files = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    for method in given.methods.split(","):
        # A map by occlusion takes the peer seconds.
        count = max(given.count // 12, 4) if method == "occlusion" else given.count
        chosen = files[:: max(len(files) // count, 1)][:count]
        net = network(given.weights)
        seconds = {"peer": [], "package": [], "command": []}
        for _ in range(given.rounds):
            for name, run in (
                ("peer", lambda out: theirs(net, chosen, method, out)),
                ("package", lambda out: package(given.weights, chosen, method, out)),
                ("command", lambda out: command(given.weights, chosen, method, out)),
            ):
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    run(Path(folder))
                    seconds[name].append(time.perf_counter() - began)
        medians = {name: statistics.median(all_of) for name, all_of in seconds.items()}
        rates = ", ".join(f"{name} {len(chosen) / median:.2f}" for name, median in medians.items())
        ratios = [own / peer for own, peer in zip(seconds["package"], seconds["peer"])]
        commands = [own / peer for own, peer in zip(seconds["command"], seconds["peer"])]
        print(
            f"{method}, {len(chosen)} photos, pictures/s: {rates}; time of the package "
            f"{statistics.median(ratios):.2f}, of the command {statistics.median(commands):.2f} × the peer's",
            flush=True,
        )


if __name__ == "__main__":
    main()
