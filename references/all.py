"""Writes every reference file anew: `python references/all.py`."""

import augmentations
import data_files
import methods
import networks
import onnx_files
import ops
import pictures
import tensorboard_events
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
        onnx_files,
        training,
        tensorboard_events,
        augmentations,
    ):
        print(f"== {script.__name__}")
        script.main()
