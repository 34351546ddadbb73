//! Convolutions of all kinds.

use dvm_engine::Tensor;
use dvm_engine::ops::Mode;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};

use crate::draw::Draw;
use crate::slow::{self, Array};
use crate::{BACKWARD, alone, arrays, check, check_forward, describe, grad_output, score};

/// A convolution of any kind: strides, dilations, groups, depthwise, all paddings.
fn any_conv2d(draw: &mut Draw) -> (Conv2d, [usize; 4], usize) {
    let padding = if draw.flag() {
        Padding::Same
    } else {
        Padding::Fixed(Border {
            top: draw.number(0, 3),
            left: draw.number(0, 3),
            bottom: draw.number(0, 3),
            right: draw.number(0, 3),
        })
    };
    let groups = draw.number(1, 3);
    let conv = Conv2d {
        kernel: draw.pair(1, 4),
        stride: draw.pair(1, 3),
        padding,
        dilation: draw.pair(1, 2),
        groups,
        residual: false,
        activation: None,
    };
    let (inputs, outputs) = if draw.flag() {
        (groups, groups) // depthwise
    } else {
        (groups * draw.number(1, 3), groups * draw.number(1, 3))
    };
    let reach = |kernel: usize, dilation: usize| dilation * (kernel - 1) + 1;
    let shape = [
        draw.number(1, 2),
        inputs,
        reach(conv.kernel.0, conv.dilation.0) + draw.number(0, 4),
        reach(conv.kernel.1, conv.dilation.1) + draw.number(0, 4),
    ];
    (conv, shape, outputs)
}

fn conv2d_parameters(
    draw: &mut Draw,
    conv: &Conv2d,
    inputs: usize,
    outputs: usize,
    bias: bool,
) -> Vec<Tensor> {
    let shape = [outputs, inputs / conv.groups, conv.kernel.0, conv.kernel.1];
    let mut parameters = vec![draw.tensor(&shape, -1.0, 1.0)];
    if bias {
        parameters.push(draw.tensor(&[outputs], -1.0, 1.0));
    }
    parameters
}

fn slow_conv2d(conv: &Conv2d) -> impl Fn(&[Array], &[Array]) -> Array {
    move |inputs, parameters| slow::conv2d(conv, &inputs[0], &parameters[0], parameters.get(1))
}

#[test]
fn conv2d() {
    for round in 0..40 {
        let mut draw = Draw::new("conv2d", round);
        let (conv, shape, outputs) = any_conv2d(&mut draw);
        let bias = draw.flag();
        let parameters = conv2d_parameters(&mut draw, &conv, shape[1], outputs, bias);
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(conv.clone(), Mode::Inference, vec![x], parameters);
        check(&alone, &slow_conv2d(&conv));
    }
}

#[test]
fn conv2d_with_a_3x3_kernel_at_any_size() {
    for round in 0..12 {
        let mut draw = Draw::new("conv2d 3x3", round);
        let conv = Conv2d::square(3).padding(Padding::Fixed(Border::all(draw.number(0, 1))));
        let (inputs, outputs) = draw.pair(1, 5);
        let shape = [1, inputs, draw.number(3, 9), draw.number(3, 9)];
        let parameters = conv2d_parameters(&mut draw, &conv, inputs, outputs, true);
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(conv.clone(), Mode::Inference, vec![x], parameters);
        check(&alone, &slow_conv2d(&conv));
    }
}

/// Layers that are computed in several blocks; `(convolution, input, output channels)`.
fn large_convolutions() -> Vec<(Conv2d, [usize; 4], usize)> {
    let around = |conv: Conv2d, pixels| conv.padding(Padding::Fixed(Border::all(pixels)));
    vec![
        (around(Conv2d::square(3), 1), [1, 16, 9, 7], 130),
        (Conv2d::square(1), [2, 72, 5, 7], 200),
        (around(Conv2d::square(3), 1), [2, 5, 37, 35], 7),
        (around(Conv2d::square(3), 1), [1, 33, 21, 19], 34),
        (around(Conv2d::square(3).stride(2), 1), [1, 6, 45, 51], 9),
        (around(Conv2d::square(7).stride(2), 3), [1, 3, 61, 59], 16),
        (around(Conv2d::square(5).groups(24), 2), [2, 24, 33, 31], 24),
        (around(Conv2d::square(3).groups(4), 1), [2, 16, 27, 25], 24),
        (
            Conv2d::square(5).stride(2).padding(Padding::Same),
            [1, 4, 46, 43],
            10,
        ),
    ]
}

#[test]
fn large_convolutions_give_the_slow_output() {
    for (round, (conv, shape, outputs)) in large_convolutions().into_iter().enumerate() {
        let mut draw = Draw::new("large conv2d", round);
        let parameters = conv2d_parameters(&mut draw, &conv, shape[1], outputs, true);
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(conv.clone(), Mode::Inference, vec![x], parameters);
        check_forward(&alone, &slow_conv2d(&conv));
    }
}

/// A convolution is linear in its input and in its weights, so for any `d` the sum of `gradient · d` is the
/// score of the convolution with `d` in place of the input or the weights.
#[test]
fn gradients_of_large_convolutions_are_the_adjoint_of_the_slow_ones() {
    for (round, (conv, shape, outputs)) in large_convolutions().into_iter().enumerate() {
        let mut draw = Draw::new("large conv2d", round);
        let parameters = conv2d_parameters(&mut draw, &conv, shape[1], outputs, false);
        let x = draw.tensor(&shape, -1.0, 1.0);
        let other_x = draw.tensor(&shape, -1.0, 1.0);
        let other_weight = draw.tensor(parameters[0].shape(), -1.0, 1.0);
        let alone = alone(conv.clone(), Mode::Inference, vec![x], parameters);
        let outcome = alone.forward().expect("the shapes fit");
        let grad = grad_output(outcome.value.shape());
        let gradients = alone.backward(&outcome, &grad);
        let slow = slow_conv2d(&conv);
        let check = |what: &str, found: &Option<Tensor>, d: &Tensor, output: Array| {
            let found = Array::of(found.as_ref().expect("was requested"));
            let expected = score(&output, &Array::of(&grad));
            let size = |a: &Array| a.values.iter().map(|v| v * v).sum::<f64>().sqrt();
            // For independent signs, a typical sum is as large as the scaled product of the norms.
            let scale = size(&found) * size(&Array::of(d)) / (d.len() as f64).sqrt();
            let error = (score(&found, &Array::of(d)) - expected).abs() / scale;
            assert!(
                error <= BACKWARD,
                "{}: the gradient of the {what} is off by {error:.1e}",
                describe(&alone)
            );
        };
        let (own_x, own_weight) = (arrays(&alone.inputs), arrays(&alone.parameters));
        check(
            "input",
            &gradients.inputs[0],
            &other_x,
            slow(&[Array::of(&other_x)], &own_weight),
        );
        check(
            "weight",
            &gradients.parameters[0],
            &other_weight,
            slow(&own_x, &[Array::of(&other_weight)]),
        );
    }
}

#[test]
fn a_fused_convolution_adds_bias_and_residual_and_then_activates() {
    let mut cases = large_convolutions();
    cases.extend((0..16).map(|round| any_conv2d(&mut Draw::new("fused conv2d", round))));
    for (round, (conv, shape, outputs)) in cases.into_iter().enumerate() {
        let mut draw = Draw::new("parameters of fused conv2d", round);
        let bias = draw.flag();
        let parameters = conv2d_parameters(&mut draw, &conv, shape[1], outputs, bias);
        let x = draw.tensor(&shape, -1.0, 1.0);
        let mut inputs = vec![x];
        let plain = alone(
            conv.clone(),
            Mode::Inference,
            inputs.clone(),
            parameters.clone(),
        );
        let output = plain.forward().expect("the shapes fit").value;
        let residual = draw.flag();
        if residual {
            inputs.push(draw.tensor(output.shape(), -2.0, 2.0));
        }
        let activation = [
            None,
            Some(Activation::Relu),
            Some(Activation::Relu6),
            Some(Activation::Silu),
        ][round % 4];
        let fused = Conv2d {
            residual,
            activation,
            ..conv.clone()
        };
        let alone = alone(fused, Mode::Inference, inputs, parameters);
        check_forward(&alone, &|inputs, parameters| {
            let mut y = slow_conv2d(&conv)(inputs, parameters);
            if residual {
                y = slow::add(&y, &inputs[1]);
            }
            activation.map_or(y.clone(), |activation| slow::activation(activation, &y))
        });
    }
}
