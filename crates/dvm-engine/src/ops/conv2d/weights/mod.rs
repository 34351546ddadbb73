//! Gradients of weights.

mod depthwise;
mod direct;

use super::super::{Arithmetic, BackwardCall};
use super::direct::Lattice;
use super::winograd::{self, WeightGradient};
use super::{Conv2d, feature_map};
use crate::Tensor;

/// The gradient with respect to the weights, `[O, I / groups, kh, kw]`.
pub(super) fn weight_gradient(conv: &Conv2d, call: &BackwardCall, grad_output: &Tensor) -> Tensor {
    let input = call.inputs[0];
    let (n, c, h, w) = feature_map(input.shape()).expect("checked");
    let (_, outputs, oh, ow) = feature_map(grad_output.shape()).expect("checked");
    if conv.is_depthwise(c, outputs) {
        return depthwise::weight_gradient(conv, call, grad_output);
    }
    let set = super::filters(call.prepared).set();
    let border = conv.border(h, w);
    let gradient = if conv.is_three_by_three()
        && call.arithmetic == Arithmetic::Fast
        && winograd::weight_gradient_is_cheaper(n, (oh, ow), (c, outputs))
    {
        WeightGradient {
            set,
            input: input.data(),
            maps: (n, h, w, c),
            border: (border.top, border.left),
            gradient: grad_output.data(),
            results: (oh, ow, outputs),
        }
        .compute()
    } else {
        let lattice = Lattice {
            input: input.data(),
            maps: (n, h, w, c),
            windows: (oh, ow),
            step: conv.stride,
            taps: &conv.taps(border),
            results: (oh, ow, outputs),
            places: ((0, 0), (1, 1)),
        };
        direct::weight_gradient(set, &lattice, conv.groups, grad_output.data())
    };
    Tensor::from_buffer(call.parameters[0].shape(), gradient)
}
