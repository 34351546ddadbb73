"""Makes networks call rectifiers as modules instead of functions. The numbers are the same, but a module can get
another backward rule."""

import types

import torch
from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.googlenet import BasicConv2d as GoogLeNetConv
from torchvision.models.inception import BasicConv2d as InceptionConv


def basic_conv_forward(self, x):
    return self.rectifier(self.bn(self.conv(x)))


def densenet_forward(self, x):
    x = self.rectifier(self.features(x))
    return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(x, (1, 1)), 1))


FORWARDS = {
    InceptionConv: basic_conv_forward,
    GoogLeNetConv: basic_conv_forward,
    DenseNet: densenet_forward,
}


def with_modules(network):
    """The network itself, changed in place; its state dict stays as it is."""
    for module in list(network.modules()):
        if type(module) in FORWARDS:
            module.rectifier = nn.ReLU()
            module.forward = types.MethodType(FORWARDS[type(module)], module)
    return network
