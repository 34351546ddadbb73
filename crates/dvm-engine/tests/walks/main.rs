//! Passes over whole graphs: forward, backward, with rules, with any number of threads.

mod attention;
mod errors;
mod exact;
mod gradient_check;
mod gradients;
mod kept;
mod repeatable;
mod rules;
mod segments;
mod slopes;

use dvm_engine::{Graph, Mode, NodeId, Tensor};
use dvm_testing::closeness::relative_error;
use dvm_testing::graphs::seeded_tensor;

const TRAINING: Mode = Mode::Training { seed: 11 };

/// An odd size, so that every stride has a remainder.
const ODD: [usize; 4] = [2, 3, 37, 29];

fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.to_nchw().into_iter().map(f64::from).collect()
}

/// How far `found` is from `expected`, relative to the largest value.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    relative_error(&found.to_nchw(), &wide(expected))
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data().iter().map(|v| v.to_bits()).collect()
}

/// A seed on the logits that is different for each class.
fn seed(graph: &Graph, logits: &Tensor) -> [(NodeId, Tensor); 1] {
    let seed = seeded_tensor("the gradient of the logits", logits.shape());
    [(graph.output(), seed)]
}

fn moved(at: &Tensor, direction: &Tensor, by: f32) -> Tensor {
    let mut moved = at.clone();
    for (value, d) in moved.data_mut().iter_mut().zip(direction.data()) {
        *value += by * d;
    }
    moved
}
