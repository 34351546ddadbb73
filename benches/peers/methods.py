"""Compares maps of `dvm` with those of Captum and pytorch-grad-cam, in one run, pair by pair.

    python benches/peers/methods.py [--rounds 3] [--dvm PATH] [--only grad-cam,rise,…] [--model resnet18]

One map of one class of one picture of 224 × 224 pixels; weights are random. The other tools use batches of 16.
Prints seconds (medians), the median of the ratios pair by pair, and the peak memory of each process.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDE, TARGET, BATCH = 224, 3, 16

# Name here: the method of `dvm` with its settings, the peer.
WORK = {
    "grad-cam": (["grad-cam"], "pytorch-grad-cam"),
    "integrated-gradients, 50 steps": (["integrated-gradients", "steps=50"], "Captum"),
    "smoothgrad, 25 samples": (["smoothgrad", "samples=25"], "Captum"),
    "rise, 4000 masks": (["rise", "masks=4000"], "the authors' code on PyTorch"),
    "kernel-shap, 1000 samples": (["kernel-shap", "samples=1000"], "Captum"),
    "score-cam": (["score-cam"], "pytorch-grad-cam"),
}


def peer(work, model):
    """What the peer does, once."""
    import numpy as np
    import torch
    import torchvision

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    net = getattr(torchvision.models, model)().eval()
    x = torch.randn(1, 3, SIDE, SIDE)
    if work == "grad-cam" or work == "score-cam":
        from pytorch_grad_cam import GradCAM, ScoreCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        made = (GradCAM if work == "grad-cam" else ScoreCAM)(model=net, target_layers=[net.layer4[-1]])
        made.batch_size = BATCH
        return lambda: made(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)])
    if work.startswith("integrated"):
        from captum.attr import IntegratedGradients

        method = IntegratedGradients(net)
        return lambda: method.attribute(x, target=TARGET, n_steps=50, internal_batch_size=BATCH)
    if work.startswith("smoothgrad"):
        from captum.attr import NoiseTunnel, Saliency

        method = NoiseTunnel(Saliency(net))
        return lambda: method.attribute(
            x, nt_type="smoothgrad", nt_samples=25, nt_samples_batch_size=BATCH, stdevs=0.15, target=TARGET, abs=False
        )
    if work.startswith("rise"):
        generator = np.random.default_rng(0)
        cell = -(-SIDE // 7)
        grids = (generator.random((4000, 1, 7, 7)) < 0.5).astype(np.float32)
        shifts = generator.integers(0, cell, (4000, 2))

        def step():
            total = torch.zeros(SIDE, SIDE)
            with torch.inference_mode():
                for first in range(0, 4000, BATCH):
                    up = torch.nn.functional.interpolate(
                        torch.from_numpy(grids[first : first + BATCH]), size=(8 * cell,) * 2, mode="bilinear"
                    )
                    masks = torch.stack(
                        [m[0, a : a + SIDE, b : b + SIDE] for m, (a, b) in zip(up, shifts[first : first + BATCH])]
                    )
                    scores = net(x * masks[:, None]).softmax(1)[:, TARGET]
                    total += (scores[:, None, None] * masks).sum(0)
            return total / 2000

        return step
    from captum.attr import KernelShap

    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    segments = (rows // 32 * 7 + columns // 32)[None, None].expand(1, 3, -1, -1)
    method = KernelShap(net)

    def step():
        with torch.inference_mode():
            method.attribute(x, target=TARGET, feature_mask=segments, n_samples=1000, perturbations_per_eval=BATCH)

    return step


def measured_peer(work, model):
    step = peer(work, model)
    if "rise" not in work and "shap" not in work and work != "score-cam":
        step()
    start = time.perf_counter()
    step()
    return {
        "seconds": time.perf_counter() - start,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1] if "peer" in command else done.stdout)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--dvm", default=ROOT / "target/release/dvm")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--model", default="resnet18")
    arguments = arguments.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {arguments.model}")
    print("| map | `dvm` | peer | ratio | memory of `dvm` | of the peer |")
    print("|---|---|---|---|---|---|")
    for work, (own, name) in WORK.items():
        if arguments.only and not any(work.startswith(only) for only in arguments.only.split(",")):
            continue
        method, *settings = own
        if method == "kernel-shap":
            settings.append("segments=grid:7")
        command = [arguments.dvm, "bench", "map", "--model", arguments.model, "--random-weights", "--json"]
        command += ["--runs", 1, "--method", method]
        for setting in settings:
            command += ["--set", f"{method}.{setting}"]
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(run(command))
            theirs.append(run([sys.executable, __file__, "peer", work, arguments.model]))
        seconds = [one["seconds"]["median"] for one in ours]
        others = [one["seconds"] for one in theirs]
        ratio = statistics.median(a / b for a, b in zip(seconds, others))
        mebi = lambda values: f"{statistics.median(values) / 2**20:.0f} MiB"
        print(
            f"| {work} | {statistics.median(seconds):.2f} s | {statistics.median(others):.2f} s ({name}) "
            f"| **{ratio:.2f}** | {mebi([one['peak_memory_bytes'] for one in ours])} | {mebi([o['peak'] for o in theirs])} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "peer":
        print(json.dumps(measured_peer(*sys.argv[2:])))
    else:
        main()
