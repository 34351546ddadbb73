//! A backward pass that recomputes parts of the network is bit-identical and needs less memory.

use dvm_engine::ops::{activation::Activation, conv2d::Conv2d, pool::Pool};
use dvm_engine::rules::{Composite, TRUE_GRADIENT, guided_backprop};
use dvm_engine::{Blueprint, Graph, Keep, Mode, Request, Segments, Tensor, seeded};

const INPUT: [usize; 4] = [1, 3, 16, 12];

/// A chain with residual blocks and joined branches, and a pool that saves the positions of its maxima.
fn network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(1), 3, 8, true);
    let mut x = net.activation("stem.relu", x, Activation::Relu);
    for block in 0..6 {
        let y = net.conv2d(&format!("{block}.conv"), x, Conv2d::square(1), 8, 8, true);
        let y = net.activation(&format!("{block}.relu"), y, Activation::Relu);
        x = net.add(&format!("{block}.add"), x, y);
    }
    let x = net.pool("pool", x, Pool::max(2, 2, 0, false));
    let left = net.conv2d("left", x, Conv2d::square(1), 8, 4, false);
    let right = net.activation("right", x, Activation::Gelu);
    let x = net.concat("join", &[left, right]);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 12, 5, true);
    seeded::graph(net.ending_at(x))
}

fn picture() -> Tensor {
    let values = seeded::uniform("picture", INPUT.iter().product(), -1.0, 1.0);
    Tensor::from_nchw(&INPUT, &values)
}

fn seed(graph: &Graph) -> Vec<(dvm_engine::NodeId, Tensor)> {
    let mut seed = Tensor::zeros(&[1, 5]);
    seed.data_mut()[3] = 1.0;
    vec![(graph.output(), seed)]
}

fn gradient_in(graph: &Graph, segments: &Segments, rules: &Composite) -> Tensor {
    let (picture, input) = (picture(), graph.input());
    let request = Request {
        nodes: &[input],
        parameters: &|_| false,
        rules,
    };
    let forward = graph.forward_in_segments(&picture, segments).unwrap();
    let found = graph
        .backward_in_segments((&picture, segments), &forward, &seed(graph), &request)
        .unwrap();
    found.node(input).unwrap().clone()
}

#[test]
fn gradients_are_bit_identical_to_those_with_all_values_kept() {
    let graph = network();
    let rules: [&Composite; 2] = [&TRUE_GRADIENT, &guided_backprop()];
    for rules in rules {
        let input = graph.input();
        let request = Request {
            nodes: &[input],
            parameters: &|_| false,
            rules,
        };
        let forward = graph.forward(&picture(), Mode::Inference, Keep::All);
        let found = graph.backward(&forward.unwrap(), &seed(&graph), &request);
        let expected = found.unwrap().node(input).unwrap().clone();
        let mut counts = Vec::new();
        for allowed in [usize::MAX, 15_000, 11_000, 9_000, 0] {
            let segments = graph.segments(&INPUT, allowed).unwrap();
            assert_eq!(gradient_in(&graph, &segments, rules), expected, "{allowed}");
            counts.push(segments.count());
        }
        assert_eq!(counts[0], 1);
        assert!(counts.is_sorted() && counts[2] > 1, "{counts:?}");
    }
}

#[test]
fn less_memory_needs_more_segments() {
    let graph = network();
    let whole = graph.segments(&INPUT, usize::MAX).unwrap();
    assert!(whole.values() > graph.peak_values(&INPUT).unwrap());
    let fewer = graph.segments(&INPUT, whole.values() - 1).unwrap();
    assert!(fewer.values() < whole.values() && fewer.count() > 1);
    let least = graph.segments(&INPUT, 0).unwrap();
    assert!(least.values() <= fewer.values() && least.values() > 0);
}

#[test]
fn parameters_get_the_same_gradients() {
    let graph = network();
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &TRUE_GRADIENT,
    };
    let picture = picture();
    let found = |allowed: usize| {
        let segments = graph.segments(&INPUT, allowed).unwrap();
        let forward = graph.forward_in_segments(&picture, &segments).unwrap();
        let seed = seed(&graph);
        let found = graph.backward_in_segments((&picture, &segments), &forward, &seed, &request);
        let found = found.unwrap();
        let parameters = 0..graph.parameters().len();
        let gradients: Vec<_> = parameters.map(|i| found.parameter(i).cloned()).collect();
        gradients
    };
    assert_eq!(found(usize::MAX), found(0));
}
