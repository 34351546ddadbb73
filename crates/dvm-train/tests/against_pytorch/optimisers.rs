//! Optimisers on a small network with gradients derived from the parameter names.

use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Graph, Role, Tensor, seeded};
use dvm_train::optimisers::State;
use dvm_train::{Optimiser, Settings, optimisers};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;

use crate::{assert_near, cases};

static CASES: &str = include_str!("../references/optimisers.json");
static TENSORS: &[u8] = include_bytes!("../references/optimisers.safetensors");

/// Error of f32 over six steps, relative to the largest value; PyTorch's own f32 is off by as much.
const TOLERANCE: f64 = 2e-6;

fn network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(3), 3, 4, true);
    let x = net.batch_norm("bn", x, 4, 1e-5);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 4, 5, true);
    seeded::graph(net.ending_at(x))
}

fn optimiser(case: &Value) -> Optimiser {
    let options = Settings::deserialize(&case["options"]).unwrap();
    let entry = optimisers::find(case["optimiser"].as_str().unwrap()).unwrap();
    entry.optimiser(&options).unwrap()
}

/// Makes the steps of a case from `from` on.
fn walk(case: &Value, optimiser: &mut Optimiser, graph: &mut Graph, steps: std::ops::Range<u64>) {
    let rate = case["learning_rate"].as_f64().unwrap();
    for step in steps {
        let gradients: Vec<Option<Tensor>> = graph
            .parameters()
            .iter()
            .map(|p| {
                let name = format!("{}.gradient{step}", p.name);
                let values = seeded::uniform(&name, p.shape.iter().product(), -1.0, 1.0);
                (p.role != Role::Statistic).then(|| Tensor::from_nchw(&p.shape, &values))
            })
            .collect();
        let rate = rate * (1.0 - step as f64 / 10.0);
        optimiser.step(graph, |index| gradients[index].as_ref(), rate);
    }
}

fn steps(case: &Value) -> u64 {
    case["steps"].as_u64().unwrap()
}

fn expected(tensors: &SafeTensors, name: &str) -> Vec<f64> {
    let view = tensors.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
    let values = view.data().chunks_exact(4);
    values
        .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("four bytes"))))
        .collect()
}

fn assert_tensor(tensors: &SafeTensors, name: &str, found: &Tensor) {
    let found: Vec<f64> = found.to_nchw().into_iter().map(f64::from).collect();
    assert_near(name, &found, &expected(tensors, name), TOLERANCE);
}

#[test]
fn weights_equal_pytorchs_after_each_case() {
    let tensors = SafeTensors::deserialize(TENSORS).unwrap();
    for case in cases(CASES) {
        let (mut graph, mut optimiser) = (network(), optimiser(&case));
        walk(&case, &mut optimiser, &mut graph, 0..steps(&case));
        let values = graph.parameters().iter().zip(graph.values());
        for (parameter, value) in values.filter(|(p, _)| p.role != Role::Statistic) {
            let name = format!("{}.{}", case["name"].as_str().unwrap(), parameter.name);
            assert_tensor(&tensors, &name, value);
        }
    }
}

#[test]
fn state_tensors_have_pytorchs_names_and_values() {
    let tensors = SafeTensors::deserialize(TENSORS).unwrap();
    for case in cases(CASES) {
        let (mut graph, mut optimiser) = (network(), optimiser(&case));
        walk(&case, &mut optimiser, &mut graph, 0..steps(&case));
        let state = optimiser.state(&graph);
        let prefix = format!("{}.", case["name"].as_str().unwrap());
        let mut names: Vec<&str> = tensors
            .names()
            .into_iter()
            .filter_map(|name| name.strip_prefix(&prefix))
            .filter(|name| name.starts_with("optimiser."))
            .collect();
        names.sort_unstable();
        assert!(state.slots.keys().eq(names), "{prefix}");
        for (name, value) in &state.slots {
            assert_tensor(&tensors, &format!("{prefix}{name}"), value);
        }
    }
}

#[test]
fn a_restored_optimiser_continues_with_the_same_bits() {
    for case in cases(CASES) {
        let (mut graph, mut whole) = (network(), optimiser(&case));
        walk(&case, &mut whole, &mut graph, 0..3);
        let mut other = network();
        for (index, value) in graph.values().iter().enumerate() {
            other.set_value(index, value.clone()).unwrap();
        }
        let mut restored = optimiser(&case);
        restored.restore(&other, whole.state(&graph)).unwrap();
        walk(&case, &mut whole, &mut graph, 3..6);
        walk(&case, &mut restored, &mut other, 3..6);
        assert_eq!(graph.values(), other.values(), "{}", case["name"]);
        assert_eq!(whole.state(&graph), restored.state(&other));
    }
}

#[test]
fn parameters_without_a_gradient_and_running_statistics_do_not_change() {
    let mut graph = network();
    let before = graph.values().to_vec();
    let options = Settings::new()
        .with("weight_decay", 0.5)
        .with("decay_all", true);
    let entry = optimisers::find("adamw").unwrap();
    let mut optimiser = entry.optimiser(&options).unwrap();
    let ones: Vec<Tensor> = before
        .iter()
        .map(|v| Tensor::full(v.shape(), 1.0))
        .collect();
    let head = |index: usize| graph_name(index).starts_with("fc").then(|| &ones[index]);
    let names: Vec<String> = graph.parameters().iter().map(|p| p.name.clone()).collect();
    assert!((0..names.len()).all(|i| names[i] == graph_name(i)));
    optimiser.step(&mut graph, head, 0.1);
    for (index, name) in names.iter().enumerate() {
        let same = graph.values()[index] == before[index];
        assert_eq!(same, !name.starts_with("fc"), "{name}");
    }
    // Running statistics do not change even if there is a gradient for them.
    optimiser.step(&mut graph, |index| Some(&ones[index]), 0.1);
    for (index, name) in names.iter().enumerate() {
        let same = graph.values()[index] == before[index];
        assert_eq!(same, name.contains("running"), "{name}");
    }
}

/// Names of the small network's parameters by index.
fn graph_name(index: usize) -> &'static str {
    [
        "conv.weight",
        "conv.bias",
        "bn.weight",
        "bn.bias",
        "bn.running_mean",
        "bn.running_var",
        "fc.weight",
        "fc.bias",
    ][index]
}

#[test]
fn the_state_of_another_network_or_optimiser_is_an_error_and_changes_nothing() {
    let case = |name: &str| {
        cases(CASES)
            .into_iter()
            .find(|c| c["name"] == name)
            .unwrap()
    };
    let adam = case("adam");
    let (mut graph, mut trained) = (network(), optimiser(&adam));
    walk(&adam, &mut trained, &mut graph, 0..2);
    let state = trained.state(&graph);
    let refused = |change: &dyn Fn(&mut State)| {
        let mut state = state.clone();
        change(&mut state);
        let mut fresh = optimiser(&adam);
        let error = fresh.restore(&graph, state).unwrap_err().to_string();
        assert_eq!(fresh.steps(), 0);
        assert!(fresh.state(&graph).slots.is_empty());
        error
    };
    let name = "optimiser.exp_avg.fc.weight";
    let shape = refused(&|s| {
        s.slots.insert(name.into(), Tensor::zeros(&[4, 5]));
    });
    assert!(
        shape.contains("`fc.weight` has the shape [4, 5], but the parameter has [5, 4]"),
        "{shape}"
    );
    let half = refused(&|s| {
        s.slots.remove(name);
    });
    assert!(half.contains("`fc.weight` has 1 of 2"), "{half}");
    let other = refused(&|s| {
        s.slots
            .insert("optimiser.luck.fc.bias".into(), Tensor::zeros(&[5]));
    });
    assert!(other.contains("`optimiser.luck.fc.bias`"), "{other}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let build = || {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.pool("pool", x, Pool::global_mean());
        let x = net.flatten("flatten", x);
        let x = net.linear("fc", x, 3, 50_001, true);
        seeded::graph(net.ending_at(x))
    };
    let case = cases(CASES)
        .into_iter()
        .find(|c| c["name"] == "rmsprop_all")
        .unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (mut graph, mut optimiser) = (build(), optimiser(&case));
            walk(&case, &mut optimiser, &mut graph, 0..3);
            (graph.values().to_vec(), optimiser.state(&graph))
        })
    };
    let (values, state) = run(1);
    for threads in [2, 5] {
        assert!(
            run(threads) == (values.clone(), state.clone()),
            "{threads} threads"
        );
    }
}
