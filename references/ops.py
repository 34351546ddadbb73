"""Outputs and gradients of single operations, in f64 by PyTorch, stored as f32.

Case `c` reads its arrays from `seeded.uniform("<c>.<name>", shape, low, high)`; the loss is
`sum(output * seeded.uniform("<c>.grad_output", output shape, -1, 1))`.
"""

import numpy as np
import torch
import torch.nn.functional as F

from torchvision.models.swin_transformer import shifted_window_attention

import seeded
import store

PACKAGES = ("torch", "torchvision", "numpy", "safetensors")
ACTIVATION_KINKS = {"relu": [0], "relu6": [0, 6], "hardswish": [-3, 3], "hardsigmoid": [-3, 3],
                    "leaky_relu": [0], "elu": [0], "abs": [0], "clip": [-1, 1.5],
                    "clipped_relu": [0, 2.5], "thresholded_relu": [0.7], "selu": [0], "celu": [0],
                    "shrink": [-0.6, 0.6], "hardsigmoid_of": [-2.5, 2.5], "prelu": [0]}  # fmt: skip


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
    parameters = [array("weight", (out, x[1] if len(x) == 4 else x[-1]), -0.5, 0.5)]
    if bias:
        parameters.append(array("bias", (out,), -0.5, 0.5))
    return case(name, "linear", [x], parameters)


def layer_norm(name, x, eps=1e-5):
    features = x[1] if len(x) == 4 else x[-1]
    parameters = [array("weight", (features,), 0.5, 1.5), array("bias", (features,), -0.5, 0.5)]
    return case(name, "layer_norm", [(x, -1.5, 2.5)], parameters, eps=eps)


def window_attention(name, x, heads, window, shift, op="window_attention"):
    """Attention in windows of `x`, feature maps of queries, keys and values side by side."""
    table = array("relative_position_bias_table", ((2 * window - 1) ** 2, heads))
    return case(name, op, [(x, -1.5, 1.5)], [table], heads=heads, window=window, shift=shift)


def binary(name, function, x, other, kind="input", swapped=False, bounds=(-1.0, 1.0)):
    """`function` of an input of shape `x` and an input, a parameter or a constant of shape `other`."""
    attributes = {"function": function, "other": kind, "swapped": swapped}
    if kind == "constant":
        attributes["constant"] = array("constant", other, *bounds)
    inputs = [(x, *bounds)] + ([(other, *bounds)] if kind == "input" else [])
    parameters = [array("other", other, *bounds)] if kind == "parameter" else []
    return case(name, "binary", inputs, parameters, **attributes)


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


def local_response_norm(name, x, size, alpha=1.0, beta=0.75, k=1.0):
    """Each value divided by a power of a mean of squares over `size` channels."""
    return case(name, "local_response_norm", [(x, -2.0, 2.0)], size=size, alpha=alpha, beta=beta, k=k)


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
        pool("avg_pool_ceil_mode_larger_than_the_map", "avg_pool", (2, 4, 5, 7), (12, 9), (12, 9), (0, 0), True,
             count_include_pad=True),
        pool("avg_pool_ceil_mode_higher_than_the_map", "avg_pool", (2, 4, 5, 7), (9, 3), (8, 2), (1, 1), True,
             count_include_pad=True),
        pool("max_pool_ceil_mode_larger_than_the_map", "max_pool", (2, 4, 5, 7), (12, 9), (12, 9), (0, 0), True),
        pool("avg_pool_3x2_stride2x1", "avg_pool", (2, 4, 9, 8), (3, 2), (2, 1), one, count_include_pad=True),
        case("adaptive_avg_pool_1x1", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(1, 1)),
        case("adaptive_avg_pool_3x2", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(3, 2)),
        case("adaptive_avg_pool_7x7", "adaptive_avg_pool", [(2, 4, 10, 13)], output_size=(7, 7)),
        case("adaptive_avg_pool_7x7_from_3x3", "adaptive_avg_pool", [(2, 4, 3, 3)], output_size=(7, 7)),
        case("adaptive_max_pool_3x2", "adaptive_max_pool", [(2, 4, 10, 13)], output_size=(3, 2)),
        case("prelu_channels", "prelu", [((2, 4, 5, 7), -2.0, 2.0)], [array("weight", (4, 1, 1))]),
        case("prelu_one", "prelu", [((2, 4, 5, 7), -2.0, 2.0)], [array("weight", (1,))]),
        case("prelu_rows", "prelu", [((5, 6), -2.0, 2.0)], [array("weight", (6,))]),
        case("prelu_values", "prelu", [((3, 2, 3, 4), -2.0, 2.0)], [array("weight", (2, 3, 4))]),
        local_response_norm("local_response_norm_5", (2, 9, 3, 4), 5),
        local_response_norm("local_response_norm_rows", (3, 7), 3, alpha=0.5, beta=1.5, k=2.0),
        local_response_norm("local_response_norm_even", (2, 6, 2, 3), 4, alpha=0.3, beta=0.5),
        local_response_norm("local_response_norm_of_all", (2, 4, 2, 3), 11, alpha=2.0),
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
    return cases + transformer_cases() + resample_cases() + loose_cases()


def transformer_cases():
    """What vision transformers, ConvNeXt and ShuffleNet are made of."""
    return [
        linear("linear_tokens", (2, 5, 16), 6, bias=True),
        linear("linear_many_rows", (1, 70, 9), 11, bias=True),
        linear("linear_map", (2, 6, 3, 4), 5, bias=False),
        layer_norm("layer_norm_rows", (4, 10)),
        layer_norm("layer_norm_tokens", (2, 5, 37), eps=1e-6),
        layer_norm("layer_norm_channels", (2, 18, 3, 4)),
        case("attention", "attention", [((2, 7, 24), -1.5, 1.5)], heads=2),
        # More tokens than are taken at a time.
        case("attention_70_tokens", "attention", [((1, 70, 12), -1.5, 1.5)], heads=2),
        window_attention("window_attention", (2, 12, 4, 6), 2, 2, 0),
        window_attention("window_attention_shifted", (1, 12, 6, 9), 2, 3, 1),
        window_attention("window_attention_shifted_by_half", (1, 6, 8, 8), 1, 4, 2),
        # A window as large as the map is not shifted, along either axis.
        window_attention("window_attention_of_one_window", (1, 12, 4, 4), 2, 4, 2),
        window_attention("window_attention_of_one_row_of_windows", (1, 12, 4, 8), 2, 4, 2),
        window_attention("padded_window_attention", (1, 12, 5, 7), 2, 3, 1, "padded_window_attention"),
        window_attention("padded_window_attention_larger_than_the_map", (1, 6, 3, 2), 1, 4, 2,
                         "padded_window_attention"),
        case("scale", "scale", [(2, 6, 3, 4)], [array("layer_scale", (6, 1, 1))]),
        case("channel_affine", "channel_affine", [(2, 3, 4, 5)], factor=[0.5, -1.25, 2.0], shift=[0.25, 0.0, -1.0]),
        case("channel_shuffle_2_groups", "channel_shuffle", [(2, 6, 3, 4)], groups=2),
        case("channel_shuffle_3_groups", "channel_shuffle", [(1, 12, 3, 2)], groups=3),
        case("stochastic_depth_inference", "stochastic_depth", [(2, 4, 3, 5)], p=0.5),
        case("tokens", "tokens", [(2, 3, 4, 5)]),
        case("repeat", "repeat", [(3, 4, 6)], [array("class_token", (1, 1, 6))]),
        case("pad", "pad", [(2, 3, 4, 5)], border=(1, 0, 2, 3), value=-0.5),
        case("pad_to_multiple", "pad", [(1, 3, 5, 6)], multiple=4, value=0.0),
        case("crop_like", "crop_like", [(2, 3, 6, 7), (2, 1, 4, 5)]),
    ]  # fmt: skip


def resample_cases():
    """Maps of another size that are made of their own pixels."""
    x = (2, 3, 4, 5)
    border = (1, 0, 2, 3)
    return [
        case("resample_reflect", "resample", [x], how="reflect", border=border),
        case("resample_replicate", "resample", [x], how="replicate", border=border),
        case("resample_nearest_twice", "resample", [x], how="nearest", size=(8, 10), align_corners=None),
        case("resample_nearest_uneven", "resample", [x], how="nearest", size=(7, 3), align_corners=None),
        case("resample_bilinear", "resample", [x], how="bilinear", size=(8, 10), align_corners=False),
        case("resample_bilinear_uneven", "resample", [x], how="bilinear", size=(7, 3), align_corners=False),
        case("resample_bilinear_corners", "resample", [x], how="bilinear", size=(9, 2), align_corners=True),
        case("resample_bilinear_to_one", "resample", [x], how="bilinear", size=(1, 1), align_corners=True),
        case("resample_bicubic", "resample", [x], how="bicubic", size=(9, 7), align_corners=False),
        case("resample_bilinear_antialiased", "resample", [(2, 3, 9, 11)], how="bilinear", size=(4, 3),
             align_corners=False, antialias=True),
        case("resample_bilinear_antialiased_larger", "resample", [x], how="bilinear", size=(9, 3),
             align_corners=False, antialias=True),
        case("resample_bicubic_antialiased", "resample", [(2, 3, 9, 11)], how="bicubic", size=(4, 5),
             align_corners=False, antialias=True),
        case("resample_flipped", "resample", [x], how="flip", rows=True, columns=False),
        case("resample_flipped_both_ways", "resample", [x], how="flip", rows=True, columns=True),
        case("resample_bicubic_corners", "resample", [x], how="bicubic", size=(3, 8), align_corners=True),
    ]


def loose_cases():
    """What exported graphs are made of besides."""
    x = (2, 4, 3, 5)
    cases = [
        case("softmax_tokens", "softmax", [((2, 3, 20), -4.0, 4.0)], axis=2),
        case("softmax_channels", "softmax", [(x, -4.0, 4.0)], axis=1),
        case("softmax_rows_of_a_map", "softmax", [(x, -4.0, 4.0)], axis=2),
        case("concat_tokens", "concat", [(2, 1, 6), (2, 4, 6)], axis=1),
        case("concat_features", "concat", [(2, 3, 2), (2, 3, 5)], axis=2),
        case("concat_rows", "concat", [(2, 3, 2, 5), (2, 3, 4, 5)], axis=2),
        case("slice_channels", "slice", [(2, 6, 3, 4)], axis=1, start=2, step=1, count=3),
        case("slice_every_other_row", "slice", [(2, 3, 7, 4)], axis=2, start=1, step=2, count=None),
        case("slice_a_token", "slice", [(2, 5, 6)], axis=1, start=0, step=1, count=1),
        case("permute_to_channels_last", "permute", [x], axes=(0, 2, 3, 1)),
        case("permute_windows", "permute", [(2, 2, 3, 2, 2, 3)], axes=(0, 1, 3, 2, 4, 5)),
        case("permute_pictures", "permute", [(2, 3, 4)], axes=(1, 0, 2)),
        case("reshape_a_map", "reshape", [x], sides=(None, 4, 15)),
        case("reshape_to_a_map", "reshape", [(2, 5, 12)], sides=(None, 5, 3, 4)),
        case("reshape_map_to_map", "reshape", [x], sides=(None, 6, 5, 2)),
        case("reduce_sum", "reduce", [x], how="sum", axes=(2,), keeps=False),
        case("reduce_mean", "reduce", [x], how="mean", axes=(2, 3), keeps=True),
        case("reduce_mean_tokens", "reduce", [(2, 5, 6)], how="mean", axes=(1,), keeps=False),
        case("reduce_max", "reduce", [x], how="max", axes=(1, 3), keeps=False),
        case("matmul", "matmul", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        case("matmul_broadcast", "matmul", [(3, 4, 5), (2, 1, 5, 2)]),
        binary("binary_add_embedding", "add", (2, 5, 6), (1, 5, 6), "parameter"),
        binary("binary_sub_channels", "sub", x, (4, 1, 1), "parameter"),
        binary("binary_sub_from_constant", "sub", x, (1, 4, 1, 1), "constant", swapped=True),
        binary("binary_mul_broadcast_both_ways", "mul", (2, 1, 3, 5), (4, 1, 1)),
        binary("binary_mul_number", "mul", x, (), "constant"),
        binary("binary_div", "div", x, x, bounds=(0.5, 2.0)),
        binary("binary_div_constant", "div", (2, 5), (5,), "constant", bounds=(0.5, 2.0)),
        binary("binary_pow", "pow", (2, 6), (2, 6), bounds=(0.5, 2.0)),
        binary("binary_pow_swapped", "pow", (2, 6), (1,), "constant", swapped=True, bounds=(0.5, 2.0)),
        binary("binary_min", "min", x, x),
        binary("binary_max", "max", (2, 6), (6,), "parameter"),
    ]
    for op in UNARY:
        bounds = (0.5, 3.0) if op in ("log", "sqrt", "reciprocal") else (-3.0, 3.0)
        attributes = {"low": -1.0, "high": 1.5} if op == "clip" else {}
        cases.append(case(op, op, [((2, 3, 4, 5), *bounds)], **attributes))
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
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "elu": lambda x: F.elu(x, 0.7),
    "softplus": F.softplus,
    "mish": F.mish,
    "clipped_relu": lambda x: F.hardtanh(x, 0.0, 2.5),
    "squared_relu": lambda x: F.relu(x) ** 2,
    "thresholded_relu": lambda x: F.threshold(x, 0.7, 0.0),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.3),
    "swish": lambda x: x * torch.sigmoid(1.702 * x),
    "softsign": F.softsign,
    "shrink": lambda x: F.softshrink(x, 0.6),
    "hardsigmoid_of": lambda x: torch.clamp(0.2 * x + 0.5, 0.0, 1.0),
}

UNARY = {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "reciprocal": torch.reciprocal,
    "erf": torch.erf,
    "clip": lambda x: torch.clamp(x, -1.0, 1.5),
}

BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "min": torch.minimum,
    "max": torch.maximum,
}

REDUCTIONS = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}


def swin(x, table, heads, window, shift):
    """torchvision's attention in windows, of queries, keys and values that are there already.

    The function computes them by a matrix of its own from as many channels as it returns: one that
    only picks. Its heads are three times as wide as ours, two thirds of them zeros, hence the factor.
    """
    wide = x.shape[1]
    channels = wide // 3
    width = channels // heads
    picks = torch.zeros(3, heads, 3 * width, wide, dtype=x.dtype)
    drops = torch.zeros(wide, heads, 3 * width, dtype=x.dtype)
    for head in range(heads):
        for feature in range(width):
            own = head * width + feature
            for which in range(3):
                picks[which, head, feature, which * channels + own] = 3**0.5 if which == 0 else 1
            drops[own, head, feature] = 1
    places = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    apart = places[:, :, None] - places[:, None, :] + window - 1
    rows = apart[0] * (2 * window - 1) + apart[1]
    output = shifted_window_attention(
        x.permute(0, 2, 3, 1), picks.reshape(3 * wide, wide), drops.reshape(wide, wide),
        table[rows].permute(2, 0, 1)[None], [window, window], heads, [shift, shift],
    )  # fmt: skip
    return output.permute(0, 3, 1, 2)[:, :channels]


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
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1)
        output = F.linear(x, parameters["weight"], parameters.get("bias"))
        return output.permute(0, 3, 1, 2) if x.dim() == 4 else output
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
    if op == "layer_norm":
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1)
        output = F.layer_norm(x, x.shape[-1:], parameters["weight"], parameters["bias"], attributes["eps"])
        return output.permute(0, 3, 1, 2) if x.dim() == 4 else output
    if op == "attention":
        n, tokens, wide = x.shape
        heads = x.reshape(n, tokens, 3, attributes["heads"], -1).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(n, tokens, wide // 3)
    if op in ("window_attention", "padded_window_attention"):
        return swin(x, parameters["relative_position_bias_table"], **attributes)
    if op == "scale":
        return x * parameters["layer_scale"]
    if op == "channel_affine":
        factor, shift = (torch.tensor(attributes[k], dtype=x.dtype)[:, None, None] for k in ("factor", "shift"))
        return x * factor + shift
    if op == "channel_shuffle":
        return F.channel_shuffle(x, attributes["groups"])
    if op == "stochastic_depth":
        return x * 1
    if op == "tokens":
        return x.flatten(2).transpose(1, 2)
    if op == "repeat":
        return parameters["class_token"].expand(x.shape[0], -1, -1)
    if op == "pad":
        if "border" in attributes:
            top, left, bottom, right = attributes["border"]
        else:
            top, left, bottom, right = 0, 0, -x.shape[2] % attributes["multiple"], -x.shape[3] % attributes["multiple"]
        return F.pad(x, (left, right, top, bottom), value=attributes["value"])
    if op == "resample" and "border" in attributes:
        top, left, bottom, right = attributes["border"]
        return F.pad(x, (left, right, top, bottom), mode=attributes["how"])
    if op == "resample" and attributes["how"] == "flip":
        axes = [axis for axis, side in ((2, "rows"), (3, "columns")) if attributes[side]]
        return x.flip(axes)
    if op == "resample":
        size, corners = attributes["size"], attributes["align_corners"]
        antialias = attributes.get("antialias", False)
        return F.interpolate(x, size=size, mode=attributes["how"], align_corners=corners, antialias=antialias)
    if op == "prelu":
        slopes = parameters["weight"]
        return torch.where(x > 0, x, slopes * x)
    if op == "local_response_norm":
        return F.local_response_norm(x.reshape(*x.shape, 1) if x.dim() == 2 else x, **attributes).reshape(x.shape)
    if op == "crop_like":
        return x[:, :, : inputs[1].shape[2], : inputs[1].shape[3]] * 1
    if op == "slice":
        start, step, count = attributes["start"], attributes["step"], attributes["count"]
        end = x.shape[attributes["axis"]] if count is None else start + (count - 1) * step + 1
        return x[(slice(None),) * attributes["axis"] + (slice(start, end, step),)] * 1
    if op == "permute":
        return x.permute(*attributes["axes"])
    if op == "reshape":
        return x.reshape([-1 if side is None else side for side in attributes["sides"]])
    if op == "reduce":
        return REDUCTIONS[attributes["how"]](x, attributes["axes"], keepdim=attributes["keeps"])
    if op == "matmul":
        return inputs[0] @ inputs[1]
    if op == "binary":
        if attributes["other"] == "input":
            other = inputs[1]
        elif attributes["other"] == "parameter":
            other = parameters["other"]
        else:
            one = attributes["constant"]
            other = seeded.uniform(f"{described['name']}.constant", one["shape"], one["low"], one["high"])
            other = torch.from_numpy(np.asarray(other)).to(x.dtype)
        function = BINARY[attributes["function"]]
        return function(other, x) if attributes["swapped"] else function(x, other)
    if op in UNARY:
        return UNARY[op](x)
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
            # What only lends its shape has no gradient.
            if leaf.grad is not None:
                tensors[f"grad.{leaf_name}"] = leaf.grad
        elif described["mode"] == "training":
            tensors[leaf_name] = leaf
    return {f"{name}.{key}": tensor.contiguous().numpy() for key, tensor in tensors.items()}


def check_that_the_gradient_is_unique(described):
    """Ties under a maximum, and values at a kink, would make the gradient a matter of taste."""
    op = described["op"]
    for one in described["inputs"]:
        values = seeded.uniform(f"{described['name']}.{one['name']}", one["shape"], one["low"], one["high"])
        if op == "reduce" and described["attributes"]["how"] == "max":
            assert len(np.unique(values)) == values.size, described["name"]
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
