"""Compares `dvm` with PyTorch, ONNX Runtime and Captum, in one run, pair by pair.

    python benches/peers/compare.py [--rounds 3] [--only forward,guided,…] [--dvm PATH] [--dry]

Machines drift, so each time is measured `rounds` times, in turns, each in its own process. All are stored;
the tables have medians and the median of the ratios pair by pair. Each row is saved to `results.json` at once; at
the end the tables of docs/benchmarks.md and its plot are written from that file (`python tables.py` does only
that). With --dry nothing is saved: the tables of this run are printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tables

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
COFFEE = ROOT / "assets" / "samples" / "coffee.png"
PARTS = ("forward", "guided", "train", "train-memory", "occlusion", "occlusion-vgg16", "command", "cold", "memory")
TRAINED = ("resnet18", "efficientnet_lite0")
SMALL = ("squeezenet1_1", "efficientnet_lite0")
# What a peer is called in the tables.
PYTORCH, ONNX, CAPTUM, SCRIPT = "PyTorch", "ONNX Runtime", "Captum", "Python script"


def reported(command):
    """The JSON at the end of a command's output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    text = done.stdout.strip()
    # A peer's libraries may have had something to say before.
    return json.loads(text if text.startswith("{") else text.splitlines()[-1])


class Contestants:
    """How each kind of work is asked of `dvm` and of its peers."""

    def __init__(self, dvm):
        self.program = dvm

    def bench(self, work, model, batch=1, runs=1):
        return reported(
            [self.program, "bench", work, "--model", model, "--random-weights", "--json"]
            + ["--batch", batch, "--runs", runs]
        )

    def dvm(self, *work):
        return lambda: self.bench(*work)["seconds"]["median"]

    @staticmethod
    def peer(peer, work, model, batch=1, runs=1):
        command = [sys.executable, HERE / "peer.py", peer, work, model, batch, runs]
        return lambda: reported(command)["seconds"]["median"]

    def explain(self, picture, methods, folder, model=None):
        """A cold process from picture to figure: `dvm` and the script. `model` is a name and a
        weight file."""
        options = ["--method", methods] if model else []
        dvm = [self.program, "explain", picture, "--quiet", "--out", folder, *options]
        script = [sys.executable, HERE / "explain.py", picture, methods, folder]
        if model:
            dvm += ["--model", model[0], "--weights", model[1]]
            script += model
        return lambda: whole(dvm), lambda: whole(script)


def whole(command):
    """Wall seconds and peak memory in bytes of a whole process."""
    start = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def paired(rounds, contestants):
    """`rounds` turns of every contestant: one list of figures each."""
    figures = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            figures[name].append(contestant())
    return figures


def forward(take, on):
    cases = [(model, batch) for model in (*SMALL, "resnet18") for batch in (1, 16)]
    for model, batch in [*cases, ("vgg16", 8)]:
        runs = 15 if batch == 1 else 5
        take(
            f"{model}, batch {batch}",
            {
                "dvm": on.dvm("forward", model, batch, runs),
                PYTORCH: on.peer("torch", "forward", model, batch, runs),
                ONNX: on.peer("onnxruntime", "forward", model, batch, runs),
            },
            per=batch,
        )


def guided(take, on):
    for model in (*SMALL, "resnet18"):
        take(
            model,
            {
                "dvm": on.dvm("backward", model, 1, 9),
                PYTORCH: on.peer("torch", "guided-backprop", model, 1, 9),
            },
        )


def train(take, on):
    for model in TRAINED:
        take(
            f"{model}, batch 20",
            {
                "dvm": on.dvm("train", model, 20, 3),
                PYTORCH: on.peer("torch", "train", model, 20, 3),
            },
        )


def train_memory(take, on):
    for model in TRAINED:
        peer = [sys.executable, HERE / "peer.py", "torch", "train", model, 20, 2]
        take(
            f"{model}, batch 20",
            {
                "dvm": lambda: on.bench("train", model, 20, 2)["peak_memory_bytes"],
                PYTORCH: lambda: reported(peer)["peak_memory_bytes"],
            },
            rounds=1,
        )


def occlusion(take, on):
    for model in (*SMALL, "resnet18"):
        take(
            model,
            {
                "dvm": on.dvm("occlusion", model),
                CAPTUM: on.peer("captum", "occlusion", model),
                ONNX: on.peer("onnxruntime", "occlusion", model),
            },
        )


def occlusion_vgg16(take, on):
    # Captum takes minutes.
    contestants = {"dvm": on.dvm("occlusion", "vgg16"), CAPTUM: on.peer("captum", "occlusion", "vgg16")}
    take("vgg16", contestants, rounds=1)


def command(take, on):
    with tempfile.TemporaryDirectory() as folder:
        dvm, script = on.explain(COFFEE, "guided-backprop,occlusion", folder)
        take_whole(take, "efficientnet_lite0, guided backprop and occlusion 20/10", dvm, script)


def cold(take, on):
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "resnet18.safetensors")
        subprocess.run([sys.executable, HERE / "networks.py", "resnet18", weights], check=True)
        dvm, script = on.explain(COFFEE, "guided-backprop", folder, ["resnet18", weights])
        take_whole(take, "resnet18, guided backprop", dvm, script)


def take_whole(take, name, dvm, script):
    figures = take.paired({"dvm": dvm, SCRIPT: script})
    for index, what in enumerate(("seconds", "peak memory")):
        take.keep(f"{name}: {what}", {who: [both[index] for both in all] for who, all in figures.items()})


def memory(take, on):
    def peer():
        report = reported([sys.executable, HERE / "peer.py", "captum", "occlusion", "resnet18", 1, 1])
        return report["peak_memory_bytes"] - report["weights_bytes"]

    take(
        "resnet18",
        {
            "dvm": lambda: on.bench("occlusion", "resnet18")["peak_beyond_weights_bytes"],
            CAPTUM: peer,
        },
        rounds=1,
    )


class Take:
    """Takes the figures of one part, row by row, and keeps them."""

    def __init__(self, part, rounds, results, save):
        self.part, self.rounds, self.results, self.save = part, rounds, results, save

    def __call__(self, name, contestants, per=1, rounds=None):
        figures = paired(min(rounds or self.rounds, self.rounds), contestants)
        self.keep(name, {who: [figure / per for figure in all] for who, all in figures.items()})

    def paired(self, contestants):
        return paired(self.rounds, contestants)

    def keep(self, name, figures):
        self.results.setdefault("figures", {}).setdefault(self.part, {})[name] = figures
        print(f"{self.part}: {name}: {figures}", file=sys.stderr, flush=True)
        self.save(self.results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--dvm", type=Path, help="the program, release build")
    parser.add_argument("--dry", action="store_true", help="save nothing, print the tables of this run")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = (arguments.dvm or target / "release" / "dvm").resolve()
    if not program.exists():
        parser.error(f"{program} is not there: cargo build --release, or give --dvm")
    results = {} if arguments.dry else tables.load()
    results["machine"] = tables.machine(arguments.rounds)
    for part in parts:
        save = (lambda _: None) if arguments.dry else tables.save
        take = Take(part, arguments.rounds, results, save)
        globals()[part.replace("-", "_")](take, Contestants(program))
    if arguments.dry:
        print(tables.written(results))
    else:
        tables.publish(results)


if __name__ == "__main__":
    main()
