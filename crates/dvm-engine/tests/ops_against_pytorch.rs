//! Every op by itself, forward and backward, against PyTorch in f64 (`references/ops.py`).

mod reference;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use dvm_engine::ops::Mode;
use dvm_engine::ops::activation::Activation;
use dvm_engine::{Blueprint, Error, Graph, InstructionSet, Keep, Request, Tensor};
use dvm_testing::closeness::relative_error;
use dvm_testing::every_op::ACTIVATIONS;
use dvm_testing::single_op::SingleOp;
use reference::Case;
use safetensors::SafeTensors;

/// Largest difference from PyTorch, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

/// The environment variable that names the instruction set for a run of this file in a separate process.
const INSTRUCTIONS: &str = "DVM_TEST_INSTRUCTIONS";

#[test]
fn every_case_agrees_with_pytorch() {
    if let Ok(word) = std::env::var(INSTRUCTIONS) {
        let mut sets = InstructionSet::available().into_iter();
        let set = sets.find(|set| set.word() == word).expect("available");
        InstructionSet::limit(set).expect("nothing has run before");
    }
    let tensors = reference::tensors();
    let failures: Vec<String> = reference::cases()
        .iter()
        .flat_map(|case| differences(case, &tensors))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_instruction_set_agrees_with_pytorch() {
    for set in InstructionSet::available() {
        let run = Command::new(std::env::current_exe().expect("the test has a path"))
            .args(["--exact", "every_case_agrees_with_pytorch"])
            .env(INSTRUCTIONS, set.word())
            .output()
            .expect("the test can run itself");
        let printed = String::from_utf8_lossy(&run.stdout);
        assert!(
            run.status.success() && printed.contains("1 passed"),
            "{}:\n{printed}",
            set.name()
        );
    }
}

/// A sentence for each result of a case that differs.
fn differences(case: &Case, tensors: &SafeTensors) -> Vec<String> {
    let (names, parameters): (Vec<String>, Vec<Tensor>) = case.parameters().into_iter().unzip();
    let alone = SingleOp {
        op: case.op().1,
        inputs: case.inputs(),
        parameters,
        mode: case.mode(),
    };
    let outcome = match alone.forward() {
        Ok(outcome) => outcome,
        Err(error) => return vec![format!("{}: {error}", case.name())],
    };
    let gradients = alone.backward(&outcome, &case.grad_output());
    let mut results = vec![("output".to_owned(), Some(outcome.value.clone()))];
    for (index, gradient) in gradients.inputs.into_iter().enumerate() {
        // An input of which only the shape is read has no gradient in either.
        let name = format!("grad.input{index}");
        if gradient.is_some() || case.has(tensors, &name) {
            results.push((name, gradient));
        }
    }
    let (statistics, learned): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| name.starts_with("running_"));
    // The statistics come last, so the learned parameters keep their indices.
    for (name, gradient) in learned.iter().zip(gradients.parameters) {
        results.push((format!("grad.{name}"), gradient));
    }
    if !outcome.statistics.is_empty() {
        for (name, statistic) in statistics.into_iter().zip(outcome.statistics) {
            results.push((name.clone(), Some(statistic)));
        }
    }
    let stem = format!("{}.", case.name());
    let expected_count = tensors
        .names()
        .iter()
        .filter(|name| name.starts_with(&stem))
        .count();
    let mut failures = Vec::new();
    if results.len() != expected_count {
        failures.push(format!(
            "{}: {} results, PyTorch gave {expected_count}",
            case.name(),
            results.len()
        ));
    }
    failures.extend(compared(case, tensors, results));
    failures
}

/// A sentence for each of these results that differs.
fn compared(
    case: &Case,
    tensors: &SafeTensors,
    results: Vec<(String, Option<Tensor>)>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, found) in results {
        let (shape, expected) = case.expected(tensors, &name);
        let verdict = match found {
            None => "is missing".to_owned(),
            Some(found) if found.shape() != shape => {
                format!("has shape {:?}, not {shape:?}", found.shape())
            }
            Some(found) => match relative_error(&found.to_nchw(), &expected) {
                error if error <= TOLERANCE => continue,
                error => format!("is off by {error:.1e}"),
            },
        };
        failures.push(format!("{}: {name} {verdict}", case.name()));
    }
    failures
}

#[test]
fn windows_on_a_padded_map_agree_with_torchvision() {
    let tensors = reference::tensors();
    for case in reference::padded_cases() {
        let (x, attention) = (case.inputs().remove(0), case.window_attention());
        let (_, table) = case.parameters().remove(0);
        let mut net = Blueprint::new(x.shape()[1]);
        let input = net.input();
        let padded = net.pad_to_multiple("pad", input, attention.window);
        let attended = net.window_attention("attention", padded, attention);
        let cut = net.crop_like("cut", attended, input);
        let graph = Graph::new(net.ending_at(cut), |_| Ok::<_, Error>(table.clone())).unwrap();
        let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
        let nodes = [graph.input()];
        let request = Request {
            parameters: &|_| true,
            ..Request::nodes(&nodes)
        };
        let seeds = [(graph.output(), case.grad_output())];
        let gradients = graph.backward(&activations, &seeds, &request).unwrap();
        let results = vec![
            ("output".to_owned(), Some(activations.output().clone())),
            ("grad.input0".to_owned(), gradients.node(nodes[0]).cloned()),
            (
                "grad.relative_position_bias_table".to_owned(),
                gradients.parameter(0).cloned(),
            ),
        ];
        let failures = compared(&case, &tensors, results);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[test]
fn every_source_file_of_an_op_has_a_case() {
    let with_cases: BTreeSet<String> = reference::cases()
        .iter()
        .map(|case| case.op().0.to_owned())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut sources = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the ops have a folder") {
        let path = entry.expect("its entries can be read").path();
        let file = match path.join("mod.rs") {
            inside if inside.exists() => inside,
            // A folder without a `mod.rs` belongs to the file of the same name.
            _ if path.is_dir() => continue,
            _ => path.clone(),
        };
        let source = std::fs::read_to_string(file).expect("sources can be read");
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name");
        if source.contains("\nimpl Op for ") {
            sources.insert(stem.to_owned());
        }
    }
    // The input computes nothing.
    assert!(sources.remove("input"));
    assert_eq!(with_cases, sources);
}

#[test]
fn every_activation_has_a_case() {
    let cases = reference::cases();
    for activation in ACTIVATIONS {
        // A new activation stops this from compiling: add it to the list, too.
        match activation {
            Activation::Relu
            | Activation::Relu6
            | Activation::Silu
            | Activation::Gelu
            | Activation::GeluTanh
            | Activation::Sigmoid
            | Activation::Hardswish
            | Activation::Hardsigmoid
            | Activation::Tanh
            | Activation::LeakyRelu(_)
            | Activation::Elu(_)
            | Activation::Softplus
            | Activation::Mish
            | Activation::ClippedRelu(_)
            | Activation::SquaredRelu
            | Activation::ThresholdedRelu(_)
            | Activation::Selu { .. }
            | Activation::Celu(_)
            | Activation::Swish(_)
            | Activation::Softsign
            | Activation::Shrink { .. }
            | Activation::HardsigmoidOf { .. } => {}
        }
        assert!(
            cases.iter().any(|case| case.op_name() == activation.name()),
            "{activation:?} has no case in references/ops.py"
        );
    }
}
