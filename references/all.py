"""Writes every reference file anew: `python references/all.py`."""

import augmentations
import data_files
import methods
import networks
import ops
import pictures
import published
import tensorboard_events
import timm_names
import training
import weights

if __name__ == "__main__":
    for script in (
        pictures,
        weights,
        data_files,
        ops,
        methods,
        networks,
        published,
        timm_names,
        training,
        tensorboard_events,
        augmentations,
    ):
        print(f"== {script.__name__}")
        script.main()
