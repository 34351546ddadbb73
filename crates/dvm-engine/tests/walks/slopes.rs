//! Gradients against finite differences of the graph itself.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Graph, Keep, Mode, Request, Role, Tensor, rules, seeded};

use crate::{TRAINING, moved, seed, wide};
use dvm_testing::graphs::{self, seeded_tensor};

/// `Σ logits · seed` in f64.
fn score(graph: &Graph, x: &Tensor, mode: Mode) -> f64 {
    let logits = graph.forward(x, mode, Keep::Output).unwrap();
    let logits = logits.output();
    let [(_, seed)] = seed(graph, logits);
    let pairs = wide(logits).into_iter().zip(wide(&seed));
    pairs.map(|(l, s)| l * s).sum()
}

/// The derivative at 0 of a smooth function of one number, from its values at four points. With f32 results
/// the step must be large, and the fourth order keeps the truncation error small.
fn slope(f: impl Fn(f32) -> f64) -> f64 {
    const STEP: f32 = 0.03125;
    let near = f(STEP) - f(-STEP);
    let far = f(2.0 * STEP) - f(-2.0 * STEP);
    (8.0 * near - far) / (12.0 * f64::from(STEP))
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.data().iter().zip(b.data());
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// A direction of length `length`.
fn direction(name: &str, shape: &[usize], length: f64) -> Tensor {
    let mut direction = seeded_tensor(name, shape);
    let factor = (length / dot(&direction, &direction).sqrt()) as f32;
    direction.data_mut().iter_mut().for_each(|d| *d *= factor);
    direction
}

/// A network with a residual, a gate and two branches, in which every function is smooth.
pub fn smooth() -> Graph {
    let mut net = Blueprint::new(2);
    let x = net.input();
    let x = net.conv2d("stem", x, graphs::padded(3).stride(2), 2, 6, true);
    let x = net.batch_norm("stem.bn", x, 6, 1e-5);
    let x = net.activation("stem.act", x, Activation::Silu);
    let y = net.conv2d("branch", x, graphs::padded(3), 6, 6, false);
    let y = net.activation("branch.act", y, Activation::Tanh);
    let x = net.add("add", x, y);
    let gate = net.activation("gate", x, Activation::Sigmoid);
    let x = net.mul("mul", x, gate);
    let x = net.concat("concat", &[x, y, x]);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.2);
    let x = net.linear("head", x, 18, 5, true);
    let x = net.softmax("softmax", x);
    seeded::graph(net.ending_at(x))
}

#[test]
fn the_gradient_of_a_graph_is_its_directional_derivative() {
    let graph = smooth();
    let x = seeded_tensor("slope input", &[2, 2, 7, 9]);
    for mode in [Mode::Inference, TRAINING] {
        let activations = graph.forward(&x, mode, Keep::All).unwrap();
        let seeds = seed(&graph, activations.output());
        let nodes = [graph.input()];
        let gradients = graph
            .backward(&activations, &seeds, &Request::nodes(&nodes))
            .unwrap();
        let gradient = gradients.node(graph.input()).unwrap();
        let scale = dot(gradient, gradient).sqrt();
        for round in 0..6 {
            let d = direction(&format!("direction {round}"), x.shape(), 1.0);
            let expected = slope(|by| score(&graph, &moved(&x, &d, by), mode));
            let error = (dot(gradient, &d) - expected).abs() / scale;
            assert!(error < 1e-4, "{mode:?}, {round}: off by {error:.1e}");
        }
    }
}

#[test]
fn the_gradient_of_every_parameter_is_its_slope() {
    let mut graph = smooth();
    let x = seeded_tensor("slope input", &[2, 2, 7, 9]);
    let request = Request {
        nodes: &[],
        parameters: &|_| true,
        rules: &rules::TRUE_GRADIENT,
    };
    let activations = graph.forward(&x, TRAINING, Keep::All).unwrap();
    let seeds = seed(&graph, activations.output());
    let gradients = graph.backward(&activations, &seeds, &request).unwrap();
    for index in 0..graph.parameters().len() {
        let parameter = graph.parameters()[index].clone();
        if parameter.role == Role::Statistic {
            assert!(gradients.parameter(index).is_none(), "{}", parameter.name);
            continue;
        }
        let gradient = gradients.parameter(index).unwrap();
        let d = direction(&parameter.name, &parameter.shape, 0.5);
        let value = graph.values()[index].clone();
        let graph = std::cell::RefCell::new(&mut graph);
        let expected = slope(|by| {
            let mut graph = graph.borrow_mut();
            graph.set_value(index, moved(&value, &d, by)).unwrap();
            score(&graph, &x, TRAINING)
        });
        graph.borrow_mut().set_value(index, value).unwrap();
        let scale = 0.5 * dot(gradient, gradient).sqrt();
        let error = (dot(gradient, &d) - expected).abs();
        assert!(
            error < 1e-3 * scale.max(1e-3),
            "{}: {:.3e} instead of {expected:.3e}",
            parameter.name,
            dot(gradient, &d)
        );
    }
}
