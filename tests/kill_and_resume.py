"""Kills a training at random moments and resumes it, until it is done; then compares it with an uninterrupted one:
`best.safetensors` and `last.safetensors` must have the same bytes, and `metrics.jsonl` and `steps.jsonl` must be the
same except for times.

    cargo build --release && python tests/kill_and_resume.py target/release/dvm --kills 100

Needs only Python. Ends with an error at the first difference.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

# Everything that has a state: averages, accumulation, dropout, mixup, augmentations, a schedule that
# looks at the validation.
SETTINGS = """
model = "efficientnet_lite0"
epochs = 4
batch = 6
accumulate = 2
ema = 0.9
mixup = 0.2
clip = 5.0
patience = 3

[preprocess]
resize = { short_side = 72 }
interpolation = "bilinear"
crop = [64, 64]
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[optimiser]
name = "adam"
learning_rate = 1e-3

[schedule]
name = "plateau"

[augment]
colour_jitter = true
rotation = true

[tensorboard]
images_every = 0
"""


def png(path, side, colour, noise):
    """A picture of one colour with noise, by nothing but zlib."""
    row = lambda: b"".join(
        bytes(min(255, max(0, c + noise.randrange(-60, 60))) for c in colour) for _ in range(side)
    )
    raw = b"".join(b"\0" + row() for _ in range(side))
    chunk = lambda kind, data: (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw, 1))
        + chunk(b"IEND", b"")
    )


def pictures(folder):
    noise = random.Random(1)
    colours = {"blue": (80, 90, 150), "green": (90, 140, 90), "red": (150, 90, 80)}
    for split, count in (("train", 20), ("val", 8)):
        for name, colour in colours.items():
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                png(place / f"{index:02}.png", 80, colour, noise)


def facts(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        del record["seconds"], record["images_per_second"]
    return {
        "best.safetensors": (run / "best.safetensors").read_bytes(),
        "last.safetensors": (run / "last.safetensors").read_bytes(),
        "metrics.jsonl": records,
        "steps.jsonl": (run / "steps.jsonl").read_bytes(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=lambda path: pathlib.Path(path).resolve(), help="the dvm to kill")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures(folder / "data")
        settings = folder / "settings.toml"
        settings.write_text(SETTINGS)
        begin = [options.program, "train", folder / "data", "--config", settings, "--plain", "--out"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        whole = folder / "whole"
        start = time.monotonic()
        subprocess.run([*begin, whole], check=True, **quiet)
        takes = time.monotonic() - start
        expected = facts(whole)
        kills = runs = 0
        while kills < options.kills:
            run = folder / "killed"
            shutil.rmtree(run, ignore_errors=True)
            first = True
            while True:
                # A kill before there is a run leaves a folder to begin in, or nothing.
                resumable = (run / "config.toml").exists()
                command = [options.program, "train", "--resume", run, "--plain"] if resumable else [*begin, run]
                if not first and not resumable:
                    shutil.rmtree(run, ignore_errors=True)
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                first = False
                try:
                    _, said = process.communicate(timeout=moments.uniform(0.01, takes * 0.8))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    continue
                if process.returncode != 0:
                    sys.exit(f"after {kills} kills: {said.decode()}")
                break
            runs += 1
            found = facts(run)
            for name, value in expected.items():
                if found[name] != value:
                    sys.exit(f"after {kills} kills in {runs} runs: {name} differs")
            left = [path.name for path in run.rglob("*.part")]
            print(f"{kills} kills, {runs} runs done: the same bytes; {len(left)} .part files", flush=True)


if __name__ == "__main__":
    main()
