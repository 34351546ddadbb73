"""The two exporters of PyTorch, with their usual arguments."""

import torch


def export(model, path, size, *, dynamo, opset, dynamic=None, fold=True, channels=3):
    """Writes `model` for pictures of `size` = (height, width).

    `dynamic` is None, "batch", or "size" (batch, height and width).
    """
    example = torch.randn(1, channels, *size)
    axes = {}
    if dynamic:
        axes[0] = "batch"
    if dynamic == "size":
        axes |= {2: "height", 3: "width"}
    settings = {"input_names": ["input"], "output_names": ["logits"], "opset_version": opset}
    if dynamo:
        settings |= {"dynamo": True, "external_data": False}
        if axes:
            # 1 would be taken for a constant.
            example = torch.randn(2, channels, *size)
            settings["dynamic_shapes"] = ({n: torch.export.Dim.AUTO for n in axes},)
    else:
        settings |= {"dynamo": False, "do_constant_folding": fold}
        if axes:
            settings["dynamic_axes"] = {"input": axes, "logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(model, (example,), str(path), **settings)
    return path
