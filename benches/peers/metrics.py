"""Compares metrics of one map with those of Quantus, in one run, pair by pair.

    python benches/peers/metrics.py [--rounds 3] [--dvm PATH] [--methods grad-cam,gradient] [--only deletion,…]

One map of one class of one picture of 224 × 224 pixels by a ResNet18 with random weights, the same in both. `dvm`
makes the map and measures it; Quantus gets that map, the picture that the network saw, and the weights. Prints
seconds of the metric alone (medians), the median of the ratios pair by pair, and the differences of the values.

Quantus has neither deletion nor insertion; its pixel flipping, from the picture to the baseline or back, goes
through the same pictures if as many values are flipped per step. The number of values per step must divide the
number of pixels: 3136 values in each of 48 steps, for which `dvm` covers 1046 pixels in each of 48 steps. Its three
channels of a pixel may come in different steps, so these two values differ a little.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDE, TARGET, VALUES, PATCH, REGIONS = 224, 3, 3136, 8, 100
STEPS = 3 * SIDE * SIDE // VALUES
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# The metric: its settings here, and how Quantus is asked.
WORK = {
    "pixel-flipping": [f"patch={PATCH}"],
    "region-perturbation": [f"patch={PATCH}", f"regions={REGIONS}"],
    "deletion": [f"steps={STEPS}"],
    "insertion": [f"steps={STEPS}"],
}


def picture(folder):
    """The picture that the network saw, and one of zeros and one of black, normalised, `[1, 3, H, W]`."""
    import numpy as np
    from PIL import Image

    colours = np.asarray(Image.open(Path(folder) / "input.png").convert("RGB"), dtype=np.float32)
    mean, std = np.array(MEAN, dtype=np.float32), np.array(STD, dtype=np.float32)

    def normalised(colours):
        return np.ascontiguousarray(((colours / 255 - mean) / std).transpose(2, 0, 1)[None], dtype=np.float32)

    return normalised(colours), np.zeros((1, 3, SIDE, SIDE), np.float32), normalised(np.zeros_like(colours))


def measured_peer(work, folder, method, weights):
    """What Quantus does: seconds and its figure."""
    import warnings

    import numpy as np
    import quantus
    import torch
    import torchvision
    from safetensors.torch import load_file

    warnings.filterwarnings("ignore")
    torch.set_num_threads(os.cpu_count())
    net = torchvision.models.resnet18()
    net.load_state_dict(load_file(weights))
    net.eval()
    x, zero, black = picture(folder)
    values = np.load(Path(folder) / f"{method}.npy").reshape(1, 1, SIDE, SIDE)
    start, end = {"deletion": (x, zero), "insertion": (zero, x)}.get(work, (x, black))
    flat = end.reshape(1, -1)

    def perturb(arr, indices, **_):
        changed = arr.copy()
        for one, at in zip(changed, indices):
            one[at] = flat[0][at]
        return changed

    plain = {"normalise": False, "abs": False, "disable_warnings": True, "perturb_func": perturb}
    if work in ("deletion", "insertion"):
        metric = quantus.PixelFlipping(features_in_step=VALUES, **plain)
    else:
        regions = REGIONS if work == "region-perturbation" else (SIDE // PATCH) ** 2
        metric = quantus.RegionPerturbation(patch_size=PATCH, regions_evaluation=regions, **plain)
    with torch.inference_mode():
        def probability(x):
            return net(torch.from_numpy(x)).softmax(1)[0, TARGET].item()

        begin = probability(start)
    began = time.perf_counter()
    found = metric(
        model=net, x_batch=start, y_batch=np.array([TARGET]), a_batch=values, softmax=True, device="cpu",
        channel_first=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    found = np.array(found[0])
    if work == "region-perturbation":
        figure = found.sum() / (len(found) + 1)
    else:
        scores = np.concatenate([[begin], begin - found if work == "pixel-flipping" else found])
        figure = np.mean(scores[:-1] + scores[1:]) / 2
    return {"seconds": seconds, "figure": float(figure), "steps": len(found)}


def explained(dvm, method, weights, only, out):
    """The record of the metrics by their names, and the folder with the map."""
    command = [dvm, "explain", ROOT / "assets/samples/chelsea.png", "--model", "resnet18", "--weights", weights]
    command += ["--method", method, "--class", TARGET, "--check", ",".join(only), "--out", out]
    for metric in only:
        for setting in WORK[metric]:
            command += ["--set", f"{metric}.{setting}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    (record,) = Path(out).rglob("explanation.json")
    (made,) = json.loads(record.read_text())["methods"]
    return {metric["name"]: metric for metric in made["metrics"]}, record.parent


def peer(work, folder, method, weights):
    command = [sys.executable, __file__, "peer", work, folder, method, weights]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"Quantus failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def random_weights(folder):
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = Path(folder) / "resnet18.safetensors"
    save_file(torchvision.models.resnet18().state_dict(), path)
    return path


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--dvm", default=ROOT / "target/release/dvm")
    arguments.add_argument("--methods", default="grad-cam,gradient")
    arguments.add_argument("--only", default=",".join(WORK))
    arguments = arguments.parse_args()
    only = arguments.only.split(",")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, resnet18")
    print("| map | metric | steps | `dvm` | Quantus | ratio | figures |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(folder)
        for method in arguments.methods.split(","):
            pairs = {metric: [] for metric in only}
            for number in range(arguments.rounds):
                out = Path(folder) / f"{method}{number}"
                ours, maps = explained(arguments.dvm, method, weights, only, out)
                for metric in only:
                    pairs[metric].append((ours[metric], peer(metric, maps, method, weights)))
            for metric, found in pairs.items():
                seconds = statistics.median(own["seconds"] for own, _ in found)
                others = statistics.median(other["seconds"] for _, other in found)
                ratio = statistics.median(own["seconds"] / other["seconds"] for own, other in found)
                own, other = found[0]
                print(
                    f"| {method} | {metric} | {other['steps']} | {seconds:.2f} s | {others:.2f} s | **{ratio:.2f}** "
                    f"| {own['value']:.6g}, {other['figure']:.6g} |",
                    flush=True,
                )


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "peer":
        print(json.dumps(measured_peer(*sys.argv[2:])))
    else:
        main()
