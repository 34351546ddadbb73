//! The gradient check of a network: wrong backward passes are found, and kinks are not errors.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Op, Reach};
use dvm_engine::rules::TRUE_GRADIENT;
use dvm_engine::{Blueprint, Error, GradientCheck, Graph, Network, NodeId, Tensor, seeded};

const INPUT: [usize; 4] = [1, 3, 24, 20];

/// Three times its first input plus its second, with a backward pass that may be wrong.
#[derive(Clone, Copy, Debug)]
struct Joined {
    /// The factors of the backward pass in place of 3 and 1.
    back: [Option<f32>; 2],
}

impl Op for Joined {
    fn kind(&self) -> &'static str {
        "joined"
    }

    fn class(&self) -> Class {
        Class::Arithmetic
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        let pairs = call.inputs[0].data().iter().zip(call.inputs[1].data());
        let sums = pairs.map(|(a, b)| 3.0 * a + b).collect();
        Tensor::from_stored(call.output_shape, sums).into()
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let times = |factor: f32| {
            let values = grad_output.data().iter().map(|g| factor * g).collect();
            Tensor::from_stored(grad_output.shape(), values)
        };
        Ok(Gradients {
            inputs: self.back.iter().map(|factor| factor.map(times)).collect(),
            parameters: Vec::new(),
        })
    }
}

/// Convolutions, ReLU, a maximum pool, and two branches that are joined.
fn graph(back: [Option<f32>; 2]) -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let same = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let x = net.conv2d("conv1", x, same.clone(), 3, 8, true);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.pool("pool", x, Pool::max(2, 2, 0, false));
    let a = net.conv2d("conv2", x, same.clone(), 8, 8, true);
    let b = net.conv2d("conv3", x, same, 8, 8, true);
    let x = net.node("join", Joined { back }, &[a, b], &[]);
    let x = net.activation("relu2", x, Activation::Relu);
    ending(net, x)
}

fn ending(mut net: Blueprint, x: NodeId) -> Graph {
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 8, 5, true);
    seeded::graph(net.ending_at(x))
}

fn check(graph: &Graph, allowed: usize) -> Result<GradientCheck, Error> {
    graph.check_gradient(&INPUT, allowed, &TRUE_GRADIENT)
}

const RIGHT: [Option<f32>; 2] = [Some(3.0), Some(1.0)];

#[test]
fn a_correct_gradient_agrees_at_every_node_despite_kinks() {
    let found = check(&graph(RIGHT), usize::MAX).unwrap();
    assert_eq!((found.compared, found.nodes), (6, 10));
    assert!(found.undecided <= 1, "{found:?}");
    assert!(found.is_plausible() && found.along_gradient < 0.02 && found.at_node < 0.05);
}

/// A factor, a sign, and a branch without a gradient.
#[test]
fn a_wrong_gradient_of_an_op_is_found_and_the_node_is_named() {
    for back in [
        [Some(6.0), Some(1.0)],
        [Some(3.0), Some(-1.0)],
        [Some(3.0), Some(2.0)],
        [None, Some(1.0)],
        [Some(3.0), None],
        [None, None],
    ] {
        let error = check(&graph(back), usize::MAX).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("but node `join` (joined) has"),
            "{message}"
        );
    }
}

/// If not all nodes fit in memory, the backward pass as a whole is still compared.
#[test]
fn a_wrong_gradient_is_found_in_segments() {
    let wrong = [Some(-3.0), Some(1.0)];
    let error = check(&graph(wrong), 1).unwrap_err().to_string();
    assert!(error.contains("central differences"), "{error}");
    let found = check(&graph(RIGHT), 1).unwrap();
    assert_eq!((found.compared, found.nodes), (6, 0));
}

#[test]
fn a_constant_network_has_nothing_to_compare() {
    let network = graph(RIGHT);
    let dead = network
        .with_values(|_, parameter| Tensor::zeros(&parameter.shape))
        .unwrap();
    let found = check(&dead, usize::MAX).unwrap();
    assert_eq!(found.undecided, found.compared);
}

/// In a uniform picture every maximum pool is tied and a ReLU without a bias is at its kink, so the check
/// uses its own random picture.
#[test]
fn the_figures_are_the_same_each_time_and_shared_by_all_forms() {
    let network = Network::new(graph(RIGHT));
    let first = network.folded().gradient_check(&INPUT, usize::MAX).unwrap();
    assert_eq!(first, check(&graph(RIGHT), usize::MAX).unwrap());
    for form in [network.graph(), network.fused()] {
        assert_eq!(form.known_gradient_check(&INPUT, true), Some(first));
    }
    let other = network.graph().with_values(|_, p| Tensor::zeros(&p.shape));
    let other = other.unwrap();
    assert_eq!(other.known_gradient_check(&INPUT, true), Some(first));
}

#[test]
fn each_size_and_each_memory_has_its_own_result() {
    let network = Network::new(graph(RIGHT));
    let smaller = [1, 3, 24, 16];
    let fresh = |input, allowed| {
        graph(RIGHT)
            .check_gradient(&input, allowed, &TRUE_GRADIENT)
            .unwrap()
    };
    for (input, allowed) in [
        (INPUT, usize::MAX),
        (INPUT, 1),
        (smaller, usize::MAX),
        (INPUT, usize::MAX),
    ] {
        let found = network.folded().gradient_check(&input, allowed).unwrap();
        assert_eq!(found, fresh(input, allowed));
    }
}
