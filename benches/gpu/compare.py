"""Compares `dvm` on a GPU with PyTorch and Captum on the same GPU, in one run, pair by pair.

    python compare.py --dvm PATH [--out FOLDER] [--device gpu] [--rounds 3] [--seconds 280] [--only forward,…] [--quick]

In each round every row is measured once by each program, in turns; the first round measures all rows before the
second starts. A row for which too little time is left is skipped, and listed. `results.json` and `results.md` are
written after each row. `--device cpu --quick` tries the script on a machine without a GPU.
"""

import argparse
import datetime
import json
import os
import platform
import select
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
import tables  # noqa: E402
from report import amount, written  # noqa: E402
from rows import DVM, PARTS, QUICK_SIZES, SIZES, TF32, rows  # noqa: E402

# The longest time of one measurement.
LONGEST = 60
WORKS = [part.work for part in PARTS]


class Failed(Exception):
    """A measurement without a figure, and why, in one line."""


class Dvm:
    """One process for each measurement."""

    def __init__(self, program, device, sizes):
        self.program, self.device, self.sizes = program, device, sizes
        # Its device, as `dvm` names it.
        self.name = None
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
        self.version = done.stdout.strip()

    def work(self, row):
        sizes = self.sizes
        if row.work in ("forward", "train"):
            return [row.work, "--batch", row.batch]
        if row.work == "occlusion":
            settings = [f"occlusion.{name}={sizes[name]}" for name in ("window", "stride")]
            return ["occlusion", "--set", settings[0], "--set", settings[1]]
        settings = {
            "grad-cam": [],
            "integrated-gradients": [f"integrated-gradients.steps={sizes['steps']}"],
            "rise": [f"rise.masks={sizes['masks']}"],
        }
        return ["map", "--method", row.work] + [word for one in settings[row.work] for word in ("--set", one)]

    def measure(self, row, runs, limit):
        command = [self.program, "bench", *self.work(row), "--model", row.model, "--random-weights"]
        command += ["--device", self.device, "--runs", runs, "--json"]
        start = time.perf_counter()
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"stopped after {limit:.0f} s") from None
        wall = time.perf_counter() - start
        if done.returncode != 0:
            # Drivers may print errors, too; the last one is dvm's.
            lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            raise Failed(lines[-1].removeprefix("error: ") if lines else f"exit code {done.returncode}")
        report = json.loads(done.stdout)
        self.name = report.get("device") or "CPU"
        median = report["seconds"]["median"]
        lines = [line for line in done.stderr.splitlines() if line.startswith(("note: ", "warning: "))]
        notes = [line.partition(": ")[2] for line in lines if "computing on" not in line]
        return {
            "seconds": median,
            # The process, the device, the kernels and the run that is not timed.
            "first_seconds": max(wall - runs * median, 0),
            "runs": runs,
            **({"notes": notes} if notes else {}),
        }


class Peers:
    """PyTorch and Captum: a process that stays, because importing them takes seconds."""

    def __init__(self, device, sizes, log):
        # The numbers of several GPUs can differ between `dvm devices` and PyTorch; the names are in the results.
        device = "cpu" if device == "cpu" else device.replace("gpu", "cuda")
        self.command = [sys.executable, str(HERE / "worker.py"), device, json.dumps(sizes)]
        self.log, self.process, self.found = log, None, {}

    def start(self, limit):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.found = self.line(limit)

    def line(self, limit):
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        text = self.process.stdout.readline() if ready else ""
        if text:
            return json.loads(text)
        self.stop()
        raise Failed("the process ended; see worker.txt" if ready else f"stopped after {limit:.0f} s")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def lacking(self, row):
        """What a row needs and is missing."""
        if not self.found:
            return "its process did not start; see worker.txt"
        packages = self.found["packages"]
        if not packages["torch"]:
            return "PyTorch cannot be imported; see worker.txt"
        if not self.found["gpu"]:
            return "PyTorch finds no GPU"
        return next((f"{package} cannot be imported" for package in row.part.needs if not packages[package]), None)

    def measure(self, row, precision, limit):
        start = time.monotonic()
        if not self.process:
            self.start(limit)
        request = {"work": row.work, "model": row.model, "batch": row.batch, "runs": row.runs, "precision": precision}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.stop()
            raise Failed("the process ended; see worker.txt") from None
        answer = self.line(max(limit - (time.monotonic() - start), 1))
        if "error" in answer:
            raise Failed(answer["error"])
        return answer


class Comparison:
    def __init__(self, options):
        self.deadline = time.monotonic() + options.seconds
        sizes = QUICK_SIZES if options.quick else SIZES
        self.sizes, self.options = sizes, options
        self.dvm = Dvm(options.dvm.resolve(), options.device, sizes)
        self.peers = Peers(options.device, sizes, options.out / "worker.txt")
        self.rows = [row for row in rows(options.quick) if row.work in options.only.split(",")]

    def left(self):
        return self.deadline - time.monotonic()

    def run(self):
        try:
            self.peers.start(min(LONGEST, self.left()))
        except Failed as error:
            self.say(f"PyTorch and Captum: {error}")
        for number in range(1, self.options.rounds + 1):
            for row in self.rows:
                needed = row.seconds * 1.1 or row.estimate
                # A row that nobody can measure is not tried again.
                if self.left() > needed and not (number > 1 and DVM in row.missing):
                    self.measure(row, number)
                    self.save()
        self.peers.stop()
        self.save()

    def measure(self, row, number):
        start = time.monotonic()
        found = {}
        row.rounds.append(found)
        self.take(row, found, DVM, lambda limit: self.dvm.measure(row, row.runs, limit))
        peer = row.part.peer
        if lacking := self.peers.lacking(row):
            row.missing[peer] = lacking
        else:
            self.take(row, found, peer, lambda limit: self.peers.measure(row, "f32", limit))
            if peer not in row.missing:
                self.take(row, found, peer + TF32, lambda limit: self.peers.measure(row, "TF32", limit))
        seconds = time.monotonic() - start
        row.seconds = seconds - sum(each.get("choosing_seconds", 0) for each in found.values())
        if DVM in found:
            # At most two seconds of runs in later rounds.
            row.runs = max(1, min(row.runs, int(2 / found[DVM]["seconds"])))
        figures = ", ".join(f"{who} {amount(each['seconds'])}" for who, each in found.items())
        self.say(f"round {number}, {row.work} {row.name}: {figures or 'nothing'} ({seconds:.0f} s)")

    def take(self, row, found, who, measured):
        if who in row.missing:
            return
        limit = min(LONGEST, self.left())
        if limit < 2:
            return
        try:
            found[who] = measured(limit)
        except (Failed, OSError, ValueError) as error:
            row.missing[who] = str(error)
            self.say(f"{row.work} {row.name}: {who}: {error}")

    def say(self, text):
        print(f"[{self.options.seconds - self.left():4.0f} s] {text}", file=sys.stderr, flush=True)

    def save(self):
        results = {
            "machine": machine(self.dvm, self.peers, self.options),
            "sizes": self.sizes,
            "rows": [
                {
                    "work": row.work,
                    "model": row.model,
                    "batch": row.batch,
                    "rounds": row.rounds,
                    "missing": row.missing,
                    "skipped": not row.rounds,
                }
                for row in self.rows
            ],
        }
        tables.replace(self.options.out / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        tables.replace(self.options.out / "results.md", written(results["machine"], self.rows, self.sizes))


def machine(dvm, peers, options):
    found = peers.found
    return {
        "dvm": dvm.version,
        "dvm_device": dvm.name,
        "pytorch_device": found.get("gpu"),
        "processor": tables.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": found.get("python", platform.python_version()),
        "packages": found.get("packages", {}),
        "pytorch_start_seconds": found.get("start_seconds"),
        "pytorch_largest_errors": found.get("largest_errors"),
        "facts": options.fact,
        "rounds": options.rounds,
        "date": datetime.date.today().isoformat(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dvm", type=Path, required=True, help="the program, release build with the feature gpu")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    parser.add_argument("--device", default="gpu", help="cpu, gpu or gpu:N, as for dvm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=280, help="time for everything")
    parser.add_argument("--only", default=",".join(WORKS), help="parts, separated by commas")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--fact", action="append", default=[], help="a line for the results; repeatable")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(WORKS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(WORKS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(options)
    comparison.run()
    print((options.out / "results.md").read_text())
    if not any(row.figures(DVM) for row in comparison.rows):
        raise SystemExit("nothing was measured")


if __name__ == "__main__":
    main()
