//! Errors list all nodes that are not supported, and no others.

use std::path::Path;

use dvm_onnx::{OnnxError, Options};

/// The nodes that are not supported in a file of `references/onnx_operators.py`.
fn refused(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/operators/refused");
    match dvm_onnx::read(&folder.join(format!("{name}.onnx")), Options::default()) {
        Err(OnnxError::Unsupported { what, .. }) => what,
        Err(other) => panic!("{name}: {other}"),
        Ok(_) => panic!("{name} was read"),
    }
}

#[test]
fn errors_after_an_unsupported_node_are_listed_unless_they_follow_from_it() {
    let found = refused("several");
    let expected = [
        "Unheard (node `u_node`)",
        "MaxPool (node `m_node`): has a dilation of (2, 2)",
        "Resize (node `r_node`): keeps the aspect ratio",
        "Bernoulli (node `q_node`)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_unsupported_output_that_is_read_is_an_error() {
    let found = refused("mask");
    assert_eq!(
        found,
        ["Dropout (node `d_node`): has an output of its mask that is used"]
    );
}
