//! Every op alone, forward and backward, against PyTorch in f64 (`references/ops.py`).

mod accuracy;
mod alone;
mod reference;

use std::collections::BTreeSet;
use std::path::Path;

use accuracy::relative_error;
use alone::Alone;
use dvm_engine::Tensor;
use dvm_engine::ops::activation::Activation;
use reference::Case;
use safetensors::SafeTensors;

/// Largest difference from PyTorch, relative to the largest value.
const TOLERANCE: f64 = 1e-5;

#[test]
fn every_case_gives_what_pytorch_gives() {
    let tensors = reference::tensors();
    let failures: Vec<String> = reference::cases()
        .iter()
        .flat_map(|case| differences(case, &tensors))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A sentence for each result of a case that is off.
fn differences(case: &Case, tensors: &SafeTensors) -> Vec<String> {
    let (names, parameters): (Vec<String>, Vec<Tensor>) = case.parameters().into_iter().unzip();
    let alone = Alone {
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
        results.push((format!("grad.input{index}"), gradient));
    }
    let (statistics, learned): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| name.starts_with("running_"));
    // The statistics come last, so the learned parameters keep their places.
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
            // Beside a folder without a `mod.rs` stands the file that it belongs to.
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
    for activation in reference::ACTIVATIONS {
        // A new activation stops this from compiling: it belongs into the list, too.
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
            | Activation::Mish => {}
        }
        assert!(
            cases.iter().any(|case| case.op_name() == activation.name()),
            "{activation:?} has no case in references/ops.py"
        );
    }
}
