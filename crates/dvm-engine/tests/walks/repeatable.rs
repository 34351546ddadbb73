//! Results do not depend on earlier passes or on the number of threads.

use dvm_engine::ops::activation::Activation;
use dvm_engine::rules::{self, Composite};
use dvm_engine::{Graph, Keep, Mode, Request, Role, Tensor, seeded};

use crate::{ODD, TRAINING, bits, moved, off, seed};
use dvm_testing::graphs::{self, seeded_tensor};

/// Everything that a training step and an explanation compute, as bits.
fn everything(graph: &Graph, x: &Tensor) -> Vec<(String, Vec<u32>)> {
    let between = graph.find("residual.add").or(graph.find("swin.add"));
    let nodes = [graph.input(), between.unwrap()];
    let mut found = Vec::new();
    for mode in [Mode::Inference, TRAINING] {
        let activations = graph.forward(x, mode, Keep::All).unwrap();
        for id in graph.ids() {
            let value = activations.get(id).unwrap();
            found.push((format!("{mode:?} {}", graph.node(id).name), bits(value)));
        }
        for (index, value) in activations.statistics() {
            let name = &graph.parameters()[*index].name;
            found.push((format!("{mode:?} statistic {name}"), bits(value)));
        }
        let request = Request {
            nodes: &nodes,
            parameters: &|_| true,
            rules: &rules::TRUE_GRADIENT,
        };
        let seeds = seed(graph, activations.output());
        let gradients = graph.backward(&activations, &seeds, &request).unwrap();
        for id in nodes {
            let gradient = gradients.node(id).unwrap();
            let name = &graph.node(id).name;
            found.push((format!("{mode:?} gradient of {name}"), bits(gradient)));
        }
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Some(gradient) = gradients.parameter(index) {
                let name = format!("{mode:?} gradient of {}", parameter.name);
                found.push((name, bits(gradient)));
            }
        }
    }
    found
}

#[test]
fn results_are_bit_identical_with_one_two_and_three_threads() {
    let graph = || seeded::graph(graphs::branching(Activation::Relu));
    same_with_any_threads(&graph, "gradient of stem.conv.weight");
}

#[test]
fn results_of_a_transformer_are_bit_identical_with_one_two_and_three_threads() {
    let graph = || seeded::graph(graphs::transforming());
    same_with_any_threads(&graph, "gradient of swin.attention.relative_position");
}

fn same_with_any_threads(graph: &(dyn Fn() -> Graph + Sync), among: &str) {
    let x = seeded_tensor("threaded input", &[3, 3, 131, 149]);
    let results: Vec<_> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| everything(&graph(), &x))
        })
        .collect();
    assert!(results[0].iter().any(|(name, _)| name.contains(among)));
    for (threads, other) in results.iter().enumerate().skip(1) {
        for ((name, one), (_, more)) in results[0].iter().zip(other) {
            assert!(one == more, "{name} differs with {} threads", threads + 1);
        }
    }
}

#[test]
fn passes_are_independent() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    // Large enough that the memory of its values is reused.
    let size = [3, 3, 131, 149];
    let x = seeded_tensor("repeated input", &size);
    let before = everything(&graph, &x);
    for shape in [size, [2, 3, 151, 163]] {
        everything(&graph, &Tensor::full(&shape, f32::NAN));
        let after = everything(&graph, &x);
        for ((name, one), (_, again)) in before.iter().zip(&after) {
            assert!(one == again, "{name} differs after NaN in {shape:?}");
        }
    }
}

#[test]
fn explaining_never_changes_a_later_forward_pass() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let x = seeded_tensor("explained input", &ODD);
    let before = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let nodes = [graph.input()];
    let composites: [&Composite; 3] = [
        &rules::guided_backprop(),
        &rules::deconvnet(),
        &rules::TRUE_GRADIENT,
    ];
    for rules in composites {
        let request = Request {
            nodes: &nodes,
            parameters: &|_| true,
            rules,
        };
        let seeds = seed(&graph, before.output());
        graph.backward(&before, &seeds, &request).unwrap();
        let after = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
        for id in graph.ids() {
            assert_eq!(after.get(id), before.get(id), "{}", graph.node(id).name);
        }
    }
}

#[test]
fn a_training_pass_changes_nothing_before_its_statistics_are_stored() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let x = seeded_tensor("training input", &ODD);
    let before = graph.logits(&x).unwrap();
    let activations = graph.forward(&x, TRAINING, Keep::All).unwrap();
    assert_eq!(graph.logits(&x).unwrap(), before);
    let mut names: Vec<&str> = activations
        .statistics()
        .iter()
        .map(|(index, _)| graph.parameters()[*index].name.as_str())
        .collect();
    let mut expected: Vec<&str> = graph
        .parameters()
        .iter()
        .filter(|p| p.role == Role::Statistic)
        .map(|p| p.name.as_str())
        .collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_new_value_of_a_parameter_is_used_in_the_next_forward_pass() {
    let mut graph = seeded::graph(graphs::branching(Activation::Relu));
    let x = seeded_tensor("new value input", &ODD);
    let names = ["stem.conv.weight", "gated.conv.weight", "head.weight"];
    let mut before = graph.logits(&x).unwrap();
    for name in names {
        let index = graph.parameters().iter().position(|p| p.name == name);
        let index = index.unwrap();
        let value = moved(&graph.values()[index], &graph.values()[index], 0.5);
        graph.set_value(index, value).unwrap();
        let after = graph.logits(&x).unwrap();
        assert!(off(&after, &before) > 1e-3, "{name} made no difference");
        before = after;
    }
}

#[test]
fn a_batch_gives_the_same_results_as_its_pictures_one_by_one() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let [_, c, h, w] = ODD;
    let x = seeded_tensor("batch input", &[3, c, h, w]);
    let batch = graph.logits(&x).unwrap();
    let one_by_one: Vec<f32> = x
        .to_nchw()
        .chunks_exact(c * h * w)
        .flat_map(|picture| {
            let picture = Tensor::from_nchw(&[1, c, h, w], picture);
            graph.logits(&picture).unwrap().to_nchw()
        })
        .collect();
    let one_by_one = Tensor::from_nchw(batch.shape(), &one_by_one);
    assert!(off(&batch, &one_by_one) <= 1e-6);
}
