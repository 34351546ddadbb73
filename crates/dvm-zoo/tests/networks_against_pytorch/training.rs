//! One step of training: cross-entropy of a few pictures, batch-norm over the batch, auxiliary heads
//! with their weights.

use dvm_engine::rules;
use dvm_engine::{Graph, Keep, Mode, NodeId, Request, Role, Tensor, seeded};

use crate::inference::{GRADIENTS, LOGITS, norm};
use crate::reference::{Described, described};
use dvm_testing::closeness::{relative_error, wide};

/// As in `references/networks.py`: what part of the largest gradient's norm is nothing.
const ZERO: f64 = 1e-12;

/// What a step finds.
struct Step {
    graph: Graph,
    loss: f64,
    logits: Vec<f64>,
    /// By position in [`Graph::parameters`].
    gradients: Vec<Option<Tensor>>,
    /// By position in [`Graph::parameters`].
    statistics: Vec<(usize, Tensor)>,
}

/// Mean cross-entropy and its gradient.
fn cross_entropy(logits: &Tensor, labels: &[u64]) -> (f64, Tensor) {
    let (pictures, classes) = (labels.len() as f64, logits.shape()[1]);
    let mut seed = logits.clone();
    let mut loss = 0.0;
    for (row, &label) in seed.data_mut().chunks_exact_mut(classes).zip(labels) {
        let exponentials: Vec<f64> = row.iter().map(|&l| f64::from(l).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        for (class, (value, e)) in row.iter_mut().zip(exponentials).enumerate() {
            let p = e / sum;
            let is_label = class == label as usize;
            loss -= if is_label { p.ln() } else { 0.0 } / pictures;
            *value = ((p - f64::from(u8::from(is_label))) / pictures) as f32;
        }
    }
    (loss, seed)
}

fn step(described: &Described) -> Step {
    let graph = described.graph();
    let x = described.input();
    let labels = described.list("labels", |label| label.as_u64());
    let mode = Mode::Training { seed: 0 };
    let activations = graph.forward(&x, mode, Keep::All).unwrap();
    let mut loss = 0.0;
    let mut seeds: Vec<(NodeId, Tensor)> = Vec::new();
    let heads = graph.auxiliaries().iter().copied();
    for (node, weight) in heads.chain([(graph.output(), 1.0)]) {
        let (own, mut seed) = cross_entropy(activations.get(node).unwrap(), &labels);
        loss += own * f64::from(weight);
        seed.data_mut()
            .iter_mut()
            .for_each(|value| *value *= weight);
        seeds.push((node, seed));
    }
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &rules::TRUE_GRADIENT,
    };
    let found = graph.backward(&activations, &seeds, &request).unwrap();
    let gradients = (0..graph.parameters().len())
        .map(|index| found.parameter(index).cloned())
        .collect();
    Step {
        loss,
        logits: wide(activations.output()),
        gradients,
        statistics: activations.statistics().to_vec(),
        graph,
    }
}

/// Loss, logits, gradients of all parameters and new statistics are PyTorch's, under its names.
pub fn check(name: &str) {
    let described = described("training", name);
    let step = step(&described);
    check_names(&described, &step.graph);
    check_dropouts(&described, &step.graph);
    let error = relative_error(&[step.loss], &described.found("loss"));
    assert!(error <= LOGITS, "the loss is {}", step.loss);
    let error = relative_error(&step.logits, &described.found("logits"));
    assert!(error <= LOGITS, "logits are off by {error:.1e}");
    check_gradients(&described, &step);
    check_statistics(&described, &step);
}

fn check_names(described: &Described, graph: &Graph) {
    let names = |statistics: bool| -> Vec<String> {
        let all = graph.parameters().iter();
        let of_kind = all.filter(|p| (p.role == Role::Statistic) == statistics);
        let mut names: Vec<String> = of_kind.map(|p| p.name.clone()).collect();
        names.sort_unstable();
        names
    };
    for (key, statistics) in [("parameters", false), ("statistics", true)] {
        let mut expected = described.list(key, |value| value.as_str().map(str::to_owned));
        expected.sort_unstable();
        assert_eq!(names(statistics), expected);
    }
}

/// The masks of dropouts follow from their places, so these must be those that the reference was made
/// with.
fn check_dropouts(described: &Described, graph: &Graph) {
    let found: Vec<(&str, usize)> = graph
        .ids()
        .enumerate()
        .filter(|(_, id)| graph.node(*id).op.kind() == "dropout")
        .map(|(place, id)| (&graph.node(id).name[..], place))
        .collect();
    assert_eq!(found, described.places("dropouts"));
}

/// How far two numbers are from those expected.
fn off(found: (f64, f64), expected: (f64, f64)) -> f64 {
    (found.0 - expected.0)
        .abs()
        .max((found.1 - expected.1).abs())
}

/// The norm of an array and its sum with the probe of this name, as `networks.py` has them.
fn digest(name: &str, tensor: &Tensor) -> (f64, f64) {
    let values = wide(tensor);
    let probe = seeded::uniform(&format!("probe.{name}"), values.len(), -1.0, 1.0);
    let sum = values.iter().zip(probe).map(|(v, p)| v * f64::from(p));
    (norm(&values), sum.sum())
}

fn check_gradients(described: &Described, step: &Step) {
    let norms = described.found("gradient_norms");
    let probes = described.found("gradient_probes");
    let pytorch = described.found("gradient_f32_errors");
    // Of networks in which ReLUs flip in every step: how far rounding moves each gradient.
    let rounding = described.found_if_there("gradient_rounding");
    let names = described.list("parameters", |name| name.as_str().map(str::to_owned));
    let largest = norms.iter().fold(0.0f64, |a, &norm| a.max(norm));
    let mut failures = Vec::new();
    let mut furthest = 0.0f64;
    for (index, name) in names.iter().enumerate() {
        let place = step.graph.parameters().iter().position(|p| &p.name == name);
        let gradient = step.gradients[place.unwrap()].as_ref();
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient"));
        let off = off(digest(name, gradient), (norms[index], probes[index]));
        // Zero but for rounding: the bias of a batch-norm that the next one takes out again.
        let is_zero = norms[index] < ZERO * largest;
        let scale = if is_zero { largest } else { norms[index] };
        let off = off / scale;
        furthest = furthest.max(off);
        let flips = rounding.as_ref().map_or(0.0, |all| all[index]);
        if off > GRADIENTS.max(2.0 * pytorch[index]).max(4.0 * flips) {
            let own = pytorch[index];
            failures.push(format!(
                "{name} is off by {off:.1e} (PyTorch's f32 by {own:.1e})"
            ));
        }
    }
    println!("training: gradients are off by at most {furthest:.1e}");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn check_statistics(described: &Described, step: &Step) {
    let norms = described.found("statistic_norms");
    let probes = described.found("statistic_probes");
    let names = described.list("statistics", |name| name.as_str().map(str::to_owned));
    assert_eq!(step.statistics.len(), names.len());
    for (index, name) in names.iter().enumerate() {
        let of_name = |(place, _): &&(usize, Tensor)| &step.graph.parameters()[*place].name == name;
        let (_, value) = step.statistics.iter().find(of_name).unwrap();
        let off = off(digest(name, value), (norms[index], probes[index])) / norms[index];
        assert!(off <= 1e-5, "{name} is off by {off:.1e}");
    }
}
