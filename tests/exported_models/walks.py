"""Maps, gradients and fine-tuning of a network."""

import json

import numpy as np

from checks import Failed, check
from comparison import difference
from exporters import export
from program import classify, network_options, succeed
from seeded_models import picture, timm_model, torchvision_model
from comparison import Exported, by_torch

NETWORKS = [
    # Name, from where, exporter, opset, smooth: no unit whose slope jumps.
    ("squeezenet1_1", torchvision_model, False, 17, False),
    ("resnet18", torchvision_model, True, 18, False),
    ("mobilenet_v3_small", torchvision_model, False, 17, False),
    ("vit_tiny_patch16_224", timm_model, True, 18, True),
    ("convnext_atto", timm_model, False, 17, True),
    ("swin_t", torchvision_model, False, 17, True),
]


def exported_network(around, name, make, dynamo, opset):
    model = make(name)
    path = around.folder / f"{name}.onnx"
    export(model, path, (224, 224), dynamo=dynamo, opset=opset)
    return Exported(path, original=by_torch(model)), model


def explain(around, exported, out, *options):
    """The folder with the maps of its picture."""
    folder = around.folder / out
    succeed(
        around.program, "explain", exported.picture, "--out", folder, "--quiet",
        *network_options(exported), *options,
    )
    return folder / exported.picture.stem


def input_gradient(model, values, target):
    """The gradient [3, H, W] of a logit by PyTorch in f64."""
    import torch

    values = torch.from_numpy(values).double().requires_grad_()
    model = model.double()
    logits = model(values)
    logits[0, target].backward()
    model.float()
    return values.grad[0].numpy()


def add_maps(name, make, dynamo, opset, smooth):
    @check(f"walks/maps/{name}", by_default=name in ("squeezenet1_1", "vit_tiny_patch16_224"))
    def run(around):
        exported, _ = exported_network(around, name, make, dynamo, opset)
        if around.program is None:
            return "exported"
        methods = ["--method", "occlusion,guided-backprop", "--window", 20, "--stride", 36]
        part = explain(around, exported, "incremental", *methods)
        whole = explain(around, exported, "whole", *methods, "--no-incremental")
        record = json.loads((part / "explanation.json").read_text())
        if not record:
            raise Failed("explanation.json is empty")
        maps = [np.load(folder / "occlusion.npy") for folder in (part, whole)]
        if not np.abs(maps[1]).max() > 0:
            raise Failed("the occlusion map is zero everywhere")
        apart = difference(*maps)
        if not apart <= 1e-3:
            raise Failed(f"incremental occlusion is {apart:.1e} of the largest value from the whole one")
        guided = np.load(part / "guided-backprop.npy")
        if not (np.isfinite(guided).all() and np.abs(guided).max() > 0):
            raise Failed("the guided-backprop map is zero or no number")
        return f"incremental {apart:.1e} from whole"

    @check(f"walks/gradient/{name}", by_default=name in ("squeezenet1_1", "convnext_atto"))
    def run(around):
        exported, model = exported_network(around, name, make, dynamo, opset)
        if around.program is None:
            return "exported"
        logits, _ = classify(around.program, exported)
        maps = explain(around, exported, "gradient", "--method", "gradient")
        raw = np.load(maps / "gradient.raw.npy").reshape(3, 224, 224)
        expected = input_gradient(model, exported.values, int(np.argmax(logits)))
        largest = np.abs(expected).max()
        apart = np.abs(raw - expected) / largest
        measured = f"largest difference {apart.max():.1e}, of 99 % of values {np.quantile(apart, 0.99):.1e}"
        # A ReLU within rounding of its edge changes a few values; PyTorch's own f32 does as well.
        if not (apart.max() if smooth else np.quantile(apart, 0.99)) <= 1e-4 or apart.max() > 0.05:
            raise Failed(measured)
        return measured


for row in NETWORKS:
    add_maps(*row)


@check("walks/fine-tuning/squeezenet1_1", by_default=True)
def fine_tune_squeezenet(around):
    return fine_tune(around, "squeezenet1_1", torchvision_model, False)


@check("walks/fine-tuning/vit_tiny_patch16_224", by_default=False)
def fine_tune_vit(around):
    return fine_tune(around, "vit_tiny_patch16_224", timm_model, True)


@check("walks/fine-tuning/resnet18", by_default=False)
def fine_tune_resnet(around):
    return fine_tune(around, "resnet18", torchvision_model, True)


def fine_tune(around, name, make, dynamo):
    from PIL import Image

    exported, _ = exported_network(around, name, make, dynamo, 18 if dynamo else 17)
    if around.program is None:
        return "exported"
    for split, count in (("train", 6), ("val", 2)):
        for klass in ("stains", "stripes", "dark"):
            folder = around.folder / "data" / split / klass
            folder.mkdir(parents=True)
            for n in range(count):
                pixels = picture(f"{split} {klass} {n}", 224, 224)
                if klass == "stripes":
                    pixels[:, ::8] = 255
                elif klass == "dark":
                    pixels //= 4
                Image.fromarray(pixels).save(folder / f"{n}.png")
    run = around.folder / "run"
    succeed(
        around.program, "train", around.folder / "data", "--model", exported.path,
        "--out", run, "--epochs", 1, "--batch", 6, "--plain",
    )
    best = run / "best.safetensors"
    if not best.is_file():
        raise Failed("training left no best.safetensors")
    out = around.folder / "after"
    succeed(
        around.program, "explain", exported.picture, "--model", best, "--out", out, "--quiet",
        "--method", "guided-backprop", "--class", "stripes",
    )
    guided = np.load(out / exported.picture.stem / "guided-backprop.npy")
    if not np.isfinite(guided).all():
        raise Failed("the map of the trained network is no number somewhere")
    return "trained, and explained"
