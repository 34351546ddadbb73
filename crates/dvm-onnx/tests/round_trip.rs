//! What is written is read again: as the same network, and as the very same where only its structure was
//! written.

mod cases;

use std::collections::BTreeMap;

use dvm_engine::{Graph, Parameter, Tensor};
use dvm_onnx::{Export, Options, from_bytes, from_structure, structure, to_onnx};

fn written(graph: &Graph) -> Vec<u8> {
    let export = Export {
        name: "case",
        size: cases::SIZE,
        metadata: &BTreeMap::new(),
    };
    to_onnx(graph, &export).unwrap()
}

fn read(bytes: &[u8]) -> Graph {
    let imported = from_bytes(bytes, "case.onnx", Options::default());
    imported.unwrap_or_else(|error| panic!("{error}")).graph
}

/// A graph built again of its structure and its values.
fn built_again(graph: &Graph) -> Graph {
    let bytes = structure(graph, "case", cases::SIZE).unwrap();
    let value = |parameter: &Parameter| {
        let mut all = graph.parameters().iter().zip(graph.values());
        let found = all.find(|(known, _)| known.name == parameter.name);
        let value = found.map(|(_, value)| value.clone());
        value.unwrap_or_else(|| panic!("nothing is named `{}`", parameter.name))
    };
    from_structure(&bytes, value).unwrap().graph
}

/// Node by node: kind, and the positions of what it reads.
fn form(graph: &Graph) -> Vec<(&'static str, Vec<usize>, Vec<usize>)> {
    let reads = |node: &dvm_engine::Node| node.inputs.iter().map(|id| id.index()).collect();
    let nodes = graph.nodes().iter();
    nodes
        .map(|node| (node.op.kind(), reads(node), node.parameters.clone()))
        .collect()
}

#[test]
fn a_file_is_read_as_the_network_that_it_was_written_from() {
    for case in cases::all() {
        let expected = case.graph.logits(&cases::pictures()).unwrap();
        let found = read(&written(&case.graph))
            .logits(&cases::pictures())
            .unwrap();
        assert_eq!(found.shape(), expected.shape(), "{}", case.name);
        let largest = expected.data().iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (found, expected) in found.data().iter().zip(expected.data()) {
            let error = (found - expected).abs() / largest;
            assert!(error < 1e-5, "{}: {found} instead of {expected}", case.name);
        }
    }
}

#[test]
fn a_network_that_came_as_a_file_is_the_very_same_when_built_of_its_structure() {
    for case in cases::all() {
        let once = read(&written(&case.graph));
        let twice = built_again(&once);
        assert_eq!(twice.parameters(), once.parameters(), "{}", case.name);
        assert_eq!(form(&twice), form(&once), "{}", case.name);
        let logits = |graph: &Graph| -> Tensor { graph.logits(&cases::pictures()).unwrap() };
        assert_eq!(logits(&twice), logits(&once), "{}", case.name);
    }
}

#[test]
fn a_structure_of_a_structure_is_the_same_bytes() {
    for case in cases::all() {
        let once = read(&written(&case.graph));
        let bytes = |graph: &Graph| structure(graph, "case", cases::SIZE).unwrap();
        assert!(bytes(&built_again(&once)) == bytes(&once), "{}", case.name);
    }
}
