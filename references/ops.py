"""Outputs and gradients of single operations, in f64 by PyTorch, stored as f32.

Case `c` reads its arrays from `seeded.uniform("<c>.<name>", shape, low, high)`; the loss is
`sum(output * seeded.uniform("<c>.grad_output", output shape, -1, 1))`.
"""

import numpy as np
import torch
import torch.nn.functional as F

import seeded
import store

PACKAGES = ("torch", "numpy", "safetensors")
ACTIVATION_KINKS = {"relu": [0], "relu6": [0, 6], "hardswish": [-3, 3], "hardsigmoid": [-3, 3]}


def array(name, shape, low=-1.0, high=1.0):
    """Describes one seeded array of a case."""
    return {"name": name, "shape": list(shape), "low": low, "high": high}


def case(name, op, inputs, parameters=(), mode="inference", **attributes):
    """Describes one case; `inputs` are shapes, or `(shape, low, high)`."""
    described = []
    for i, one in enumerate(inputs):
        shape, low, high = one if isinstance(one[0], (tuple, list)) else (one, -1.0, 1.0)
        described.append(array(f"input{i}", shape, low, high))
    return {
        "name": name,
        "op": op,
        "mode": mode,
        "attributes": attributes,
        "inputs": described,
        "parameters": list(parameters),
    }


def conv2d(name, x, out, kernel, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1, bias=True):
    """Convolution of an input of shape `x`; `padding` is top, left, bottom, right."""
    parameters = [array("weight", (out, x[1] // groups, *kernel), -0.5, 0.5)]
    if bias:
        parameters.append(array("bias", (out,), -0.5, 0.5))
    return case(
        name, "conv2d", [x], parameters,
        kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


def linear(name, x, out, bias):
    parameters = [array("weight", (out, x[1]), -0.5, 0.5)]
    if bias:
        parameters.append(array("bias", (out,), -0.5, 0.5))
    return case(name, "linear", [x], parameters)


def batch_norm(name, x, mode, eps=1e-5, momentum=0.1):
    parameters = [
        array("weight", (x[1],), 0.5, 1.5),
        array("bias", (x[1],), -0.5, 0.5),
        array("running_mean", (x[1],), -0.5, 0.5),
        array("running_var", (x[1],), 0.5, 1.5),
    ]
    return case(name, "batch_norm", [(x, -1.5, 2.5)], parameters, mode, eps=eps, momentum=momentum)


def pool(name, op, x, kernel, stride, padding=(0, 0), ceil_mode=False, **more):
    """Pooling; PyTorch pads both ends alike, so `padding` is rows, columns here."""
    rows, columns = padding
    return case(
        name, op, [x],
        kernel=kernel, stride=stride, padding=(rows, columns, rows, columns), ceil_mode=ceil_mode, **more,
    )  # fmt: skip


def all_cases():
    x = (2, 4, 9, 11)
    one, two = (1, 1), (2, 2)
    cases = [
        conv2d("conv2d_1x1", (2, 8, 7, 9), 6, one),
        conv2d("conv2d_1x1_no_bias", (2, 8, 7, 9), 6, one, bias=False),
        conv2d("conv2d_1x1_stride2", (2, 8, 9, 11), 12, one, two, bias=False),
        conv2d("conv2d_3x3", x, 6, (3, 3), padding=(1, 1, 1, 1)),
        conv2d("conv2d_3x3_no_bias", x, 6, (3, 3), padding=(1, 1, 1, 1), bias=False),
        conv2d("conv2d_3x3_no_padding", x, 6, (3, 3)),
        conv2d("conv2d_3x3_even_size", (2, 4, 8, 12), 6, (3, 3), padding=(1, 1, 1, 1)),
        conv2d("conv2d_3x3_smaller_than_a_tile", (1, 4, 2, 3), 5, (3, 3), padding=(1, 1, 1, 1)),
        conv2d("conv2d_3x3_32_channels", (1, 32, 14, 14), 32, (3, 3), padding=(1, 1, 1, 1), bias=False),
        conv2d("conv2d_3x3_48_filters", (2, 32, 13, 17), 48, (3, 3), padding=(1, 1, 1, 1)),
        conv2d("conv2d_3x3_asymmetric_padding", x, 5, (3, 3), padding=(0, 0, 1, 1)),
        conv2d("conv2d_3x3_stride2", x, 6, (3, 3), two, (1, 1, 1, 1)),
        conv2d("conv2d_3x3_stride2_asymmetric_padding", (2, 4, 8, 12), 6, (3, 3), two, (0, 0, 1, 1)),
        conv2d("conv2d_3x3_padding_on_four_different_sides", (1, 4, 7, 8), 5, (3, 3), padding=(0, 1, 2, 3)),
        conv2d("conv2d_5x5", x, 5, (5, 5), padding=(2, 2, 2, 2)),
        conv2d("conv2d_5x5_stride2_asymmetric_padding", (2, 4, 8, 12), 5, (5, 5), two, (1, 1, 2, 2)),
        conv2d("conv2d_7x7_stride2", (2, 3, 13, 12), 8, (7, 7), two, (3, 3, 3, 3), bias=False),
        conv2d("conv2d_3x5_stride2x1", x, 6, (3, 5), (2, 1), (1, 2, 1, 2)),
        conv2d("conv2d_2x3_stride1x3", x, 6, (2, 3), (1, 3), (0, 1, 1, 0)),
        conv2d("conv2d_dilation2", x, 6, (3, 3), padding=(2, 2, 2, 2), dilation=two),
        conv2d("conv2d_dilation2x3_stride2", (2, 4, 11, 13), 6, (3, 3), two, (2, 3, 2, 3), (2, 3)),
        conv2d("conv2d_groups2", (2, 8, 9, 11), 6, (3, 3), padding=(1, 1, 1, 1), groups=2),
        conv2d("conv2d_groups4_stride2", (2, 8, 9, 11), 12, (3, 3), two, (1, 1, 1, 1), groups=4, bias=False),
        conv2d("depthwise_3x3", (2, 6, 9, 11), 6, (3, 3), padding=(1, 1, 1, 1), groups=6),
        conv2d("depthwise_3x3_stride2", (2, 6, 9, 11), 6, (3, 3), two, (1, 1, 1, 1), groups=6, bias=False),
        conv2d("depthwise_3x3_stride2_asymmetric_padding", (2, 6, 8, 12), 6, (3, 3), two, (0, 0, 1, 1), groups=6),
        conv2d("depthwise_5x5", (2, 6, 9, 11), 6, (5, 5), padding=(2, 2, 2, 2), groups=6, bias=False),
        conv2d("depthwise_5x5_stride2_asymmetric_padding", (2, 6, 8, 12), 6, (5, 5), two, (1, 1, 2, 2), groups=6),
        # Whole vectors of channels, and a rest.
        conv2d("depthwise_3x3_20_channels", (1, 20, 9, 14), 20, (3, 3), padding=(1, 1, 1, 1), groups=20),
        conv2d("depthwise_5x5_20_channels", (1, 20, 14, 14), 20, (5, 5), padding=(2, 2, 2, 2), groups=20),
        conv2d("depthwise_3x3_multiplier2", (2, 4, 9, 11), 8, (3, 3), padding=(1, 1, 1, 1), groups=4),
        linear("linear", (4, 16), 10, bias=True),
        linear("linear_no_bias", (3, 33), 17, bias=False),
        batch_norm("batch_norm_inference", x, "inference"),
        batch_norm("batch_norm_inference_eps_1e-3", x, "inference", eps=1e-3),
        batch_norm("batch_norm_inference_2d", (6, 5), "inference"),
        batch_norm("batch_norm_training", x, "training"),
        batch_norm("batch_norm_training_eps_1e-3_momentum_0.01", x, "training", eps=1e-3, momentum=0.01),
        batch_norm("batch_norm_training_2d", (6, 5), "training"),
    ]
    for op in ACTIVATIONS:
        cases.append(case(op, op, [((2, 4, 7, 9), -8.0, 8.0)]))
    cases += [
        pool("max_pool_2x2", "max_pool", (2, 4, 8, 10), two, two),
        pool("max_pool_2x2_odd_size", "max_pool", x, two, two),
        pool("max_pool_2x2_ceil_mode", "max_pool", x, two, two, ceil_mode=True),
        pool("max_pool_3x3_stride2_padding1", "max_pool", x, (3, 3), two, one),
        pool("max_pool_3x3_stride2_ceil_mode", "max_pool", (2, 4, 10, 13), (3, 3), two, ceil_mode=True),
        pool("max_pool_3x3_stride1", "max_pool", (2, 4, 7, 8), (3, 3), one, one),
        pool("max_pool_3x2_stride1x2", "max_pool", x, (3, 2), (1, 2), (1, 0)),
        # One more window would start at row 8 of 1 + 7 + 1, in the padding: it is dropped.
        pool("max_pool_ceil_mode_drops_a_window_in_the_padding", "max_pool", (2, 4, 7, 9), two, two, one, True),
        pool("max_pool_negative_input", "max_pool", ((2, 4, 7, 8), -3.0, -1.0), (3, 3), two, one),
        pool("avg_pool_2x2", "avg_pool", (2, 4, 8, 10), two, two, count_include_pad=True),
        pool("avg_pool_3x3_count_include_pad", "avg_pool", x, (3, 3), two, one, count_include_pad=True),
        pool("avg_pool_3x3_count_exclude_pad", "avg_pool", x, (3, 3), two, one, count_include_pad=False),
        pool("avg_pool_ceil_mode", "avg_pool", (2, 4, 10, 12), (3, 3), two, (0, 0), True, count_include_pad=True),
        pool("avg_pool_ceil_mode_count_include_pad", "avg_pool", (2, 4, 8, 12), (3, 3), two, one, True,
             count_include_pad=True),
        pool("avg_pool_ceil_mode_count_exclude_pad", "avg_pool", (2, 4, 8, 12), (3, 3), two, one, True,
             count_include_pad=False),
        pool("avg_pool_3x2_stride2x1", "avg_pool", (2, 4, 9, 8), (3, 2), (2, 1), one, count_include_pad=True),
        case("adaptive_avg_pool_1x1", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(1, 1)),
        case("adaptive_avg_pool_3x2", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(3, 2)),
        case("adaptive_avg_pool_7x7", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(7, 7)),
        case("adaptive_avg_pool_7x7_from_3x3", "adaptive_avg_pool", [(2, 4, 3, 3)], output_size=(7, 7)),
        case("adaptive_max_pool_3x2", "adaptive_max_pool", [(2, 4, 10, 13)], output_size=(3, 2)),
        case("global_avg_pool", "global_avg_pool", [(2, 6, 7, 9)]),
        case("add", "add", [(2, 4, 7, 9), (2, 4, 7, 9)]),
        case("mul", "mul", [(2, 4, 7, 9), (2, 4, 7, 9)]),
        case("mul_gate_first", "mul", [(2, 4, 1, 1), (2, 4, 7, 9)]),
        case("mul_gate_second", "mul", [(2, 4, 7, 9), (2, 4, 1, 1)]),
        case("concat", "concat", [(2, 3, 5, 7), (2, 1, 5, 7), (2, 4, 5, 7)], axis=1),
        case("flatten", "flatten", [(2, 4, 3, 5)]),
        case("softmax", "softmax", [((3, 10), -4.0, 4.0)], axis=1),
        # The exponential of 90 does not fit into f32: only the shifted formula survives.
        case("softmax_large_logits", "softmax", [((3, 10), 90.0, 100.0)], axis=1),
        case("dropout_inference", "dropout", [(2, 4, 3, 5)], p=0.5),
    ]  # fmt: skip
    return cases


ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sigmoid": torch.sigmoid,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
}


def evaluate(described, inputs, parameters):
    """The output of a case; batch-norm in training changes the running statistics in place."""
    op, attributes = described["op"], described["attributes"]
    x = inputs[0]
    if op in ACTIVATIONS:
        return ACTIVATIONS[op](x)
    if op == "conv2d":
        top, left, bottom, right = attributes["padding"]
        return F.conv2d(
            F.pad(x, (left, right, top, bottom)), parameters["weight"], parameters.get("bias"),
            stride=attributes["stride"], dilation=attributes["dilation"], groups=attributes["groups"],
        )  # fmt: skip
    if op == "linear":
        return F.linear(x, parameters["weight"], parameters.get("bias"))
    if op == "batch_norm":
        return F.batch_norm(
            x, parameters["running_mean"], parameters["running_var"], parameters["weight"], parameters["bias"],
            training=described["mode"] == "training", momentum=attributes["momentum"], eps=attributes["eps"],
        )  # fmt: skip
    if op in ("max_pool", "avg_pool"):
        window = (attributes["kernel"], attributes["stride"], attributes["padding"][:2])
        if op == "max_pool":
            return F.max_pool2d(x, *window, ceil_mode=attributes["ceil_mode"])
        return F.avg_pool2d(x, *window, attributes["ceil_mode"], attributes["count_include_pad"])
    if op == "adaptive_avg_pool":
        return F.adaptive_avg_pool2d(x, attributes["output_size"])
    if op == "adaptive_max_pool":
        return F.adaptive_max_pool2d(x, attributes["output_size"])
    if op == "global_avg_pool":
        return x.mean((2, 3), keepdim=True)
    if op == "add":
        return inputs[0] + inputs[1]
    if op == "mul":
        return inputs[0] * inputs[1]
    if op == "concat":
        return torch.cat(inputs, attributes["axis"])
    if op == "flatten":
        return torch.flatten(x, 1)
    if op == "softmax":
        return torch.softmax(x, attributes["axis"])
    if op == "dropout":
        return F.dropout(x, attributes["p"], training=False)
    raise ValueError(f"{described['name']}: no operation {op}")


def run(described, precision):
    """Output, gradients and new running statistics of a case, by their names in the file."""
    name = described["name"]
    leaves = {}
    for one in described["inputs"] + described["parameters"]:
        values = seeded.uniform(f"{name}.{one['name']}", one["shape"], one["low"], one["high"])
        leaf = torch.from_numpy(values).to(precision)
        leaves[one["name"]] = leaf.requires_grad_(not one["name"].startswith("running_"))
    inputs = [leaves[one["name"]] for one in described["inputs"]]
    parameters = {one["name"]: leaves[one["name"]] for one in described["parameters"]}

    output = evaluate(described, inputs, parameters)
    weights = seeded.uniform(f"{name}.grad_output", tuple(output.shape), -1.0, 1.0)
    (output * torch.from_numpy(weights).to(precision)).sum().backward()

    tensors = {"output": output.detach()}
    for leaf_name, leaf in leaves.items():
        if leaf.requires_grad:
            tensors[f"grad.{leaf_name}"] = leaf.grad
        elif described["mode"] == "training":
            tensors[leaf_name] = leaf
    return {f"{name}.{key}": tensor.numpy() for key, tensor in tensors.items()}


def check_that_the_gradient_is_unique(described):
    """Ties under a maximum, and values at a kink, would make the gradient a matter of taste."""
    op = described["op"]
    for one in described["inputs"]:
        values = seeded.uniform(f"{described['name']}.{one['name']}", one["shape"], one["low"], one["high"])
        if "max_pool" in op:
            planes = values.reshape(-1, values.shape[-2] * values.shape[-1])
            assert all(len(np.unique(plane)) == plane.size for plane in planes), described["name"]
        for kink in ACTIVATION_KINKS.get(op, []):
            assert np.abs(values - kink).min() > 1e-5, (described["name"], kink)
            assert (values < kink).any() and (values > kink).any(), (described["name"], kink)


def main():
    torch.set_num_threads(1)
    cases = all_cases()
    assert len({described["name"] for described in cases}) == len(cases), "case names must differ"
    tensors, worst = {}, (0.0, "")
    for described in cases:
        check_that_the_gradient_is_unique(described)
        exact = run(described, torch.float64)
        for name, single in run(described, torch.float32).items():
            scale = np.abs(exact[name]).max()
            assert scale > 1e-3, f"{name} is all but zero"
            worst = max(worst, (np.abs(single - exact[name]).max() / scale, name))
        tensors |= {name: values.astype(np.float32) for name, values in exact.items()}
        described["output_shape"] = list(exact[f"{described['name']}.output"].shape)
    print(f"{len(cases)} cases; PyTorch's own f32 is at most {worst[0]:.1e} of the largest value off ({worst[1]})")
    store.save_tensors(store.destination("dvm-engine", "ops.safetensors"), tensors, "ops.py", PACKAGES)
    store.save_json(store.destination("dvm-engine", "ops.json"), cases)


if __name__ == "__main__":
    main()
