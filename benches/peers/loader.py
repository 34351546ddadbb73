"""Compares the loader of `dvm` with torchvision's: decode, random resized crop, flip, normalise, in batches.

    python benches/peers/loader.py FOLDER [--rounds 3] [--workers 2] [--batch 20]

FOLDER has one folder of pictures per class. They run in turns; each first reads every file once
without measuring. Prints JSON: pictures per second of each round, and the median of the ratios pair by pair.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import torch
from torchvision import datasets, transforms

ROOT = Path(__file__).resolve().parents[2]


def dvm(arguments):
    """Pictures per second of `dvm`."""
    command = ["cargo", "bench", "-q", "-p", "dvm-data", "--bench", "loader", "--", arguments.folder]
    command += [f"workers={arguments.workers}", f"batch={arguments.batch}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])["pictures_per_second"]


def peer(arguments):
    """Pictures per second of torchvision's DataLoader."""
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    data = datasets.ImageFolder(arguments.folder, change)
    loader = torch.utils.data.DataLoader(
        data, arguments.batch, shuffle=True, num_workers=arguments.workers, persistent_workers=True
    )
    # Once in vain: then the files are in memory and the workers have started.
    for _ in loader:
        pass
    start = time.perf_counter()
    pictures = sum(len(classes) for _, classes in loader)
    return pictures / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=20)
    arguments = parser.parse_args()
    rounds = [(dvm(arguments), peer(arguments)) for _ in range(arguments.rounds)]
    ratios = [ours / theirs for ours, theirs in rounds]
    print(
        json.dumps(
            {
                "workers": arguments.workers,
                "batch": arguments.batch,
                "pictures_per_second": {
                    "dvm": [round(ours, 1) for ours, _ in rounds],
                    "torchvision": [round(theirs, 1) for _, theirs in rounds],
                },
                "median_ratio": round(statistics.median(ratios), 3),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
