//! Every op against a slow second implementation in f64: its output, and its gradients by central
//! differences of that implementation. Shapes are drawn, differently for each round.

mod accuracy;
mod alone;
mod slow;

use std::sync::Arc;

use accuracy::relative_error;
use alone::Alone;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::{Mode, Op, Outcome};
use dvm_engine::{Tensor, seeded};
use slow::Array;

/// Largest difference of an output from the slow one, relative to the largest value.
const FORWARD: f64 = 1e-5;
/// The same for gradients.
const BACKWARD: f64 = 1e-4;
/// Half the distance of a central difference.
const STEP: f64 = 1e-5;

const TRAINING: Mode = Mode::Training { seed: 3 };

/// Numbers and tensors that follow from a name.
struct Draw {
    name: String,
    drawn: usize,
}

impl Draw {
    fn new(op: &str, round: usize) -> Self {
        Self {
            name: format!("finite differences of {op}, round {round}"),
            drawn: 0,
        }
    }

    fn stream(&mut self) -> String {
        self.drawn += 1;
        format!("{}, draw {}", self.name, self.drawn)
    }

    /// A whole number from `low` to `high`, both possible.
    fn number(&mut self, low: usize, high: usize) -> usize {
        let unit = f64::from(seeded::unit(&self.stream(), 1)[0]);
        low + (unit * (high - low + 1) as f64) as usize
    }

    fn pair(&mut self, low: usize, high: usize) -> (usize, usize) {
        (self.number(low, high), self.number(low, high))
    }

    fn flag(&mut self) -> bool {
        self.number(0, 1) == 1
    }

    fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let len = shape.iter().product();
        Tensor::from_nchw(shape, &seeded::uniform(&self.stream(), len, low, high))
    }

    /// Values of which no two come nearer than 4 / their number: a maximum has a gradient.
    fn tensor_without_ties(&mut self, shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        let drawn = seeded::unit(&self.stream(), len);
        let mut order: Vec<usize> = (0..len).collect();
        order.sort_by(|&a, &b| drawn[a].total_cmp(&drawn[b]));
        let mut values = vec![0.0; len];
        for (rank, place) in order.into_iter().enumerate() {
            values[place] = 4.0 * rank as f32 / len as f32 - 2.0;
        }
        Tensor::from_nchw(shape, &values)
    }

    fn feature_map(&mut self) -> [usize; 4] {
        [
            self.number(1, 2),
            self.number(1, 4),
            self.number(1, 6),
            self.number(1, 6),
        ]
    }
}

fn alone(op: impl Op, mode: Mode, inputs: Vec<Tensor>, parameters: Vec<Tensor>) -> Alone {
    Alone {
        op: Arc::new(op),
        inputs,
        parameters,
        mode,
    }
}

/// The forward pass of an op, done slowly: inputs and parameters to output.
type Slow<'a> = dyn Fn(&[Array], &[Array]) -> Array + 'a;

/// Panics unless the op agrees with its slow twin.
fn check(alone: &Alone, slow: &Slow) {
    let outcome = check_forward(alone, slow);
    check_backward(alone, &outcome, slow);
}

fn arrays(tensors: &[Tensor]) -> Vec<Array> {
    tensors.iter().map(Array::of).collect()
}

fn describe(alone: &Alone) -> String {
    let shapes =
        |tensors: &[Tensor]| -> Vec<_> { tensors.iter().map(|t| t.shape().to_vec()).collect() };
    format!(
        "{:?} of {:?} with {:?}",
        alone.op,
        shapes(&alone.inputs),
        shapes(&alone.parameters)
    )
}

fn check_forward(alone: &Alone, slow: &Slow) -> Outcome {
    let outcome = alone
        .forward()
        .unwrap_or_else(|error| panic!("{}: {error}", describe(alone)));
    let expected = slow(&arrays(&alone.inputs), &arrays(&alone.parameters));
    assert_eq!(outcome.value.shape(), expected.shape, "{}", describe(alone));
    let error = relative_error(&outcome.value.to_nchw(), &expected.values);
    assert!(
        error <= FORWARD,
        "{}: the output is off by {error:.1e}",
        describe(alone)
    );
    outcome
}

/// The gradient that reaches the output, within ±1.
fn grad_output(shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    let values = seeded::uniform("the gradient of the output", len, -1.0, 1.0);
    Tensor::from_nchw(shape, &values)
}

fn score(output: &Array, grad_output: &Array) -> f64 {
    let pairs = output.values.iter().zip(&grad_output.values);
    pairs.map(|(o, g)| o * g).sum()
}

fn check_backward(alone: &Alone, outcome: &Outcome, slow: &Slow) {
    let grad = grad_output(outcome.value.shape());
    let gradients = alone.backward(outcome, &grad);
    let grad = Array::of(&grad);
    let inputs = arrays(&alone.inputs);
    let parameters = arrays(&alone.parameters);
    assert_eq!(gradients.inputs.len(), inputs.len(), "{}", describe(alone));
    for (index, found) in gradients.inputs.iter().enumerate() {
        let expected = differences(&inputs[index], |moved| {
            let mut inputs = inputs.clone();
            inputs[index] = moved.clone();
            score(&slow(&inputs, &parameters), &grad)
        });
        compare(alone, &format!("input {index}"), found, &expected);
    }
    // Of a batch-norm's parameters only the first two are learned.
    let learned = parameters.len().min(2);
    for (index, found) in gradients.parameters.iter().take(learned).enumerate() {
        let expected = differences(&parameters[index], |moved| {
            let mut parameters = parameters.clone();
            parameters[index] = moved.clone();
            score(&slow(&inputs, &parameters), &grad)
        });
        compare(alone, &format!("parameter {index}"), found, &expected);
    }
    assert!(gradients.parameters.len() >= learned, "{}", describe(alone));
    assert!(gradients.parameters[learned..].iter().all(Option::is_none));
}

/// Central differences of `score` with respect to every value of `at`.
fn differences(at: &Array, score: impl Fn(&Array) -> f64) -> Vec<f64> {
    let mut moved = at.clone();
    (0..at.values.len())
        .map(|i| {
            moved.values[i] = at.values[i] + STEP;
            let above = score(&moved);
            moved.values[i] = at.values[i] - STEP;
            let below = score(&moved);
            moved.values[i] = at.values[i];
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

fn compare(alone: &Alone, what: &str, found: &Option<Tensor>, expected: &[f64]) {
    let found = found
        .as_ref()
        .unwrap_or_else(|| panic!("{}: {what} has no gradient", describe(alone)));
    let error = relative_error(&found.to_nchw(), expected);
    assert!(
        error <= BACKWARD,
        "{}: the gradient of {what} is off by {error:.1e}",
        describe(alone)
    );
}

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

/// Layers that are worked on in several blocks; `(convolution, input, output channels)`.
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

/// A convolution is linear in its input and in its weights, so for any `d` the sum of
/// `gradient · d` is the score of the convolution with `d` in their place.
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
            let found = Array::of(found.as_ref().expect("was asked for"));
            let expected = score(&output, &Array::of(&grad));
            let size = |a: &Array| a.values.iter().map(|v| v * v).sum::<f64>().sqrt();
            // Independent signs: a typical sum is as large as the product of the norms, scaled.
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

/// A batch-norm over feature maps or rows, with a batch that is not a single value.
fn any_batch_norm(round: usize, mode: Mode) -> (BatchNorm, Alone) {
    let mut draw = Draw::new("batch_norm", round);
    let op = BatchNorm {
        eps: [1e-5, 1e-3][round % 2],
        momentum: [0.1, 0.01, 1.0][round % 3],
    };
    let channels = draw.number(1, 5);
    let shape = if draw.flag() {
        vec![
            draw.number(2, 3),
            channels,
            draw.number(1, 5),
            draw.number(2, 5),
        ]
    } else {
        vec![draw.number(4, 8), channels]
    };
    let parameters = vec![
        draw.tensor(&[channels], 0.5, 1.5),
        draw.tensor(&[channels], -1.0, 1.0),
        draw.tensor(&[channels], -1.0, 1.0),
        draw.tensor(&[channels], 0.5, 1.5),
    ];
    let x = draw.tensor(&shape, -1.0, 2.0);
    (op, alone(op, mode, vec![x], parameters))
}

#[test]
fn batch_norm_in_inference() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, Mode::Inference);
        check(&alone, &|inputs, p| {
            slow::batch_norm(&inputs[0], op.eps, [&p[0], &p[1], &p[2], &p[3]])
        });
    }
}

#[test]
fn batch_norm_in_training() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, TRAINING);
        check(&alone, &|inputs, p| {
            let (mean, variance) = slow::batch_statistics(&inputs[0]);
            slow::batch_norm(&inputs[0], op.eps, [&p[0], &p[1], &mean, &variance])
        });
    }
}

#[test]
fn batch_norm_moves_its_statistics_by_the_momentum() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, TRAINING);
        let moved = alone.forward().expect("the shapes fit").statistics;
        let (mean, variance) = slow::batch_statistics(&Array::of(&alone.inputs[0]));
        let x = &alone.inputs[0];
        let count = (x.len() / x.shape()[1]) as f64;
        let (old, new) = (1.0 - f64::from(op.momentum), f64::from(op.momentum));
        for (which, (batch, correction)) in [(mean, 1.0), (variance, count / (count - 1.0))]
            .into_iter()
            .enumerate()
        {
            let running = Array::of(&alone.parameters[2 + which]);
            let expected: Vec<f64> = running
                .values
                .iter()
                .zip(&batch.values)
                .map(|(r, b)| old * r + new * b * correction)
                .collect();
            let error = relative_error(&moved[which].to_nchw(), &expected);
            assert!(error <= FORWARD, "statistic {which} is off by {error:.1e}");
        }
    }
}

#[test]
fn activations() {
    let kinks = |activation| match activation {
        Activation::Relu => vec![0.0],
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

/// Sliding windows whose padding is smaller than they are, and a map they fit on.
fn any_sliding(draw: &mut Draw, reduction: Reduction) -> (Pool, [usize; 4]) {
    let kernel = draw.pair(1, 4);
    let padding = Border {
        top: draw.number(0, kernel.0 - 1),
        left: draw.number(0, kernel.1 - 1),
        bottom: draw.number(0, kernel.0 - 1),
        right: draw.number(0, kernel.1 - 1),
    };
    let windows = Windows::Sliding {
        kernel,
        stride: draw.pair(1, 3),
        padding,
        ceil: draw.flag(),
    };
    let shape = [
        draw.number(1, 2),
        draw.number(1, 3),
        kernel.0 + draw.number(0, 5),
        kernel.1 + draw.number(0, 5),
    ];
    (Pool { reduction, windows }, shape)
}

fn any_adaptive(draw: &mut Draw, reduction: Reduction) -> (Pool, [usize; 4]) {
    let windows = Windows::Adaptive {
        output: draw.pair(1, 5),
    };
    let shape = [
        draw.number(1, 2),
        draw.number(1, 3),
        draw.number(1, 8),
        draw.number(1, 8),
    ];
    (Pool { reduction, windows }, shape)
}

fn check_pool(draw: &mut Draw, (pool, shape): (Pool, [usize; 4])) {
    let x = draw.tensor_without_ties(&shape);
    let alone = alone(pool, Mode::Inference, vec![x], vec![]);
    check(&alone, &|inputs, _| slow::pool(&pool, &inputs[0]));
}

#[test]
fn max_pools() {
    for round in 0..24 {
        let mut draw = Draw::new("max_pool", round);
        let pool = any_sliding(&mut draw, Reduction::Max);
        check_pool(&mut draw, pool);
        let pool = any_adaptive(&mut draw, Reduction::Max);
        check_pool(&mut draw, pool);
    }
}

#[test]
fn average_pools() {
    for round in 0..24 {
        let mut draw = Draw::new("avg_pool", round);
        let count_padding = draw.flag();
        let reduction = Reduction::Mean { count_padding };
        let pool = any_sliding(&mut draw, reduction);
        check_pool(&mut draw, pool);
        let pool = any_adaptive(&mut draw, reduction);
        check_pool(&mut draw, pool);
    }
}

#[test]
fn the_global_mean() {
    for round in 0..8 {
        let mut draw = Draw::new("global mean", round);
        let shape = draw.feature_map();
        check_pool(&mut draw, (Pool::global_mean(), shape));
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
        let alone = alone(Concat, Mode::Inference, inputs, vec![]);
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
        let alone = alone(Softmax, Mode::Inference, vec![x], vec![]);
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
fn dropout_drops_its_share_and_enlarges_the_rest() {
    let p = 0.2;
    let x = Tensor::full(&[4, 8, 32, 32], 1.0);
    let alone = alone(Dropout { p }, TRAINING, vec![x], vec![]);
    let output = alone.forward().expect("the shapes fit").value;
    let dropped = output.data().iter().filter(|&&v| v == 0.0).count();
    assert!(output.data().iter().all(|&v| v == 0.0 || v == 1.25));
    // Of 32768 values 6554 are to be dropped; 72 is one standard deviation.
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
