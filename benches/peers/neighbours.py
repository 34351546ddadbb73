"""The slowdown of `dvm` and other tools beside busy processes, and the throughput of several single-threaded ones.

    python benches/peers/neighbours.py [--rounds 3] [--dvm PATH] [--only forward,train,…]

Every work runs alone, and beside one and two busy processes; `dvm` and the other tool run in turns, each in its own
process. Prints a table for docs/benchmarks.md: medians, and in brackets the time relative to alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from compare import Contestants

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUSY = (0, 1, 2)
# Name, work, network, batch, runs of `dvm` and of the peer; the peer, and what it calls the work.
WORKS = (
    ("forward", "forward", "resnet18", 1, (41, 41), ("onnxruntime", "forward")),
    ("forward", "forward", "resnet18", 16, (9, 9), ("onnxruntime", "forward")),
    ("forward", "forward", "mobilenet_v2", 1, (61, 61), ("onnxruntime", "forward")),
    ("train", "train", "resnet18", 20, (3, 3), ("torch", "train")),
    ("occlusion", "occlusion", "resnet18", 1, (2, 1), ("onnxruntime", "occlusion")),
)


class Busy:
    """So many processes that count."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        command = [sys.executable, "-c", "n = 0\nwhile True:\n    n += 1"]
        self.processes = [subprocess.Popen(command) for _ in range(self.count)]
        time.sleep(0.5)

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def losses(contestants, rounds, only):
    print("| work | other processes | `dvm` | other tool | |\n|---|---|---|---|---|")
    for part, work, model, batch, (own_runs, peer_runs), (peer, peers_work) in WORKS:
        if only and part not in only:
            continue
        own = contestants.dvm(work, model, batch, own_runs)
        other = contestants.peer(peer, peers_work, model, batch, peer_runs)
        alone = None
        for busy in BUSY:
            with Busy(busy):
                pairs = [(own(), other()) for _ in range(rounds)]
            medians = [statistics.median(side) for side in zip(*pairs)]
            alone = alone or medians
            cells = [f"{1e3 * m:.1f} ms (**{m / a:.2f}**)" for m, a in zip(medians, alone)]
            name = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch"}[peer]
            beside = "none" if busy == 0 else f"{busy} busy"
            print(f"| {work} {model}, batch {batch} | {beside} | {cells[0]} | {cells[1]} | {name} |", flush=True)


def throughput(dvm, rounds):
    """Pictures per second of one, of as many processes as there are cores, and of twice as many, each of one
    thread."""
    cores = os.cpu_count()
    print("\n| processes of one thread | pictures per second, all together |\n|---|---|")
    command = [dvm, "bench", "forward", "--model", "resnet18", "--random-weights", "--batch", "4", "--runs", "25"]
    command += ["--threads", "1", "--json"]
    for count in (1, cores, 2 * cores):
        rates = []
        for _ in range(rounds):
            processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
            reports = [json.loads(process.communicate()[0]) for process in processes]
            rates.append(sum(4 / report["seconds"]["median"] for report in reports))
        print(f"| {count} | {statistics.median(rates):.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dvm", type=Path, default=ROOT / "target" / "release" / "dvm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="forward, train, occlusion, throughput; separated by commas")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else []
    version = subprocess.run([str(arguments.dvm), "--version"], capture_output=True, text=True, check=True)
    print(version.stdout.strip(), file=sys.stderr)
    losses(Contestants(arguments.dvm), arguments.rounds, only)
    if not only or "throughput" in only:
        throughput(str(arguments.dvm), arguments.rounds)


if __name__ == "__main__":
    main()
