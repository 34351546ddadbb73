//! A training step with the passes for training.

use dvm_engine::ops::activation::Activation;
use dvm_engine::passes::fuse_for_training;
use dvm_engine::rules::{TRUE_GRADIENT, guided_backprop};
use dvm_engine::{Error, Gradients, Graph, Keep, Mode, Request, Role, Tensor, seeded};
use dvm_testing::closeness::relative_error;
use dvm_testing::graphs::{self, seeded_tensor};

/// Largest difference, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

const MODE: Mode = Mode::Training { seed: 3 };

fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let expected: Vec<f64> = expected.to_nchw().into_iter().map(f64::from).collect();
    relative_error(&found.to_nchw(), &expected)
}

fn input() -> Tensor {
    seeded_tensor("input of training", &[4, 3, 37, 29])
}

fn seed(logits: &Tensor) -> Tensor {
    seeded_tensor("seed of training", logits.shape())
}

fn everything() -> Request<'static> {
    Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &TRUE_GRADIENT,
    }
}

/// Logits, statistics and gradients if all values of the forward pass are kept.
fn keeping_all(graph: &Graph) -> (Tensor, Vec<(usize, Tensor)>, Gradients) {
    let activations = graph.forward(&input(), MODE, Keep::All).unwrap();
    let logits = activations.output().clone();
    let seeds = [(graph.output(), seed(&logits))];
    let gradients = graph.backward(&activations, &seeds, &everything());
    let statistics = by_parameter(activations.statistics());
    (logits, statistics, gradients.unwrap())
}

/// Statistics in the order of parameters: passes may change the order of nodes.
fn by_parameter(statistics: &[(usize, Tensor)]) -> Vec<(usize, Tensor)> {
    let mut statistics = statistics.to_vec();
    statistics.sort_by_key(|(index, _)| *index);
    statistics
}

/// The same if values are released as soon as they are not needed.
fn releasing(graph: &Graph) -> (Tensor, Vec<(usize, Tensor)>, Gradients) {
    let activations = graph.forward(&input(), MODE, Keep::Backward).unwrap();
    let logits = activations.output().clone();
    let statistics = by_parameter(activations.statistics());
    let seeds = vec![(graph.output(), seed(&logits))];
    let gradients = graph.backward_releasing(activations, seeds, &everything());
    (logits, statistics, gradients.unwrap())
}

#[test]
fn released_activations_and_fusion_change_no_gradient() {
    for rectifier in [Activation::Relu, Activation::Relu6, Activation::Silu] {
        let graph = seeded::graph(graphs::branching(rectifier));
        let fused = fuse_for_training(&graph);
        assert_eq!(fused.parameters(), graph.parameters());
        let fewer = rectifier != Activation::Silu;
        assert!(!fewer || fused.nodes().len() + 6 < graph.nodes().len());
        for (other, how) in [(&graph, "not fused"), (&fused, "fused")] {
            releasing_is_keeping(&graph, other, &format!("{rectifier:?}, {how}"));
        }
    }
}

#[test]
fn released_activations_of_a_transformer_change_no_gradient() {
    let graph = seeded::graph(graphs::transforming());
    releasing_is_keeping(&graph, &graph, "transforming");
    releasing_is_keeping(&graph, &fuse_for_training(&graph), "transforming, fused");
}

/// Panics unless a step of `other` gives the same results as `graph` with all values kept.
fn releasing_is_keeping(graph: &Graph, other: &Graph, how: &str) {
    let (expected, found) = (keeping_all(graph), releasing(other));
    assert!(off(&found.0, &expected.0) <= TOLERANCE, "{how}");
    assert_eq!(found.1.len(), expected.1.len());
    for ((index, found), (of, expected)) in found.1.iter().zip(&expected.1) {
        assert_eq!(index, of);
        assert!(off(found, expected) <= TOLERANCE, "{how}");
    }
    for (index, parameter) in graph.parameters().iter().enumerate() {
        let (found, expected) = (found.2.parameter(index), expected.2.parameter(index));
        assert_eq!(found.is_some(), parameter.role != Role::Statistic);
        if let (Some(found), Some(expected)) = (found, expected) {
            let error = off(found, expected);
            let name = &parameter.name;
            assert!(error <= TOLERANCE, "{how}: {name} off by {error:.1e}");
        }
    }
}

#[test]
fn a_rule_that_reads_a_released_value_is_an_error() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let activations = graph.forward(&input(), MODE, Keep::Backward).unwrap();
    let seeds = vec![(graph.output(), seed(activations.output()))];
    let request = Request {
        rules: &guided_backprop(),
        ..everything()
    };
    let found = graph.backward_releasing(activations, seeds, &request);
    assert!(matches!(found.err(), Some(Error::NotKept { .. })));
}

#[test]
fn parameters_that_are_changed_in_place_are_used_by_the_next_pass() {
    let mut graph = seeded::graph(graphs::branching(Activation::Relu));
    let original = graph.clone();
    let before = graph.logits(&input()).unwrap();
    let double = |_, parameter: &dvm_engine::Parameter, values: &mut [f32]| {
        if parameter.name.starts_with("head.") {
            values.iter_mut().for_each(|value| *value *= 2.0);
        }
    };
    graph.update(double);
    let after = graph.logits(&input()).unwrap();
    let doubled: Vec<f32> = before.data().iter().map(|v| 2.0 * v).collect();
    assert_eq!(after.data(), doubled);
    assert_eq!(original.logits(&input()).unwrap(), before);
}
