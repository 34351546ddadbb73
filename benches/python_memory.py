"""Memory of one Python process over 10,000 explanations.

    python benches/python_memory.py [--count 10000]

Prints the resident memory after each tenth. Accesses map, raw array, record and overlay of every explanation. Needs the
dvm package and psutil.
"""

import argparse
import time

import numpy as np
import psutil

import dvm


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    process = psutil.Process()
    model = dvm.load("squeezenet1_1")
    pictures = np.random.default_rng(0).standard_normal((8, 3, 64, 64)).astype(np.float32)
    began = time.perf_counter()
    for number in range(1, given.count + 1):
        e = model.explain(pictures[number % 8], "grad-cam", number % 1000, progress=False)
        _ = e.map, e.raw, e.record, e.first.overlay_array()
        if number % (given.count // 10) == 0:
            seconds = time.perf_counter() - began
            rss = process.memory_info().rss / 1e6
            print(f"{number:6} explanations: {rss:7.1f} MB, {1000 * seconds / number:.2f} ms each", flush=True)


if __name__ == "__main__":
    main()
