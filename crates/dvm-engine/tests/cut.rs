//! The two parts of a network give the same results as the whole.

use dvm_engine::ops::{activation::Activation, conv2d::Conv2d, pool::Pool};
use dvm_engine::passes::{cut, last_cut};
use dvm_engine::{Blueprint, Graph, Tensor, seeded};

const INPUT: [usize; 4] = [2, 3, 8, 8];

/// A layer, a residual block, a dropout and a last layer.
fn network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, Conv2d::square(1), 3, 4, true);
    let x = net.activation("relu", x, Activation::Relu);
    let y = net.conv2d("block.conv", x, Conv2d::square(1), 4, 4, false);
    let x = net.add("block.add", x, y);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.5);
    let x = net.linear("fc", x, 4, 5, true);
    seeded::graph(net.ending_at(x))
}

#[test]
fn two_parts_in_sequence_are_bit_identical_to_the_whole() {
    let graph = network();
    let at = graph.find("block.add").unwrap();
    let (front, back) = cut(&graph, at, &INPUT).unwrap();
    let names =
        |g: &Graph| -> Vec<String> { g.parameters().iter().map(|p| p.name.clone()).collect() };
    assert_eq!(
        names(&front),
        ["stem.weight", "stem.bias", "block.conv.weight"]
    );
    assert_eq!(names(&back), ["fc.weight", "fc.bias"]);
    let pictures = seeded::uniform("pictures", INPUT.iter().product(), -1.0, 1.0);
    let pictures = Tensor::from_nchw(&INPUT, &pictures);
    let features = front.logits(&pictures).unwrap();
    assert_eq!(
        back.logits(&features).unwrap(),
        graph.logits(&pictures).unwrap()
    );
}

#[test]
fn a_cut_across_a_residual_is_an_error_that_names_the_nodes() {
    let graph = network();
    let at = graph.find("block.conv").unwrap();
    let error = cut(&graph, at, &INPUT).err().unwrap().to_string();
    assert!(
        error.contains("`block.add`") && error.contains("`relu`"),
        "{error}"
    );
    let at = graph.find("flatten").unwrap();
    let error = cut(&graph, at, &INPUT).err().unwrap().to_string();
    assert!(error.contains("[2, 4]"), "{error}");
}

#[test]
fn the_last_cut_is_before_the_values_that_differ_and_not_inside_a_residual() {
    let graph = network();
    let found = |moving: &str| {
        let id = last_cut(&graph, &INPUT, |p| p.name.starts_with(moving)).unwrap();
        graph.node(id).name.clone()
    };
    assert_eq!(found("fc"), "pool");
    assert_eq!(found("block"), "relu");
    assert_eq!(found("stem"), "input");
}
