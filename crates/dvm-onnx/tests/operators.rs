//! Operators as various exporters write them, compared with ONNX Runtime and PyTorch (`references/onnx_operators.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dvm_engine::rules::{self, Composite};
use dvm_engine::weights::Weights;
use dvm_engine::{Graph, Keep, Mode, Request, Tensor};
use dvm_onnx::Options;
use dvm_testing::closeness::{relative_error, wide};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/operators")
}

/// All tensors of a folder's files, by `<file>.<what>`.
fn expected(files: &str) -> BTreeMap<String, Tensor> {
    let weights = Weights::read(&folder().join(format!("{files}.safetensors"))).unwrap();
    let all = weights.iter().map(|(name, array)| {
        let tensor = Tensor::from_nchw(&array.shape, &array.values);
        (name.to_owned(), tensor)
    });
    all.collect()
}

/// The names of the files.
fn names(expected: &BTreeMap<String, Tensor>) -> Vec<String> {
    let logits = expected
        .keys()
        .filter_map(|key| key.strip_suffix(".logits"));
    logits.map(str::to_owned).collect()
}

fn read(files: &str, name: &str) -> Result<Graph, String> {
    let path = folder().join(files).join(format!("{name}.onnx"));
    let read = dvm_onnx::read(&path, Options::default());
    read.map(|imported| imported.graph)
        .map_err(|error| error.to_string())
}

/// The largest difference, relative to the largest value.
fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    relative_error(&wide(found), &wide(expected))
}

/// What is wrong with the logits of a file.
fn wrong_logits(graph: &Graph, expected: &BTreeMap<String, Tensor>, name: &str) -> Option<String> {
    let logits = graph.logits(&expected[&format!("{name}.input")]);
    match logits.map(|found| distance(&found, &expected[&format!("{name}.logits")])) {
        Err(error) => Some(format!("{name}: {error}")),
        Ok(off) if off > 1e-5 => Some(format!("{name}: logits are off by {off:.1e}")),
        Ok(_) => None,
    }
}

/// The gradient of logit 1 with respect to the inputs.
fn gradient(graph: &Graph, pictures: &Tensor, rules: &Composite) -> Tensor {
    let walked = graph.forward(pictures, Mode::Inference, Keep::All).unwrap();
    let mut seed = Tensor::zeros(walked.output().shape());
    let classes = seed.shape()[1];
    seed.data_mut()
        .chunks_exact_mut(classes)
        .for_each(|row| row[1] = 1.0);
    let nodes = [graph.input()];
    let request = Request {
        rules,
        ..Request::nodes(&nodes)
    };
    let seeds = [(graph.output(), seed)];
    let found = graph.backward(&walked, &seeds, &request).unwrap();
    found.node(graph.input()).unwrap().clone()
}

#[test]
fn an_activation_written_as_several_operators_is_one_node_with_its_rule() {
    let expected = expected("activations");
    let kinds = std::fs::read_to_string(folder().join("activations.json")).unwrap();
    let kinds: BTreeMap<String, String> = serde_json::from_str(&kinds).unwrap();
    let mut failures = Vec::new();
    for name in names(&expected) {
        let graph = match read("activations", &name) {
            Ok(graph) => graph,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        let found: Vec<&str> = graph.nodes().iter().map(|node| node.op.kind()).collect();
        let alone = [
            "input",
            "conv2d",
            &kinds[&name],
            "avg_pool",
            "flatten",
            "linear",
        ];
        if found != alone {
            failures.push(format!("{name}: {found:?}"));
        }
        failures.extend(wrong_logits(&graph, &expected, &name));
        let input = &expected[&format!("{name}.input")];
        let all: [(&str, &Composite); 3] = [
            ("gradient", &rules::TRUE_GRADIENT),
            ("guided", &rules::guided_backprop()),
            ("deconvnet", &rules::deconvnet()),
        ];
        for (rule, rules) in all {
            let wanted = &expected[&format!("{name}.{rule}")];
            let off = distance(&gradient(&graph, input, rules), wanted);
            if off > 1e-5 {
                failures.push(format!("{name}: {rule} is off by {off:.1e}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn compare_logits(files: &str) {
    let expected = expected(files);
    let mut failures = Vec::new();
    for name in names(&expected) {
        match read(files, &name) {
            Ok(graph) => failures.extend(wrong_logits(&graph, &expected, &name)),
            Err(error) => failures.push(error),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn operators_of_all_opsets_compute_the_same_as_onnx_runtime() {
    compare_logits("others");
}

#[test]
fn networks_with_test_time_augmentation_compute_the_same_as_pytorch() {
    compare_logits("networks");
}

#[test]
fn slopes_of_prelu_are_parameters_with_the_name_in_the_file() {
    for name in ["prelu", "prelu_as_difference", "prelu_as_max_and_min"] {
        let graph = read("activations", name).unwrap();
        let slopes = graph.parameters().iter().find(|p| p.name == "act.weight");
        let slopes = slopes.unwrap_or_else(|| panic!("{name}: {:?}", graph.parameters()));
        assert_eq!(slopes.shape, [8, 1, 1], "{name}");
    }
}
