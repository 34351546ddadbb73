//! The values that a forward pass keeps.

use dvm_engine::ops::activation::Activation;
use dvm_engine::{Keep, Mode, NodeId, seeded};

use crate::{ODD, bits};
use dvm_testing::graphs::{self, seeded_tensor};

#[test]
fn keeping_only_the_output_gives_the_same_logits_and_keeps_nothing_else() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let x = seeded_tensor("kept input", &ODD);
    let all = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let output = graph.forward(&x, Mode::Inference, Keep::Output).unwrap();
    assert_eq!(bits(all.output()), bits(output.output()));
    assert!(graph.ids().all(|id| all.get(id).is_some()));
    let held: Vec<NodeId> = graph.ids().filter(|&id| output.get(id).is_some()).collect();
    assert_eq!(held, [graph.output()]);
}

#[test]
fn keeping_a_node_keeps_that_node_and_the_output() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let x = seeded_tensor("kept input", &ODD);
    let asked = graph.find("residual.add").unwrap();
    let all = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let some = graph
        .forward(&x, Mode::Inference, Keep::Nodes(&[asked]))
        .unwrap();
    assert_eq!(some.get(asked), all.get(asked));
    let held: Vec<NodeId> = graph.ids().filter(|&id| some.get(id).is_some()).collect();
    assert_eq!(held, [asked, graph.output()]);
}

#[test]
fn shapes_are_those_of_the_forward_pass() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let shapes = graph.shapes(&ODD).unwrap();
    let x = seeded_tensor("shapes input", &ODD);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    for (id, shape) in graph.ids().zip(shapes) {
        assert_eq!(activations.get(id).unwrap().shape(), shape);
    }
}
