//! What cannot be computed is named, all of it at once and nothing else.

use std::path::Path;

use dvm_onnx::{OnnxError, Options};

/// What a file of `references/onnx_operators.py` is refused for.
fn refused(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/operators/refused");
    match dvm_onnx::read(&folder.join(format!("{name}.onnx")), Options::default()) {
        Err(OnnxError::Unsupported { what, .. }) => what,
        Err(other) => panic!("{name}: {other}"),
        Ok(_) => panic!("{name} was read"),
    }
}

#[test]
fn faults_behind_a_fault_are_named_and_what_follows_from_it_is_not() {
    let found = refused("several");
    let expected = [
        "Unheard (node `u_node`)",
        "MaxPool (node `m_node`): has a dilation of (2, 2)",
        "Resize (node `r_node`): keeps the ratio of the sides",
        "Bernoulli (node `q_node`)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn outputs_that_are_read_are_not_left_out() {
    let found = refused("mask");
    assert_eq!(
        found,
        ["Dropout (node `d_node`): also tells which values it leaves"]
    );
}
