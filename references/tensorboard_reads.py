"""Reads the event files of a training run with TensorBoard's own package and checks them.

    python references/tensorboard_reads.py RUN [--names seed] [--image-tags 3]

RUN is a run folder of `dvm train`. The curves must be those of its `metrics.jsonl` and `steps.jsonl`,
point by point;
the text `config` must hold its `config.toml`; every picture must be a PNG of the size it claims.
"""

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

OWN = {
    "train_loss": "loss/train",
    "train_accuracy": "accuracy/train",
    "val_loss": "loss/val",
    "val_accuracy": "accuracy/val",
    "learning_rate": "learning_rate",
    "seconds": "seconds/epoch",
    "images_per_second": "images_per_second",
}
SEED = {
    "train_loss": "train_epoch_loss",
    "train_accuracy": "train_epoch_acc",
    "val_loss": "val_epoch_loss",
    "val_accuracy": "val_epoch_acc",
}
TAGS = {"dvm": OWN, "seed": {**OWN, **SEED}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--names", choices=TAGS, default="dvm")
    parser.add_argument("--image-tags", type=int, default=0, help="at least so many tags of pictures")
    arguments = parser.parse_args()

    folder = folder_of_events(arguments.run)
    records = sum(len(list(EventFileLoader(str(path)).Load())) for path in event_files(folder))
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    events = EventAccumulator(str(folder), size_guidance=everything).Reload()
    points = check_curves(events, arguments.run, TAGS[arguments.names])
    pictures = check_pictures(events, arguments.image_tags)
    check_config(events, arguments.run / "config.toml")
    print(f"{folder}: {records} records; {points} points, {pictures} pictures and the config are as told")


def event_files(folder: Path) -> list:
    return sorted(folder.glob("events.out.tfevents.*"))


def folder_of_events(run: Path) -> Path:
    folders = {path.parent for path in run.rglob("events.out.tfevents.*")}
    if len(folders) != 1:
        sys.exit(f"{run}: {len(folders)} folders hold event files; there should be one")
    return folders.pop()


STEP = {"loss": "step/loss", "learning_rate": "step/learning_rate"}


def check_curves(events, run: Path, tags: dict) -> int:
    metrics, steps = run / "metrics.jsonl", run / "steps.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    if not lines:
        sys.exit(f"{metrics} is empty: nothing to compare with")
    expected = {
        tag: [(line["epoch"], np.float32(line[key])) for line in lines if line[key] is not None]
        for key, tag in tags.items()
    }
    if steps.exists():
        lines = [json.loads(line) for line in steps.read_text().splitlines()]
        for key, tag in STEP.items():
            expected[tag] = [(line["step"], np.float32(line[key])) for line in lines]
    expected = {tag: points for tag, points in expected.items() if points}
    found = {
        tag: [(point.step, np.float32(point.value)) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    if found != expected:
        sys.exit(f"curves are\n{found}\nand should be\n{expected}")
    return sum(map(len, found.values()))


def check_pictures(events, at_least: int) -> int:
    tags = events.Tags()["images"]
    if len(tags) < at_least:
        sys.exit(f"pictures are there for {tags}, which are fewer than {at_least} tags")
    count = 0
    for tag in tags:
        for event in events.Images(tag):
            picture = Image.open(io.BytesIO(event.encoded_image_string))
            picture.load()
            if picture.format != "PNG" or picture.size != (event.width, event.height):
                sys.exit(f"{tag}, step {event.step}: {picture.format} of {picture.size}, not as told")
            count += 1
    return count


def check_config(events, path: Path) -> None:
    if "config" not in events.Tags()["tensors"]:
        sys.exit(f"no text `config`; there are {events.Tags()['tensors']}")
    if events.SummaryMetadata("config").plugin_data.plugin_name != "text":
        sys.exit("`config` is not a text to TensorBoard")
    texts = [make_ndarray(event.tensor_proto)[0].decode() for event in events.Tensors("config")]
    shown = [line.strip() for line in texts[-1].splitlines()]
    missing = [line for line in path.read_text().splitlines() if line.strip() not in shown]
    if missing:
        sys.exit(f"the text `config` lacks {missing}")


if __name__ == "__main__":
    main()
