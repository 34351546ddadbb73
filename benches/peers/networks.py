"""The networks of the other tools, with random weights: speed does not depend on them.

    python networks.py MODEL FILE.safetensors

saves one with its weights, which both sides of a comparison load.
"""

import sys


def network(name):
    import torch

    torch.manual_seed(0)
    if name == "efficientnet_lite0":
        import timm

        return timm.create_model("tf_efficientnet_lite0").eval()
    import torchvision

    return getattr(torchvision.models, name)().eval()


def guided(model):
    """Guided backprop's rule at every ReLU and ReLU6, by backward hooks, weights frozen."""
    import torch

    def rule(module, grad_input, grad_output):
        return (grad_input[0].clamp(min=0),)

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, (torch.nn.ReLU, torch.nn.ReLU6)):
            module.inplace = False
            module.register_full_backward_hook(rule)
    return model


if __name__ == "__main__":
    from safetensors.torch import save_file

    save_file(network(sys.argv[1]).state_dict(), sys.argv[2])
