"""Networks of torchvision, by both exporters and over their range of opsets."""

from checks import check
from comparison import Exported, by_torch, compare
from exporters import export
from seeded_models import torchvision_model

SCRIPT_OPSETS = (11, 13, 17, 20)
DYNAMO_OPSETS = (18, 20, 23)

# Name, side, and whether the default set has it by (TorchScript, dynamo).
FAMILIES = [
    ("alexnet", 224, False, False),
    ("vgg11_bn", 224, False, False),
    ("densenet121", 224, True, False),
    ("inception_v3", 299, True, False),
    ("googlenet", 224, True, False),
    ("squeezenet1_1", 224, True, True),
    ("mobilenet_v2", 224, True, False),
    ("mobilenet_v3_small", 224, True, True),
    ("shufflenet_v2_x0_5", 224, True, True),
    ("efficientnet_b0", 224, True, False),
    ("efficientnet_v2_s", 224, False, False),
    ("convnext_tiny", 224, True, False),
    ("vit_b_16", 224, False, False),
    ("swin_t", 224, True, False),
    ("swin_v2_t", 256, False, False),
    ("maxvit_t", 224, False, False),
    ("mnasnet0_5", 224, True, False),
    ("regnet_y_400mf", 224, True, False),
    ("resnext50_32x4d", 224, True, False),
    ("wide_resnet50_2", 224, False, False),
]


def exported_network(around, name, side=224, **how):
    """A network of torchvision as a file."""
    model = torchvision_model(name, side)
    kind = "dynamo" if how["dynamo"] else "script"
    path = around.folder / f"{name}-{kind}{how['opset']}.onnx"
    export(model, path, (side, side), **how)
    return Exported(path, (side, side), original=by_torch(model)), model


def add(title, by_default, name, side=224, **how):
    @check(title, by_default=by_default)
    def run(around):
        exported, _ = exported_network(around, name, side, **how)
        return compare(exported, around.program)


for opset in SCRIPT_OPSETS:
    add(f"torchvision/resnet18/script-{opset}", True, "resnet18", dynamo=False, opset=opset)
for opset in DYNAMO_OPSETS:
    add(f"torchvision/resnet18/dynamo-{opset}", True, "resnet18", dynamo=True, opset=opset)
add("torchvision/resnet18/unfolded", True, "resnet18", dynamo=False, opset=13, fold=False)
for dynamic in ("batch", "size"):
    for dynamo, opset in ((False, 17), (True, 18)):
        kind = "dynamo" if dynamo else "script"
        for name in ("resnet18", "squeezenet1_1"):
            title = f"torchvision/{name}/{kind}-{opset}-dynamic-{dynamic}"
            in_default = name == "squeezenet1_1" or (dynamic == "batch" and not dynamo)
            add(title, in_default, name, dynamo=dynamo, opset=opset, dynamic=dynamic)
for name, side, by_script, by_dynamo in FAMILIES:
    add(f"torchvision/{name}/script-17", by_script, name, side, dynamo=False, opset=17)
    add(f"torchvision/{name}/dynamo-18", by_dynamo, name, side, dynamo=True, opset=18)
    title = f"torchvision/{name}/dynamo-20-dynamic-batch"
    add(title, False, name, side, dynamo=True, opset=20, dynamic="batch")
