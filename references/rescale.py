"""A slow implementation of DeepLIFT's rescale rule for any network. `gradient_methods.py` compares it with Captum
where Captum has rules, and uses it instead where Captum has none.

Two forward passes record the inputs of every nonlinear function, for the baseline and for the picture. The
backward pass then uses a multiplier instead of the gradient at each of them:
- an elementwise function: change of the output over change of the input (the slope if the input does not
  change);
- a max-pool: as in Captum, but the shares of overlapping windows are added; Captum's unpooling keeps only one
  of them and loses a part of the sum;
- everything else (products of two values that both change, softmax, layer normalisation, attention): the
  gradient averaged along the line from the baseline's inputs to the picture's, by Gauss-Legendre. For an
  elementwise function this is the rescale rule itself.
"""

import numpy as np
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# Inputs that differ by less have not changed (Captum's default).
EPSILON = 1e-10
POINTS = 64

ELEMENTWISE = {
    F.relu, F.relu6, F.silu, F.gelu, torch._C._nn.gelu, F.hardswish, F.hardsigmoid, F.hardtanh, F.mish,
    torch.relu, torch.relu_, torch.sigmoid, torch.Tensor.sigmoid, torch.tanh, torch._C._nn.silu,
}  # fmt: skip
MAX_POOLS = {torch.max_pool2d, F.max_pool2d, torch.nn.functional.max_pool2d}
PRODUCTS = {
    torch.mul, torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__,
    torch.matmul, torch.Tensor.__matmul__,
}  # fmt: skip
WHOLE = {F.layer_norm, F.softmax, torch.softmax, F.scaled_dot_product_attention, F.multi_head_attention_forward}


def is_nonlinear(function, arguments):
    if function in PRODUCTS:
        return all(isinstance(a, torch.Tensor) and a.requires_grad and not a.is_leaf for a in arguments[:2])
    return function in ELEMENTWISE or function in MAX_POOLS or function in WHOLE


def tensor_places(function):
    """Which arguments a nonlinear function is nonlinear in."""
    if function in PRODUCTS:
        return (0, 1)
    if function in (F.scaled_dot_product_attention, F.multi_head_attention_forward):
        return (0, 1, 2)
    return (0,)


def attention(q, k, v):
    """As `F.scaled_dot_product_attention`, in three functions: so graphs of other frameworks have it, and
    the rule, which is about single functions, shares differently there."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1))
    return torch.matmul(torch.softmax(scores, -1), v)


class Call:
    """A nonlinear function with all but the tensors that change."""

    def __init__(self, function, arguments, keywords):
        self.places = tensor_places(function)
        self.function, self.keywords = function, dict(keywords)
        if "inplace" in self.keywords:
            self.keywords["inplace"] = False
        self.arguments = list(arguments)
        self.tensors = [arguments[place] for place in self.places]

    def value(self, *tensors):
        arguments = list(self.arguments)
        for place, tensor in zip(self.places, tensors):
            arguments[place] = tensor
        if self.function is torch.relu_:
            return torch.relu(*arguments)
        result = self.function(*arguments, **self.keywords)
        return result[0] if isinstance(result, tuple) else result

    def gradient(self, tensors, grad):
        with torch.enable_grad():
            tensors = [t.detach().requires_grad_() for t in tensors]
            return torch.autograd.grad(self.value(*tensors), tensors, grad)

    def multiplied(self, baseline, tensors, grad):
        """The multipliers times `grad`."""
        if self.function in ELEMENTWISE:
            change = tensors[0] - baseline[0]
            rise = self.value(*tensors) - self.value(*baseline)
            moved = change.abs() >= EPSILON
            safe = torch.where(moved, change, torch.ones_like(change))
            return [torch.where(moved, grad * rise / safe, self.gradient(tensors, grad)[0])]
        if self.function in MAX_POOLS:
            return [self.pooled(baseline[0], tensors[0], grad)]
        places, weights = np.polynomial.legendre.leggauss(POINTS)
        total = [torch.zeros_like(t) for t in tensors]
        for place, weight in zip((places + 1) / 2, weights / 2):
            between = [b + place * (t - b) for b, t in zip(baseline, tensors)]
            for sum_, found in zip(total, self.gradient(between, grad)):
                sum_ += weight * found
        return total

    def pooled(self, baseline, tensor, grad):
        top, top_baseline = self.value(tensor), self.value(baseline)
        largest = torch.maximum(top, top_baseline)
        shares = self.gradient([tensor], grad * (largest - top_baseline))[0]
        shares = shares + self.gradient([baseline], grad * (top - largest))[0]
        change = tensor - baseline
        moved = change.abs() >= EPSILON
        safe = torch.where(moved, change, torch.ones_like(change))
        return torch.where(moved, shares / safe, self.gradient([tensor], grad)[0])


class Multiplied(torch.autograd.Function):
    @staticmethod
    def forward(context, call, baseline, *tensors):
        context.call, context.baseline = call, baseline
        context.save_for_backward(*tensors)
        return call.value(*tensors)

    @staticmethod
    def backward(context, grad):
        with torch.no_grad():
            return None, None, *context.call.multiplied(context.baseline, context.saved_tensors, grad)


class Recording(TorchFunctionMode):
    """The inputs of every nonlinear function, in the order of the calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        if not is_nonlinear(function, arguments):
            return function(*arguments, **keywords)
        call = Call(function, arguments, keywords)
        self.calls.append([t.detach().clone() for t in call.tensors])
        result = call.value(*call.tensors)
        return (result, None) if function is F.multi_head_attention_forward else result


class Replacing(TorchFunctionMode):
    """Every nonlinear function goes back by its multipliers."""

    def __init__(self, calls):
        super().__init__()
        self.left = iter(calls)

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        if not is_nonlinear(function, arguments):
            return function(*arguments, **keywords)
        call = Call(function, arguments, keywords)
        result = Multiplied.apply(call, next(self.left), *call.tensors)
        return (result, None) if function is F.multi_head_attention_forward else result


def attributed(network, x, baseline, score):
    """DeepLIFT's array for `score` of the network's numbers, of one picture against one baseline."""
    leaf = baseline.detach().clone().requires_grad_()
    # Not a leaf, so that products with the picture itself are seen as such.
    with Recording() as record:
        network(leaf * 1.0)
    leaf = x.detach().clone().requires_grad_()
    with Replacing(record.calls) as replacing:
        numbers = network(leaf * 1.0)
    assert next(replacing.left, None) is None, "the two walks differ"
    score(numbers).backward()
    return (leaf.grad * (x - baseline)).detach()
