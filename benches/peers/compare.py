"""Sets `dvm` beside PyTorch, ONNX Runtime and Captum, in one run, pair by pair.

    python benches/peers/compare.py [--rounds 5] [--only forward,guided,occlusion,cold]

Machines drift, so each figure is taken `rounds` times, the contestants taking turns, each in a
process of its own; quoted are medians, and the median of the ratios pair by pair. Prints the tables
of docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
COFFEE = ROOT / "assets" / "samples" / "coffee.png"


def run(command):
    """The last line of a command's output as JSON."""
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def ours(work, model, batch, runs):
    return run([TARGET / "examples" / "measure", work, model, str(batch), str(runs)])["median"]


def theirs(peer, work, model, batch, runs):
    return run([sys.executable, HERE / "peer.py", peer, work, model, str(batch), str(runs)])["median"]


def whole(command):
    """Wall seconds and peak memory in MB of a whole process."""
    import time

    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def paired(rounds, contestants):
    """`rounds` turns of every contestant: one list of figures each."""
    figures = [[] for _ in contestants]
    for _ in range(rounds):
        for figure, contestant in zip(figures, contestants):
            figure.append(contestant())
    return figures


def ratio(a, b):
    return statistics.median(x / y for x, y in zip(a, b))


def row(name, unit, scale, mine, others):
    cells = [f"{statistics.median(mine) * scale:.1f} {unit}"]
    for other in others:
        if other is None:
            cells.append("–")
        else:
            cells.append(f"{statistics.median(other) * scale:.1f} {unit} (**{ratio(mine, other):.2f}**)")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def forward(rounds):
    print("\n| forward, per image | dvm | PyTorch | ONNX Runtime |\n|---|---|---|---|")
    for model in ("squeezenet1_1", "efficientnet_lite0", "resnet18"):
        for batch in (1, 16):
            runs = 15 if batch == 1 else 5
            mine, torch, onnx = paired(
                rounds,
                [
                    lambda: ours("forward", model, batch, runs),
                    lambda: theirs("torch", "forward", model, batch, runs),
                    lambda: theirs("onnxruntime", "forward", model, batch, runs),
                ],
            )
            row(f"{model}, batch {batch}", "ms", 1e3 / batch, mine, [torch, onnx])


def guided(rounds):
    print("\n| guided backprop of one photo | dvm | PyTorch, same rule |\n|---|---|---|")
    for model in ("squeezenet1_1", "efficientnet_lite0", "resnet18"):
        mine, torch = paired(
            rounds,
            [
                lambda: ours("guided-backprop", model, 1, 9),
                lambda: theirs("torch", "guided-backprop", model, 1, 9),
            ],
        )
        row(model, "ms", 1e3, mine, [torch])


def occlusion(rounds):
    print("\n| occlusion 20/10, 484 windows | dvm | Captum |\n|---|---|---|")
    for model in ("squeezenet1_1", "efficientnet_lite0", "resnet18"):
        mine, captum = paired(
            rounds,
            [
                lambda: ours("occlusion", model, 1, 1),
                lambda: theirs("captum", "occlusion", model, 1, 1),
            ],
        )
        row(model, "s", 1, mine, [captum])


def cold(rounds):
    print("\n| whole process: coffee.png to figure | dvm | Python script |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as out:
        for methods in ("guided-backprop", "guided-backprop,occlusion"):
            dvm = [TARGET / "dvm", "explain", COFFEE, "--quiet", "--method", methods, "--out", out]
            python = [sys.executable, HERE / "explain.py", COFFEE, methods, out]
            mine, others = paired(rounds, [lambda: whole(dvm), lambda: whole(python)])
            seconds = [[second for second, _ in each] for each in (mine, others)]
            memory = [[size for _, size in each] for each in (mine, others)]
            row(f"{methods}, seconds", "s", 1, seconds[0], [seconds[1]])
            row(f"{methods}, peak memory", "MB", 1, memory[0], [memory[1]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="forward,guided,occlusion,cold")
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {arguments.rounds} rounds")
    for part in arguments.only.split(","):
        rounds = min(arguments.rounds, 3) if part == "occlusion" else arguments.rounds
        {"forward": forward, "guided": guided, "occlusion": occlusion, "cold": cold}[part](rounds)


if __name__ == "__main__":
    main()
