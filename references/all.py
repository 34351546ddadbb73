"""Writes every reference file anew: `python references/all.py`."""

import augmentations
import data_files
import exported_structures
import methods
import networks
import onnx_files
import onnx_operators
import ops
import pictures
import published_by_timm
import tensorboard_events
import timm_layouts
import published
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
        exported_structures,
        timm_layouts,
        published_by_timm,
        onnx_files,
        onnx_operators,
        published,
        timm_names,
        training,
        tensorboard_events,
        augmentations,
    ):
        print(f"== {script.__name__}")
        script.main()
