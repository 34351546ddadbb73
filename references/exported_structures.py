"""Networks of torchvision as PyTorch exports them, without their weights: a few kilobytes each.

The tests compare the work of an incremental pass with that of the registry's networks.
"""

import io
import warnings

import onnx
import torch
import torchvision
from onnx import TensorProto

import store

PACKAGES = ("torch", "torchvision", "onnx", "onnxscript")
# Name, whether by the newer exporter, version of ONNX's operators.
EXPORTS = [
    ("resnet18", False, 17),
    ("resnet18", True, 18),
    ("squeezenet1_1", False, 13),
    ("mobilenet_v2", True, 20),
]


def exported(name, dynamo, opset):
    network = torchvision.models.get_model(name, weights=None).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 3, 224, 224),), file, dynamo=dynamo, opset_version=opset,
            input_names=["x"], output_names=["logits"],
        )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


def without_weights(model):
    """The model, whose tensors of floats have no numbers, and that does not tell where it was made."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 0:
            for field in ("raw_data", "float_data"):
                tensor.ClearField(field)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    del model.graph.value_info[:]
    return model


def main():
    folder = store.destination("dvm-zoo", "exported_structures")
    folder.mkdir(exist_ok=True)
    for name, dynamo, opset in EXPORTS:
        exporter = "dynamo" if dynamo else "script"
        model = without_weights(exported(name, dynamo, opset))
        store.replace(folder / f"{name}.{exporter}_{opset}.onnx", model.SerializeToString(deterministic=True))
    store.save_json(folder / "versions.json", store.versions(PACKAGES))


if __name__ == "__main__":
    main()
