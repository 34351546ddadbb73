"""Networks of Hugging Face's transformers, small and with random weights."""

from checks import Skipped, check
from comparison import Exported, by_torch, compare
from exporters import export
from seeded_models import CLASSES, enliven


def networks():
    """Name, side of the pictures, and what makes the network of the library."""
    encoder = {
        "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 64,
        "image_size": 64, "patch_size": 8, "num_labels": CLASSES,
    }  # fmt: skip
    windows = {"image_size": 64, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": 8}
    stages = {"image_size": 64, "depths": [1, 1, 2, 1], "embed_dims": [16, 24, 32, 40]}
    return [
        ("vit", 64, "ViT", encoder),
        ("beit", 64, "Beit", encoder | {"use_relative_position_bias": True}),
        ("data2vec", 64, "Data2VecVision", encoder | {"use_shared_relative_position_bias": True}),
        ("swinv2", 64, "Swinv2", windows | {"num_labels": CLASSES}),
        ("mobilevitv2", 64, "MobileViTV2", {"image_size": 64, "width_multiplier": 0.5, "num_labels": CLASSES}),
        ("swiftformer", 64, "SwiftFormer", stages | {"num_labels": CLASSES}),
    ]


def add(name, side, kind, settings, title, by_default, **how):
    @check(f"transformers/{name}/{title}", by_default=by_default)
    def run(around):
        import torch

        try:
            import transformers
        except ImportError:
            raise Skipped("transformers is not installed") from None

        class Logits(torch.nn.Module):
            def __init__(self, network):
                super().__init__()
                self.network = network

            def forward(self, x):
                return self.network(x).logits

        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**settings)
        network = getattr(transformers, f"{kind}ForImageClassification")(config)
        model = enliven(Logits(network), name, side, side)
        path = around.folder / f"{name}.onnx"
        export(model, path, (side, side), **how)
        return compare(Exported(path, (side, side), original=by_torch(model)), around.program)


for row in networks():
    name = row[0]
    # The TorchScript exporter cannot write the last layer of its blocks.
    if name != "mobilevitv2":
        add(*row, "script-17", False, dynamo=False, opset=17)
        add(*row, "script-17-dynamic-batch", False, dynamo=False, opset=17, dynamic="batch")
    add(*row, "dynamo-18", False, dynamo=True, opset=18)
    add(*row, "dynamo-18-dynamic-batch", False, dynamo=True, opset=18, dynamic="batch")
