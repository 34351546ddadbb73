"""Explaining by Ray Data on this machine: one and two workers of one thread each, and the cost of a picture as their
number grows.

    python benches/ray_scaling.py FOLDER [--count 400] [--tiny 100000] [--model resnet18]

FOLDER contains photos; `--tiny N` makes N pictures of 32 × 32 pixels in memory and prints the time of each tenth. Needs
the dvm package with `ray`.
"""

import argparse
import io
import time
import warnings
from pathlib import Path

import numpy as np
import ray
from PIL import Image

import dvm
import dvm.ray


def consumed(dataset):
    """Rows, those with an error, and seconds."""
    began = time.perf_counter()
    rows = errors = 0
    for batch in dataset.iter_batches(batch_size=64, batch_format="numpy"):
        rows += len(batch["class_index"])
        errors += int((batch["class_index"] < 0).sum())
    return rows, errors, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--tiny", type=int, default=0)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--method", default="grad-cam")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = sorted(str(path) for path in given.folder.rglob("*.jpg"))[: given.count]
    for _ in range(given.rounds if files else 0):
        for workers in (1, 2):
            pictures = ray.data.read_binary_files(files, include_paths=True, override_num_blocks=16)
            found = dvm.ray.explain(pictures, given.model, given.method, workers=workers, maps="float16")
            rows, errors, seconds = consumed(found)
            print(f"{workers} workers: {rows} rows, {errors} errors, {seconds:.1f} s, {rows / seconds:.1f} pictures/s")
    if given.tiny:
        tenth = given.tiny // 10
        noise = np.random.default_rng(0)
        kept = []
        for _ in range(64):
            buffer = io.BytesIO()
            Image.fromarray(noise.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
            kept.append(buffer.getvalue())
        small = dvm.load(given.model, preprocess={"resize": {"exact": [32, 32]}, "crop": [32, 32]})
        pictures = ray.data.range(given.tiny, override_num_blocks=200).map(
            lambda row: {"bytes": kept[row["id"] % 64], "path": f"{row['id']:07}.png"}
        )
        found = dvm.ray.explain(pictures, small, given.method, workers=2, maps="none", batch_size=64)
        began, rows, marks = time.perf_counter(), 0, []
        for batch in found.iter_batches(batch_size=256, batch_format="numpy"):
            rows += len(batch["class_index"])
            while rows >= tenth * (len(marks) + 1):
                marks.append(time.perf_counter() - began)
        parts = [late - early for early, late in zip([0.0, *marks], marks)]
        print(f"{rows} tiny pictures; seconds of each tenth: {' '.join(f'{part:.1f}' for part in parts)}")


if __name__ == "__main__":
    main()
