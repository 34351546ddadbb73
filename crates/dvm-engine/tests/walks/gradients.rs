//! The gradients that a request computes.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Keep, Mode, NodeId, Request, Tensor, rules, seeded};

use crate::slopes::smooth;
use crate::{moved, off, seed};
use dvm_testing::graphs::{self, seeded_tensor};

/// The second part of a network cut in two: from a feature map `[N, 4, H, W]` to logits.
fn tail(net: &mut Blueprint, x: NodeId) -> NodeId {
    let y = net.conv2d("tail.conv", x, graphs::padded(3), 4, 4, true);
    let y = net.activation("tail.act", y, Activation::Relu);
    let x = net.add("tail.add", x, y);
    let x = net.pool("tail.pool", x, Pool::global_mean());
    let x = net.flatten("tail.flatten", x);
    net.linear("tail.head", x, 4, 3, true)
}

#[test]
fn the_gradient_of_an_inner_node_is_the_input_gradient_of_what_follows_it() {
    let mut net = Blueprint::new(2);
    let x = net.input();
    let x = net.conv2d("conv", x, graphs::padded(3), 2, 4, true);
    let cut = net.activation("act", x, Activation::Relu);
    let end = tail(&mut net, cut);
    let whole = seeded::graph(net.ending_at(end));
    let mut net = Blueprint::new(4);
    let start = net.input();
    let end = tail(&mut net, start);
    let rest = seeded::graph(net.ending_at(end));

    let x = seeded_tensor("cut input", &[2, 2, 9, 7]);
    let activations = whole.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&whole, activations.output());
    let nodes = [cut, whole.input()];
    let both = whole
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();

    let value = activations.get(cut).unwrap();
    let activations = rest.forward(value, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&rest, activations.output());
    let nodes = [rest.input()];
    let alone = rest
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();
    assert_eq!(both.node(cut), alone.node(rest.input()));
}

#[test]
fn seeds_at_several_nodes_add_up() {
    let graph = smooth();
    let x = seeded_tensor("seeds input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let gradient = |names: &[&str]| {
        let seeds: Vec<(NodeId, Tensor)> = names
            .iter()
            .map(|name| {
                let id = graph.find(name).unwrap();
                let shape = activations.get(id).unwrap().shape();
                (id, seeded_tensor(name, shape))
            })
            .collect();
        let found = graph
            .backward(&activations, &seeds, &Request::nodes(&nodes))
            .unwrap();
        found.node(graph.input()).unwrap().clone()
    };
    let (a, b) = (gradient(&["branch"]), gradient(&["head"]));
    let sum = moved(&a, &b, 1.0);
    assert!(off(&gradient(&["branch", "head"]), &sum) < 1e-5);
}

#[test]
fn gradients_that_are_not_requested_are_not_computed() {
    let graph = smooth();
    let x = seeded_tensor("request input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = seed(&graph, activations.output());
    let request = Request {
        nodes: &[],
        parameters: &|p| p.name == "branch.weight",
        rules: &rules::TRUE_GRADIENT,
    };
    let gradients = graph.backward(&activations, &seeds, &request).unwrap();
    assert!(graph.ids().all(|id| gradients.node(id).is_none()));
    let found: Vec<&str> = (0..graph.parameters().len())
        .filter(|&index| gradients.parameter(index).is_some())
        .map(|index| graph.parameters()[index].name.as_str())
        .collect();
    assert_eq!(found, ["branch.weight"]);
}

#[test]
fn nodes_that_the_seed_does_not_depend_on_have_no_gradient() {
    let graph = smooth();
    let x = seeded_tensor("request input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let stem = graph.find("stem").unwrap();
    let head = graph.find("head").unwrap();
    let shape = activations.get(stem).unwrap().shape();
    let seeds = [(stem, Tensor::full(shape, 1.0))];
    let nodes = [head, graph.input()];
    let gradients = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .unwrap();
    assert!(gradients.node(head).is_none());
    assert!(gradients.node(graph.input()).is_some());
}
