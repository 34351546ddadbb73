"""Writes all reference files: `python references/all.py`."""

import augmentations
import cams
import controls
import data_files
import dicom_pictures
import exported_structures
import gradient_methods
import methods
import metrics_covering
import metrics_randomisation
import metrics_localisation
import metrics_sampling
import networks
import onnx_files
import onnx_rewritten
import onnx_operators
import onnx_outputs
import ops
import perturbations
import pictures
import preparing
import published_by_timm
import regions
import survey
import tensorboard_events
import timm_layouts
import published
import timm_names
import training
import value_ranges
import vision_transformers
import weights

if __name__ == "__main__":
    for script in (
        pictures,
        value_ranges,
        weights,
        data_files,
        dicom_pictures,
        ops,
        methods,
        cams,
        controls,
        metrics_randomisation,
        perturbations,
        gradient_methods,
        metrics_covering,
        metrics_localisation,
        regions,
        metrics_sampling,
        networks,
        exported_structures,
        timm_layouts,
        published_by_timm,
        onnx_files,
        onnx_rewritten,
        preparing,
        onnx_operators,
        onnx_outputs,
        published,
        timm_names,
        training,
        survey,
        tensorboard_events,
        augmentations,
        vision_transformers,
    ):
        print(f"== {script.__name__}")
        script.main()
