//! All other layers.

use dvm_engine::Tensor;
use dvm_engine::ops::Mode;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::softmax::Softmax;

use crate::draw::Draw;
use crate::slow::{self, Array};
use crate::{TRAINING, alone, check, grad_output};

#[test]
fn linear() {
    for round in 0..8 {
        let mut draw = Draw::new("linear", round);
        let (n, inputs, outputs) = (draw.number(1, 4), draw.number(1, 9), draw.number(1, 9));
        let mut parameters = vec![draw.tensor(&[outputs, inputs], -1.0, 1.0)];
        if draw.flag() {
            parameters.push(draw.tensor(&[outputs], -1.0, 1.0));
        }
        let x = draw.tensor(&[n, inputs], -1.0, 1.0);
        let alone = alone(Linear, Mode::Inference, vec![x], parameters);
        check(&alone, &|inputs, parameters| {
            slow::linear(&inputs[0], &parameters[0], parameters.get(1))
        });
    }
}

#[test]
fn linear_layers_of_tokens_and_of_pixels() {
    for round in 0..6 {
        let mut draw = Draw::new("linear of tokens", round);
        let (inputs, outputs) = draw.pair(1, 5);
        let (n, t) = draw.pair(1, 4);
        let shape = [vec![n, t, inputs], vec![n, inputs, t, 2]][round % 2].clone();
        let parameters = vec![
            draw.tensor(&[outputs, inputs], -1.0, 1.0),
            draw.tensor(&[outputs], -1.0, 1.0),
        ];
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(Linear, Mode::Inference, vec![x], parameters);
        check(&alone, &|inputs, parameters| {
            slow::linear(&inputs[0], &parameters[0], parameters.get(1))
        });
    }
}

#[test]
fn a_linear_layer_of_many_rows() {
    let mut draw = Draw::new("linear of many rows", 0);
    let parameters = vec![
        draw.tensor(&[5, 3], -1.0, 1.0),
        draw.tensor(&[5], -1.0, 1.0),
    ];
    let x = draw.tensor(&[2, 100, 3], -1.0, 1.0);
    let alone = alone(Linear, Mode::Inference, vec![x], parameters);
    check(&alone, &|inputs, parameters| {
        slow::linear(&inputs[0], &parameters[0], parameters.get(1))
    });
}

#[test]
fn a_linear_layer_of_several_blocks() {
    let mut draw = Draw::new("large linear", 0);
    let parameters = vec![
        draw.tensor(&[270, 6], -1.0, 1.0),
        draw.tensor(&[270], -1.0, 1.0),
    ];
    let x = draw.tensor(&[3, 6], -1.0, 1.0);
    let alone = alone(Linear, Mode::Inference, vec![x], parameters);
    check(&alone, &|inputs, parameters| {
        slow::linear(&inputs[0], &parameters[0], parameters.get(1))
    });
}

#[test]
fn activations() {
    let kinks = |activation| match activation {
        Activation::Relu
        | Activation::LeakyRelu(_)
        | Activation::Elu(_)
        | Activation::Selu { .. }
        | Activation::Celu(_) => vec![0.0],
        Activation::ClippedRelu(high) => vec![0.0, high],
        Activation::ThresholdedRelu(threshold) => vec![threshold],
        Activation::Shrink { lambda, .. } => vec![-lambda, lambda],
        Activation::HardsigmoidOf { slope, offset } => {
            vec![-offset / slope, (1.0 - offset) / slope]
        }
        Activation::Relu6 => vec![0.0, 6.0],
        Activation::Hardswish | Activation::Hardsigmoid => vec![-3.0, 3.0],
        _ => vec![],
    };
    for activation in [
        Activation::Relu,
        Activation::Relu6,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Sigmoid,
        Activation::Hardswish,
        Activation::Hardsigmoid,
        Activation::Tanh,
        Activation::LeakyRelu(0.2),
        Activation::Elu(1.3),
        Activation::Softplus,
        Activation::Mish,
        Activation::ClippedRelu(2.5),
        Activation::SquaredRelu,
        Activation::ThresholdedRelu(-0.4),
        Activation::Selu {
            alpha: 1.7,
            gamma: 1.1,
        },
        Activation::Celu(0.6),
        Activation::Swish(1.702),
        Activation::Softsign,
        Activation::Shrink {
            lambda: 0.6,
            bias: 0.25,
        },
        Activation::HardsigmoidOf {
            slope: 0.3,
            offset: 0.4,
        },
    ] {
        for round in 0..8 {
            let mut draw = Draw::new(activation.name(), round);
            let shape = draw.feature_map();
            let mut x = draw.tensor(&shape, -8.0, 8.0);
            for value in x.data_mut() {
                // At a kink there is no gradient to compare with.
                if kinks(activation)
                    .iter()
                    .any(|kink| (*value - kink).abs() < 1e-3)
                {
                    *value += 0.01;
                }
            }
            let alone = alone(activation, Mode::Inference, vec![x], vec![]);
            check(&alone, &|inputs, _| {
                slow::activation(activation, &inputs[0])
            });
        }
    }
}

#[test]
fn leaky_relus_of_learned_slopes() {
    for round in 0..8 {
        let mut draw = Draw::new("prelu", round);
        let shape = draw.feature_map();
        let [_, c, h, w] = shape;
        let shapes = [vec![c, 1, 1], vec![1], vec![c, h, w], vec![1, c, 1, w]];
        let mut x = draw.tensor(&shape, -2.0, 2.0);
        // At 0 there is no gradient to compare with.
        let kinks = x.data_mut().iter_mut().filter(|value| value.abs() < 1e-3);
        kinks.for_each(|value| *value += 0.01);
        let slopes = draw.tensor(&shapes[round % 4], -0.5, 1.5);
        let alone = alone(PRelu, Mode::Inference, vec![x], vec![slopes]);
        check(&alone, &|inputs, parameters| {
            slow::prelu(&inputs[0], &parameters[0])
        });
    }
}

#[test]
fn local_response_norms() {
    for round in 0..8 {
        let mut draw = Draw::new("local_response_norm", round);
        let shape = match round % 2 {
            0 => draw.feature_map().to_vec(),
            _ => vec![draw.number(1, 3), draw.number(1, 9)],
        };
        let (before, after) = draw.pair(0, 5);
        let norm = LocalResponseNorm {
            before,
            after,
            alpha: [0.7, 2.0][round / 4],
            beta: [0.75, 1.0, 0.5][round % 3],
            bias: [1.0, 0.5][round / 4],
        };
        let x = draw.tensor(&shape, -2.0, 2.0);
        let alone = alone(norm, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::local_response_norm(&inputs[0], norm)
        });
    }
}

#[test]
fn add() {
    for round in 0..8 {
        let mut draw = Draw::new("add", round);
        let shape = draw.feature_map();
        let inputs = vec![
            draw.tensor(&shape, -1.0, 1.0),
            draw.tensor(&shape, -1.0, 1.0),
        ];
        let alone = alone(Add, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| slow::add(&inputs[0], &inputs[1]));
    }
}

#[test]
fn mul() {
    for round in 0..12 {
        let mut draw = Draw::new("mul", round);
        let shape = draw.feature_map();
        let narrow = [shape[0], shape[1], 1, 1];
        let (a, b) = [(shape, shape), (shape, narrow), (narrow, shape)][round % 3];
        let inputs = vec![draw.tensor(&a, -1.0, 1.0), draw.tensor(&b, -1.0, 1.0)];
        let alone = alone(Mul, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| slow::mul(&inputs[0], &inputs[1]));
    }
}

#[test]
fn concat() {
    for round in 0..8 {
        let mut draw = Draw::new("concat", round);
        let [n, _, h, w] = draw.feature_map();
        let inputs = (0..draw.number(1, 4))
            .map(|_| {
                let channels = draw.number(1, 4);
                draw.tensor(&[n, channels, h, w], -1.0, 1.0)
            })
            .collect();
        let alone = alone(Concat::CHANNELS, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| slow::concat(inputs));
    }
}

#[test]
fn flatten() {
    for round in 0..8 {
        let mut draw = Draw::new("flatten", round);
        let shape = draw.feature_map();
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(Flatten, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::flatten(&inputs[0]));
    }
}

#[test]
fn softmax() {
    for round in 0..8 {
        let mut draw = Draw::new("softmax", round);
        let shape = [draw.number(1, 4), draw.number(2, 9)];
        let x = draw.tensor(&shape, -4.0, 4.0);
        let alone = alone(Softmax { axis: 1 }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::softmax(&inputs[0]));
    }
}

#[test]
fn dropout_in_training() {
    for round in 0..8 {
        let mut draw = Draw::new("dropout", round);
        let shape = draw.feature_map();
        let p = [0.5, 0.2, 0.0, 0.9][round % 4];
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(Dropout { p }, TRAINING, vec![x], vec![]);
        let outcome = alone.forward().expect("the shapes fit");
        let mask = Array::of(&outcome.saved[0]);
        check(&alone, &|inputs, _| slow::dropout(&inputs[0], &mask));
    }
}

#[test]
fn dropout_drops_its_share_and_scales_the_rest() {
    let p = 0.2;
    let x = Tensor::full(&[4, 8, 32, 32], 1.0);
    let alone = alone(Dropout { p }, TRAINING, vec![x], vec![]);
    let output = alone.forward().expect("the shapes fit").value;
    let dropped = output.data().iter().filter(|&&v| v == 0.0).count();
    assert!(output.data().iter().all(|&v| v == 0.0 || v == 1.25));
    // Of 32768 values, 6554 should be dropped; the standard deviation is 72.
    assert!(dropped.abs_diff(6554) < 4 * 72, "{dropped} were dropped");
}

#[test]
fn dropout_does_nothing_in_inference() {
    let mut draw = Draw::new("dropout in inference", 0);
    let x = draw.tensor(&[2, 3, 4, 5], -1.0, 1.0);
    let alone = alone(Dropout { p: 0.5 }, Mode::Inference, vec![x.clone()], vec![]);
    let outcome = alone.forward().expect("the shapes fit");
    assert_eq!(outcome.value, x);
    let grad = grad_output(x.shape());
    assert_eq!(alone.backward(&outcome, &grad).inputs, [Some(grad.clone())]);
}
