"""Networks with something before or after: normalisation, softmax, other layouts."""

import torch
from torch import nn

from checks import check
from comparison import Exported, by_torch, compare
from exporters import export
from seeded_models import MEAN, STD, torchvision_model

PIXELS = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}  # an input of 0 to 255
UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}  # an input of 0 to 1


class Normalising(nn.Module):
    """(x / 255 − mean) / std of a picture of 0 to 255, then the network."""

    def __init__(self, network, scale):
        super().__init__()
        self.network = network
        self.scale = scale
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, x):
        return self.network((x / self.scale - self.mean) / self.std)


class ChannelsLast(nn.Module):
    """Pictures [N, H, W, 3]."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.permute(0, 3, 1, 2))


class BlueFirst(nn.Module):
    """Pictures in the order blue, green, red, as OpenCV's."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x[:, [2, 1, 0]])


class TwoAnswers(nn.Module):
    """The logits, and the mean colours."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x), x.mean((2, 3))


def wrapped(around, wrap, name="squeezenet1_1", *, dynamo=False, opset=17, dynamic=None, **facts):
    module = wrap(torchvision_model(name)).eval()
    path = around.folder / "network.onnx"
    export(module, path, (224, 224), dynamo=dynamo, opset=opset, dynamic=dynamic)
    answer = by_torch(module.network if isinstance(module, TwoAnswers) else module)
    return compare(Exported(path, original=answer, **facts), around.program)


def add(title, wrap, **facts):
    for kind, how in (
        ("script-13", {"opset": 13}),
        ("script-17-dynamic-batch", {"opset": 17, "dynamic": "batch"}),
        ("dynamo-18", {"dynamo": True, "opset": 18}),
    ):

        @check(f"wrapped/{title}/{kind}", by_default=kind != "script-17-dynamic-batch")
        def run(around, how=how):
            return wrapped(around, wrap, **how, **facts)


add("softmax-at-the-end", lambda net: nn.Sequential(net, nn.Softmax(1)), probabilities=True)
add("log-softmax-at-the-end", lambda net: nn.Sequential(net, nn.LogSoftmax(1)), logarithms=True)
add("normalisation-of-pixels", lambda net: Normalising(net, 255), **PIXELS)
add("normalisation-of-0-to-1", lambda net: Normalising(net, 1), **UNIT)
add("normalisation-and-softmax", lambda net: nn.Sequential(Normalising(net, 255), nn.Softmax(1)), probabilities=True, **PIXELS)
add("blue-first", BlueFirst)
add("two-answers", TwoAnswers)


def add_channels_last(kind, by_default, **how):
    @check(f"wrapped/channels-last/{kind}", by_default=by_default)
    def run(around):
        network = torchvision_model("squeezenet1_1")
        module = ChannelsLast(network).eval()
        path = around.folder / "network.onnx"
        example = torch.randn(1, 224, 224, 3)
        settings = {"input_names": ["input"], "output_names": ["logits"], **how}
        if how["dynamo"]:
            settings["external_data"] = False
        torch.onnx.export(module, (example,), str(path), **settings)
        exported = Exported(path, original=by_torch(network), channels_last=True)
        return compare(exported, around.program)


add_channels_last("script-17", True, dynamo=False, opset_version=17)
add_channels_last("dynamo-18", True, dynamo=True, opset_version=18)


class OneNumber(nn.Module):
    """Grey pictures [N, 1, H, W], and one probability: whether an X-ray shows a fracture, say."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.last = nn.Linear(10, 1)

    def forward(self, x):
        return torch.sigmoid(self.last(self.network(x.expand(-1, 3, -1, -1))))


def add_one_number(kind, dynamo, opset):
    @check(f"wrapped/grey-with-one-number/{kind}", by_default=True)
    def run(around):
        torch.manual_seed(0)
        module = OneNumber(torchvision_model("squeezenet1_1")).eval()
        path = around.folder / "network.onnx"
        export(module, path, (224, 224), dynamo=dynamo, opset=opset, channels=1)
        exported = Exported(path, original=by_torch(module), grey=True, one_number=True, **UNIT)
        return compare(exported, around.program)


add_one_number("script-17", False, 17)
add_one_number("dynamo-18", True, 18)
