//! Every op against a slow second implementation in f64: its output, and its gradients by central differences
//! of that implementation. Shapes are random, new ones for each round.

mod batch_norm;
mod convolution;
mod draw;
mod layers;
mod loose;
mod pools;
mod slow;
mod transformers;

use std::sync::Arc;

use dvm_engine::ops::{ForwardResult, Mode, Op};
use dvm_engine::{Tensor, seeded};
use dvm_testing::closeness::relative_error;
use dvm_testing::single_op::SingleOp;
use slow::Array;

/// Largest difference of an output from the slow implementation, relative to the largest value.
const FORWARD: f64 = 1e-5;
/// The same for gradients.
const BACKWARD: f64 = 1e-4;
/// Half the distance of a central difference.
const STEP: f64 = 1e-5;

const TRAINING: Mode = Mode::Training { seed: 3 };

fn alone(op: impl Op, mode: Mode, inputs: Vec<Tensor>, parameters: Vec<Tensor>) -> SingleOp {
    SingleOp {
        op: Arc::new(op),
        inputs,
        parameters,
        mode,
    }
}

/// The slow forward pass of an op: inputs and parameters to output.
type Slow<'a> = dyn Fn(&[Array], &[Array]) -> Array + 'a;

/// Panics unless the op agrees with its slow implementation.
fn check(alone: &SingleOp, slow: &Slow) {
    let outcome = check_forward(alone, slow);
    check_backward(alone, &outcome, slow);
}

fn arrays(tensors: &[Tensor]) -> Vec<Array> {
    tensors.iter().map(Array::of).collect()
}

fn describe(alone: &SingleOp) -> String {
    let shapes =
        |tensors: &[Tensor]| -> Vec<_> { tensors.iter().map(|t| t.shape().to_vec()).collect() };
    format!(
        "{:?} of {:?} with {:?}",
        alone.op,
        shapes(&alone.inputs),
        shapes(&alone.parameters)
    )
}

fn check_forward(alone: &SingleOp, slow: &Slow) -> ForwardResult {
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

fn check_backward(alone: &SingleOp, outcome: &ForwardResult, slow: &Slow) {
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
    // Only the first two parameters of a batch-norm are learned.
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

fn compare(alone: &SingleOp, what: &str, found: &Option<Tensor>, expected: &[f64]) {
    // An input of which only the shape is read has no gradient.
    if found.is_none() && expected.iter().all(|&difference| difference == 0.0) {
        return;
    }
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
