//! Files that ONNX Runtime's tools fused, optimised and quantised, and files of recent exporters, compared with PyTorch
//! (`references/onnx_rewritten.py`).

use std::path::{Path, PathBuf};

use dvm_engine::Tensor;
use dvm_engine::weights::Weights;
use dvm_onnx::{Imported, OnnxError, Options};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/rewritten")
}

fn opened(name: &str) -> Result<Imported, OnnxError> {
    let size = Some((16, 16));
    dvm_onnx::read(&folder().join(format!("{name}.onnx")), Options { size })
}

fn read(name: &str) -> Imported {
    opened(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn expected(name: &str) -> Tensor {
    let weights = Weights::read(&folder().join("expected.safetensors")).unwrap();
    let mut all = weights.iter();
    let (_, array) = all.find(|(found, _)| **found == *name).unwrap();
    Tensor::from_nchw(&array.shape, &array.values)
}

/// Compares the logits of a batch of two, and of the first picture alone.
fn compare(name: &str) {
    let graph = read(name).graph;
    let pictures = expected("input");
    let logits = expected(&format!("{name}.logits"));
    let largest = logits.data().iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let check = |found: &Tensor| {
        let pairs = found.data().iter().zip(logits.data());
        let off = pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest;
        assert!(off < 1e-5, "{name}: logits are off by {off}");
    };
    check(&graph.logits(&pictures).unwrap());
    let first = &pictures.to_nchw()[..pictures.len() / 2];
    check(
        &graph
            .logits(&Tensor::from_nchw(&[1, 3, 16, 16], first))
            .unwrap(),
    );
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { compare(stringify!($name)); })*
    };
}

cases!(
    fused_cnn,
    fused_vit,
    fused_quick_vit,
    optimised_vit,
    attention,
    multi_head,
    packed_heads,
    sums,
    four_bits,
    four_bits_zeros,
    cnn_operators,
    cnn_signed_operators,
    cnn_dynamic,
    cnn_dynamic_unsigned,
    vit_operators,
    vit_dynamic,
    vit_qdq,
    vit_one_operators,
    vit_one_dynamic,
    vit_dynamic_fused,
    cosine_one_dynamo,
    cosine_script,
    folding_dynamo,
    folding_one_dynamo,
    repeating_script,
    repeating_one_dynamo,
    places_script,
    places_one_dynamo,
);

fn count(name: &str, kind: &str) -> usize {
    let graph = read(name).graph;
    let nodes = graph.nodes().iter();
    nodes.filter(|node| node.op.kind() == kind).count()
}

#[test]
fn a_fused_convolution_is_a_convolution_and_its_activation() {
    assert_eq!(count("fused_cnn", "conv2d"), 6);
    assert_eq!(count("fused_cnn", "relu"), 3);
    assert_eq!(count("fused_cnn", "silu"), 1);
    assert_eq!(count("fused_cnn", "hardsigmoid"), 1);
}

#[test]
fn every_fused_gelu_is_one_node() {
    assert_eq!(count("fused_vit", "gelu"), 1);
    assert_eq!(count("optimised_vit", "gelu_tanh"), 1);
}

#[test]
fn quantised_layers_include_their_scales_and_biases() {
    for name in ["cnn_operators", "cnn_dynamic"] {
        assert_eq!(count(name, "conv2d"), 6, "{name}");
        assert_eq!(count(name, "linear"), 2, "{name}");
        let graph = read(name).graph;
        let layers = graph.nodes().iter();
        let layers = layers.filter(|node| matches!(node.op.kind(), "conv2d" | "linear"));
        for layer in layers {
            assert_eq!(layer.parameters.len(), 2, "{name}: {}", layer.name);
        }
    }
}

#[test]
fn a_quantised_softmax_gets_no_relu() {
    assert_eq!(count("vit_qdq", "relu"), 0);
    assert_eq!(count("vit_operators", "relu"), 0);
}

#[test]
fn a_quantised_layer_has_the_name_of_its_float_layer() {
    let graph = read("cnn_operators").graph;
    for name in ["a", "d", "h"] {
        assert!(graph.find(name).is_ok(), "{name}");
    }
}

#[test]
fn quantised_networks_have_a_warning() {
    for name in [
        "cnn_operators",
        "cnn_dynamic",
        "vit_dynamic_fused",
        "four_bits",
    ] {
        let told = read(name).warnings.join("\n");
        assert!(told.contains("quantised"), "{name}: {told}");
    }
    assert_eq!(read("fused_cnn").warnings, Vec::<String>::new());
}

#[test]
fn a_file_optimised_for_one_processor_is_an_error_with_advice() {
    let error = opened("nchwc").err().unwrap().to_string();
    assert!(error.contains("ORT_ENABLE_EXTENDED"), "{error}");
}
