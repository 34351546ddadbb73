//! Training of ResNet18, compared with PyTorch step by step, with weights derived from their names.

use std::collections::BTreeMap;

use dvm_engine::{Graph, Keep, Mode, Request, Role, Tensor, rules, seeded};
use dvm_train::{Accumulation, CrossEntropy, Settings, Targets, clip_gradient_norm, optimisers};
use serde::Deserialize;
use serde_json::Value;

static REFERENCE: &str = include_str!("references/parity.json");

/// Relative tolerance for losses and running statistics.
const TOLERANCE: f64 = 1e-3;

fn cases() -> (Value, Vec<Value>) {
    let mut all: Vec<Value> = serde_json::from_str(REFERENCE).unwrap();
    (all.remove(0), all)
}

fn count(setting: &Value, key: &str) -> usize {
    setting[key].as_u64().unwrap() as usize
}

/// The pictures and classes of `parity_batch` in `references/training.py`.
fn batch(setting: &Value, index: usize) -> (Tensor, Targets) {
    let (pictures, size) = (count(setting, "pictures"), count(setting, "size"));
    let block = count(setting, "block");
    let coarse = size / block;
    let patches = seeded::uniform(
        &format!("parity.patches{index}"),
        pictures * 3 * coarse * coarse,
        -1.0,
        1.0,
    );
    let mut values = seeded::uniform(
        &format!("parity.noise{index}"),
        pictures * 3 * size * size,
        -1.0,
        1.0,
    );
    for (place, value) in values.iter_mut().enumerate() {
        let (plane, row, column) = (place / (size * size), place / size % size, place % size);
        *value += patches[(plane * coarse + row / block) * coarse + column / block];
    }
    let class = |picture| (3 * index + 2 * picture) % count(setting, "classes");
    (
        Tensor::from_nchw(&[pictures, 3, size, size], &values),
        Targets::Classes((0..pictures).map(class).collect()),
    )
}

/// Trains the steps of a case. Returns the losses and the final network.
fn train(setting: &Value, case: &Value) -> (Vec<f64>, Graph) {
    let architecture = dvm_zoo::find("resnet18").unwrap();
    let blueprint = (architecture.build)(count(setting, "classes"));
    let mut graph = seeded::graph(blueprint);
    let entry = optimisers::find(case["optimiser"].as_str().unwrap()).unwrap();
    let options = Settings::deserialize(&case["options"]).unwrap();
    let mut optimiser = entry.optimiser(&options).unwrap();
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &rules::TRUE_GRADIENT,
    };
    let mut losses = Vec::new();
    for step in 0..count(setting, "steps") {
        let (pictures, targets) = batch(setting, step % count(setting, "batches"));
        let mode = Mode::Training { seed: step as u64 };
        let activations = graph.forward(&pictures, mode, Keep::All).unwrap();
        let loss = CrossEntropy::default()
            .value_and_gradient(activations.output(), &targets)
            .unwrap();
        let seeds = [(graph.output(), loss.gradient)];
        let gradients = graph.backward(&activations, &seeds, &request).unwrap();
        for (index, value) in activations.statistics() {
            graph.set_value(*index, value.clone()).unwrap();
        }
        let mut accumulation = Accumulation::new();
        accumulation.add(gradients, 0..graph.parameters().len());
        let mut gradients: BTreeMap<usize, Tensor> = accumulation.take();
        let largest = case["clip"].as_f64().unwrap();
        if largest > 0.0 {
            clip_gradient_norm(&mut gradients, largest);
        }
        let rate = case["learning_rate"].as_f64().unwrap();
        optimiser.step(&mut graph, |index| gradients.get(&index), rate);
        losses.push(loss.mean);
    }
    (losses, graph)
}

/// Trains a case and compares losses and running statistics.
fn assert_follows(number: usize, optimiser: &str) {
    let (setting, cases) = cases();
    let case = &cases[number];
    assert_eq!(case["optimiser"], optimiser);
    let (losses, graph) = train(&setting, case);
    let expected = case["losses"].as_array().unwrap();
    assert_eq!(losses.len(), expected.len());
    for (step, (found, expected)) in losses.iter().zip(expected).enumerate() {
        let expected = expected.as_f64().unwrap();
        let error = (found / expected - 1.0).abs();
        assert!(error < TOLERANCE, "step {step}: {found}, not {expected}");
    }
    let statistics = case["statistics"].as_object().unwrap();
    let values = graph.parameters().iter().zip(graph.values());
    let mut compared = 0;
    for (parameter, value) in values.filter(|(p, _)| p.role == Role::Statistic) {
        let values = value.data().iter().map(|&x| f64::from(x));
        let probe = seeded::uniform(&format!("probe.{}", parameter.name), value.len(), -1.0, 1.0);
        let norm = values.clone().map(|x| x * x).sum::<f64>().sqrt();
        let along: f64 = values.zip(probe).map(|(x, p)| x * f64::from(p)).sum();
        let expected = |index: usize| statistics[&parameter.name][index].as_f64().unwrap();
        for (found, index) in [(norm, 0), (along, 1)] {
            let error = (found - expected(index)).abs() / expected(0);
            assert!(error < TOLERANCE, "{}: off by {error}", parameter.name);
        }
        compared += 1;
    }
    assert_eq!(compared, statistics.len());
}

#[test]
fn sgd_follows_pytorch_for_20_steps() {
    assert_follows(0, "sgd");
}

#[test]
fn sgd_with_clipped_gradients_follows_pytorch_for_20_steps() {
    assert_follows(1, "sgd");
}

#[test]
fn adam_follows_pytorch_for_20_steps() {
    assert_follows(2, "adam");
}

#[test]
fn rmsprop_follows_pytorch_for_20_steps() {
    assert_follows(3, "rmsprop");
}
