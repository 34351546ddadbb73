//! Written files read again: the same logits, and an identical graph if only the structure was written.

use std::collections::BTreeMap;

use dvm_engine::{Blueprint, Error, Graph, Parameter, Tensor};
use dvm_onnx::{Export, OnnxFile, Options, from_bytes, from_structure, structure, to_onnx};
use dvm_testing::closeness::{relative_error, wide};
use dvm_testing::every_op;

fn written(graph: &Graph) -> Vec<u8> {
    let export = Export {
        name: "case",
        size: every_op::SIZE,
        metadata: &BTreeMap::new(),
    };
    to_onnx(graph, &export).unwrap()
}

fn read(bytes: &[u8]) -> Graph {
    let imported = from_bytes(bytes, "case.onnx", Options::default());
    imported.unwrap_or_else(|error| panic!("{error}")).graph
}

/// A graph rebuilt from its structure and its values.
fn built_again(graph: &Graph) -> Graph {
    let bytes = structure(graph, "case", every_op::SIZE).unwrap();
    let value = |parameter: &Parameter| {
        let mut all = graph.parameters().iter().zip(graph.values());
        let found = all.find(|(known, _)| known.name == parameter.name);
        let value = found.map(|(_, value)| value.clone());
        value.unwrap_or_else(|| panic!("no parameter `{}`", parameter.name))
    };
    from_structure(&bytes, value).unwrap().graph
}

/// For each node: its kind, and the indices of its inputs and parameters.
fn form(graph: &Graph) -> Vec<(&'static str, Vec<usize>, Vec<usize>)> {
    let reads = |node: &dvm_engine::Node| node.inputs.iter().map(|id| id.index()).collect();
    let nodes = graph.nodes().iter();
    nodes
        .map(|node| (node.op.kind(), reads(node), node.parameters.clone()))
        .collect()
}

#[test]
fn a_written_network_computes_the_same_logits_when_read() {
    for case in every_op::all() {
        let expected = case.graph.logits(&every_op::pictures()).unwrap();
        let found = read(&written(&case.graph))
            .logits(&every_op::pictures())
            .unwrap();
        assert_eq!(found.shape(), expected.shape(), "{}", case.name);
        let error = relative_error(&wide(&found), &wide(&expected));
        assert!(error < 1e-5, "{}: off by {error}", case.name);
    }
}

#[test]
fn an_imported_network_is_identical_when_rebuilt_from_its_structure() {
    for case in every_op::all() {
        let once = read(&written(&case.graph));
        let twice = built_again(&once);
        assert_eq!(twice.parameters(), once.parameters(), "{}", case.name);
        assert_eq!(form(&twice), form(&once), "{}", case.name);
        let logits = |graph: &Graph| -> Tensor { graph.logits(&every_op::pictures()).unwrap() };
        assert_eq!(logits(&twice), logits(&once), "{}", case.name);
    }
}

#[test]
fn weights_are_read_as_stored_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.onnx");
    for case in every_op::all() {
        std::fs::write(&path, written(&case.graph)).unwrap();
        let file = OnnxFile::open(&path).unwrap();
        assert!(file.is_own());
        let weights = file.weights().unwrap();
        assert_eq!(
            weights.len(),
            case.graph.parameters().len(),
            "{}",
            case.name
        );
        for (parameter, value) in case.graph.parameters().iter().zip(case.graph.values()) {
            let array = weights.get(&parameter.name).unwrap();
            assert_eq!(array.shape, parameter.shape, "{}", parameter.name);
            assert_eq!(array.values, value.to_nchw(), "{}", parameter.name);
        }
    }
}

#[test]
fn a_structure_may_describe_a_network_far_larger_than_itself() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("rows", x);
    let x = net.linear("first", x, 3 * 130, 60_000, false);
    let x = net.linear("last", x, 60_000, 2, true);
    let zeros = |parameter: &Parameter| Ok::<_, Error>(Tensor::zeros(&parameter.shape));
    let graph = Graph::new(net.ending_at(x), zeros).unwrap();
    let twice = built_again(&graph);
    assert_eq!(twice.parameters(), graph.parameters());
}
