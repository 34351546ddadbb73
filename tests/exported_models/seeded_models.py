"""Networks of torchvision and timm with seeded weights that resemble trained ones.

An untrained network hides mistakes: its biases and layer scales are zero, its batch-norms have no effect, some
heads are always zero. So every constant parameter gets numbers, and batch-norms get the statistics of a few
pictures.
"""

import zlib

import numpy as np
import torch
from torch import nn

CLASSES = 10
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def generator(name):
    """Random numbers that follow from a name."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def picture(name, height, width):
    """A picture [H, W, 3] of 8 bits: smooth stains under a little noise."""
    numbers = generator(f"picture {name}")
    coarse = torch.rand(1, 3, 6, 6, generator=numbers)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    noise = torch.rand(1, 3, height, width, generator=numbers)
    mixed = (0.85 * smooth + 0.15 * noise).clamp(0, 1)
    return (mixed[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def enliven(model, name, height, width):
    """The same network, in evaluation mode, with no parameter left that does nothing."""
    numbers = generator(f"weights {name}")
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
            table = any(word in path for word in ("pos_embed", "pos_embedding", "position_bias", "cls_token", "class_token"))
            if table:
                parameter.normal_(0, 0.3, generator=numbers)
            elif parameter.numel() < 2 or parameter.min() != parameter.max():
                continue
            elif parameter.dim() > 1 and fan_in > 1 and parameter.max() == 0:
                parameter.normal_(0, fan_in**-0.5, generator=numbers)
            elif path.endswith("bias"):
                parameter.normal_(0, 0.1, generator=numbers)
            else:
                parameter.uniform_(0.4, 1.2, generator=numbers)
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the plain average of what is seen
        norm.reset_running_stats()
    if norms:
        with torch.no_grad():
            seen = [picture(f"{name} {n}", height, width) for n in range(4)]
            model(torch.from_numpy(np.concatenate([normalised(p, MEAN, STD) for p in seen])))
    for norm in norms:
        shift = torch.randn(norm.running_mean.shape, generator=numbers) * 0.05
        norm.running_mean.add_(shift * norm.running_var.sqrt())
        norm.running_var.mul_(torch.rand(norm.running_var.shape, generator=numbers) * 0.4 + 0.8)
    return model.eval()


def torchvision_model(name, side=224, **settings):
    """A network of torchvision by name."""
    import torchvision

    torch.manual_seed(zlib.crc32(name.encode()))
    if name in ("inception_v3", "googlenet"):
        settings.setdefault("init_weights", False)
        settings.setdefault("aux_logits", False)
    model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **settings)
    return enliven(model, name, side, side)


def timm_model(name, side=224, **settings):
    """A network of timm by name."""
    import timm

    torch.manual_seed(zlib.crc32(name.encode()))
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES, **settings)
    return enliven(model, name, side, side)


def normalised(pixels, mean, std):
    """A picture [H, W, 3] of 8 bits as the input [1, 3, H, W] of a network."""
    scaled = pixels.astype(np.float32).transpose(2, 0, 1) / np.float32(255)
    mean = np.array(mean, np.float32)[:, None, None]
    std = np.array(std, np.float32)[:, None, None]
    return ((scaled - mean) / std)[None]
