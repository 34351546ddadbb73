"""Makes the seed corpora: small files of each format from the test references, and networks of a few kilobytes exported
by torch.

    python fuzz/seeds.py          (needs torch, onnx, onnxruntime, onnxscript and onnxconverter-common)

Seeds: torch.manual_seed(0). Last run with torch 2.15, onnx 1.23 and onnxruntime 1.32.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
CRATES = HERE.parent / "crates"
CORPUS = HERE / "corpus"
SIDE = 32

# Folder of references, pattern, corpus.
COPIED = [
    ("dvm-engine/tests/references/weights", "*.safetensors", "safetensors"),
    ("dvm-engine/tests/references/weights", "*.pth", "pth"),
    ("dvm-engine/tests/references/weights", "torchscript.pt", "pth"),
    ("dvm-engine/tests/references/weights", "attack_pickle.pkl", "pickle"),
    ("dvm-data/tests/references/formats", "protocol_*.pkl", "pickle"),
    ("dvm-data/tests/references/formats", "python2_[012].pkl", "pickle"),
    ("dvm-data/tests/references/formats", "object*.pkl", "pickle"),
    ("dvm-data/tests/references/formats", "nested.pkl", "pickle"),
    ("dvm-data/tests/references/formats", "scalars.pkl", "pickle"),
    ("dvm-data/tests/references/formats", "*.npy", "npy"),
    ("dvm-data/tests/references/formats", "fortran_*.pkl", "npy"),
    ("dvm-data/tests/references/formats", "element_*f?.pkl", "npy"),
    ("dvm-data/tests/references/formats", "list_of_arrays.pkl", "npy"),
    ("dvm-data/tests/references/formats", "text_scalars.pkl", "npy"),
    ("dvm-data/tests/references/formats", "*.nii", "nifti"),
    ("dvm-data/tests/references/formats", "*.nii.gz", "nifti"),
    ("dvm-data/tests/references/formats", "*.dcm", "dicom"),
] + [
    ("dvm-onnx/tests/references", f"{name}.onnx", "onnx")
    for name in ("modern_one_dynamo", "loose_dynamo", "windows_dynamo", "functions", "labelled", "keras", "grey")
] + [
    ("dvm-image/tests/references/decode", f"{name}.{ending}", "picture")
    for name, ending in (
        ("420-progressive", "jpg"), ("444", "jpg"), ("cmyk-adobe", "jpg"), ("grey", "jpg"),
        ("orientation-6", "jpg"), ("bits-tiff_lzw", "tiff"), ("bits-packbits", "tiff"), ("grey16", "tiff"),
        ("grey", "bmp"), ("bits", "bmp"), ("frames", "gif"), ("grey", "png"), ("grey16", "png"),
        ("la", "png"), ("bits", "png"), ("lossy", "webp"), ("orientation-6", "webp"), ("orientation-6", "tiff"), ("palette", "png"),
    )
]


class Attention(nn.Module):
    """A patch embedding, one block of a transformer, a head."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 8, 8)
        self.norm = nn.LayerNorm(4)
        self.qkv = nn.Linear(4, 12)
        self.feed = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, tokens, 3, 2, 2).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + seen.transpose(1, 2).reshape(n, tokens, width)
        x = x + self.feed(x)
        return self.head(x.mean(1))


class ShuffledExcitation(nn.Module):
    """A channel shuffle, a squeeze-and-excitation, a concatenation, a window that rolls."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Hardsigmoid())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = nn.functional.hardswish(self.stem(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x * self.gate(x)
        left, right = x.chunk(2, 1)
        x = torch.cat([left, right, torch.roll(x, (1, 1), (2, 3))], 1)
        x = nn.functional.interpolate(nn.functional.max_pool2d(x, 3, 2, 1), scale_factor=2)
        return self.head(x.mean((2, 3))).softmax(1)


class ChannelsLast(nn.Module):
    """Pixels of 0 to 255, channels last."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.permute(0, 3, 1, 2) / 255 - 0.5)


def plain():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3, 1, 1, groups=4), nn.ReLU6(), nn.MaxPool2d(3, 2, 1),
        nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(), nn.Dropout(), nn.Linear(16, 3),
    )


def export(model, path, shape=(1, 3, SIDE, SIDE), **how):
    if how.get("dynamo"):
        how["external_data"] = False
    torch.onnx.export(model.eval(), (torch.randn(shape),), str(path), input_names=["input"], **how)


def networks(folder):
    import onnx
    from onnxconverter_common import float16
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    torch.manual_seed(0)
    batch = {"dynamic_axes": {"input": {0: "batch"}}}
    export(plain(), folder / "plain-11.onnx", dynamo=False, opset_version=11)
    export(plain(), folder / "plain-17-batch.onnx", dynamo=False, opset_version=17, **batch)
    export(
        plain(), folder / "unfolded-13.onnx", dynamo=False, opset_version=13, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    export(plain(), folder / "plain-dynamo-18.onnx", dynamo=True, opset_version=18)
    export(Attention(), folder / "attention-17.onnx", dynamo=False, opset_version=17, **batch)
    export(Attention(), folder / "attention-dynamo-20.onnx", dynamo=True, opset_version=20)
    export(ShuffledExcitation(), folder / "shuffled-17.onnx", dynamo=False, opset_version=17, **batch)
    export(ShuffledExcitation(), folder / "shuffled-dynamo-18.onnx", dynamo=True, opset_version=18)
    last = (1, SIDE, SIDE, 3)
    export(ChannelsLast(plain()), folder / "channels-last-13.onnx", last, dynamo=False, opset_version=13)
    half = float16.convert_float_to_float16(onnx.load(folder / "plain-11.onnx"))
    onnx.save(half, folder / "half.onnx")

    class Calibration(CalibrationDataReader):
        rows = iter([{"input": np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)}])

        def get_next(self):
            return next(self.rows, None)

    quantize_static(
        str(folder / "plain-11.onnx"), str(folder / "quantised.onnx"), Calibration(),
        quant_format=QuantFormat.QDQ, per_channel=True,
    )
    # What exporters note for people takes more room than the networks.
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        for node in model.graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
            del value.metadata_props[:]
        del model.graph.value_info[:]
        onnx.save(model, path)


def regions(folder):
    """Boxes, outlines and masks of a picture `x.jpg` of 10×10 pixels."""
    runs = {"size": [10, 10], "counts": [12, 3, 7, 3, 75]}
    packed = {"size": [10, 10], "counts": "<370T2"}
    for name, objects in {
        "boxes": [{"bbox": [1.5, 2, 4.25, 3]}, {"bbox": [6, 6, 4, 4], "iscrowd": 1}],
        "outlines": [{"segmentation": [[1, 1, 8.5, 2, 4, 9], [7, 7, 9, 7, 9, 9]], "bbox": [1, 1, 8, 8]}],
        "runs": [{"segmentation": runs}, {"segmentation": packed}],
    }.items():
        image = {"id": 5, "file_name": "a/../x.jpg", "height": 10, "width": 10}
        annotations = [{"id": i, "image_id": 5, "category_id": 2, **box} for i, box in enumerate(objects)]
        categories = [{"id": 2, "name": "dog"}, {"id": 3, "name": "cat"}]
        coco = {"images": [image], "annotations": annotations, "categories": categories}
        (folder / f"{name}.json").write_text(json.dumps(coco))
    one = "<object><name>dog</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>7</xmax><ymax>9</ymax></bndbox></object>"
    size = "<size><width>10</width><height>10</height></size>"
    (folder / "one.xml").write_text(f"<annotation>{one}</annotation>")
    (folder / "two.xml").write_text(f'<?xml version="1.0"?><annotation a="b">{size}{one}<!-- -->{one}</annotation>')
    for name, mode in {"grey": "L", "bits": "1", "palette": "P", "alpha": "RGBA"}.items():
        mask = Image.new(mode, (10, 10))
        mask.paste({"1": 1, "RGBA": (9, 0, 0, 255)}.get(mode, 3), (2, 3, 8, 9))
        if mode == "P":
            mask.putpalette([0, 0, 0, 9, 9, 9, 5, 5, 5, 255, 0, 0])
        mask.save(folder / f"{name}.png")


def main():
    shutil.rmtree(CORPUS, ignore_errors=True)
    for folder, pattern, corpus in COPIED:
        (CORPUS / corpus).mkdir(parents=True, exist_ok=True)
        found = list((CRATES / folder).glob(pattern))
        if not found:
            sys.exit(f"no {pattern} in {folder}")
        for path in found:
            shutil.copy(path, CORPUS / corpus / path.name)
    (CORPUS / "regions").mkdir()
    regions(CORPUS / "regions")
    (CORPUS / "onnx").mkdir()
    with tempfile.TemporaryDirectory() as folder:
        networks(pathlib.Path(folder))
        for path in pathlib.Path(folder).glob("*.onnx"):
            shutil.copy(path, CORPUS / "onnx" / path.name)


main()
