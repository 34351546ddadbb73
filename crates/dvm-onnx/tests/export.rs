//! Export of graphs: the contents of the files. `tests/converted_networks.py` compares what ONNX Runtime computes.

use std::collections::{BTreeMap, BTreeSet};

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::{Blueprint, Graph, passes, seeded};
use dvm_onnx::{Export, ExportError, structure, to_onnx};
use dvm_testing::copying::Copying;
use dvm_testing::every_op;

fn export(graph: &Graph) -> Result<Vec<u8>, ExportError> {
    let metadata = BTreeMap::from([
        ("dvm.classes".to_owned(), "[\"é\"]".to_owned()),
        ("a".into(), "b".into()),
    ]);
    let export = Export {
        name: "case",
        size: every_op::SIZE,
        metadata: &metadata,
    };
    to_onnx(graph, &export)
}

/// Whether the bytes contain this part.
fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_op_of_the_engine_is_written() {
    let mut kinds = BTreeSet::new();
    for case in every_op::all() {
        let nodes = case.graph.nodes().iter();
        kinds.extend(nodes.map(|node| node.op.kind()));
        export(&case.graph).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../dvm-engine/src/ops");
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let path = if path.is_dir() {
            path.join("mod.rs")
        } else {
            path
        };
        // The parts of an op with a separate file are in a folder without `mod.rs`.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Each op returns its kind; those with many kinds are listed in the cases.
        let says = text.split("fn kind(&self) -> &'static str {").skip(1);
        for rest in says {
            let body = &rest[..rest.find("\n    }").unwrap()];
            let quoted = body.split('"').skip(1).step_by(2);
            missing.extend(
                quoted
                    .filter(|kind| !kinds.contains(kind))
                    .map(str::to_owned),
            );
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    for case in every_op::all() {
        let (a, b) = (export(&case.graph), export(&case.graph.clone()));
        assert_eq!(a.unwrap(), b.unwrap(), "{}", case.name);
    }
}

#[test]
fn weights_are_row_major_under_their_names() {
    let case = &every_op::all()[0];
    let bytes = export(&case.graph).unwrap();
    for (parameter, value) in case.graph.parameters().iter().zip(case.graph.values()) {
        assert!(has(&bytes, parameter.name.as_bytes()), "{}", parameter.name);
        let values: Vec<u8> = value
            .to_nchw()
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        assert!(has(&bytes, &values), "{}", parameter.name);
    }
}

#[test]
fn a_structure_has_names_but_no_numbers() {
    let case = &every_op::all()[0];
    let whole = export(&case.graph).unwrap();
    let bare = structure(&case.graph, "case", every_op::SIZE).unwrap();
    let numbers: usize = case.graph.values().iter().map(|v| v.len() * 4).sum();
    assert!(bare.len() + numbers < whole.len());
    for (parameter, value) in case.graph.parameters().iter().zip(case.graph.values()) {
        assert!(has(&bare, parameter.name.as_bytes()), "{}", parameter.name);
        let values: Vec<u8> = value
            .to_nchw()
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        assert!(!has(&bare, &values), "{}", parameter.name);
    }
    assert!(has(&bare, b"SAME_UPPER") && !has(&whole, b"SAME_UPPER"));
}

#[test]
fn metadata_is_written() {
    let bytes = export(&every_op::all()[0].graph).unwrap();
    for text in ["dvm.classes", "[\"é\"]", "input", "logits", "dvm"] {
        assert!(has(&bytes, text.as_bytes()), "{text}");
    }
}

#[test]
fn dropout_is_only_written_in_a_structure() {
    let all = every_op::all();
    let case = all.iter().find(|c| c.name == "what training has").unwrap();
    assert!(!has(&export(&case.graph).unwrap(), b"Dropout"));
    let bare = structure(&case.graph, "case", every_op::SIZE).unwrap();
    assert!(has(&bare, b"Dropout"));
}

/// An op without a counterpart in ONNX.
const MAGIC: Copying = Copying {
    kind: "magic",
    back: 1.0,
};

#[test]
fn the_error_lists_all_ops_without_a_counterpart_in_onnx() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.node("wand", MAGIC, &[x], &[]);
    let x = net.conv2d("conv", x, Conv2d::square(1), 3, 4, true);
    let x = net.node("hat", MAGIC, &[x], &[]);
    let x = net.flatten("flat", x);
    let error = export(&seeded::graph(net.ending_at(x))).unwrap_err();
    let words = error.to_string();
    for word in ["`wand` (magic)", "`hat` (magic)"] {
        assert!(words.contains(word), "{words}");
    }
    assert!(!words.contains("`conv`"), "{words}");
}

#[test]
fn writing_a_fused_graph_is_an_error() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(1), 3, 4, true);
    let x = net.activation("relu", x, Activation::Relu);
    let x = net.flatten("flat", x);
    let graph = passes::fuse(&seeded::graph(net.ending_at(x)), &|_| false);
    let words = export(&graph).unwrap_err().to_string();
    assert!(words.contains("`relu` (conv2d)"), "{words}");
}

#[test]
fn a_size_that_the_network_does_not_support_is_an_error() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(20), 3, 4, true);
    let x = net.flatten("flat", x);
    let error = export(&seeded::graph(net.ending_at(x))).unwrap_err();
    assert!(matches!(error, ExportError::Network(_)), "{error}");
}
