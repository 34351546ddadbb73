//! Training steps.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::passes::fuse_for_training;
use dvm_engine::{Blueprint, Graph, Keep, Mode, Request, Tensor, rules, seeded};

use super::{assert_near, device};

/// A residual block with batch norms, dropout and a linear layer, fused for training.
fn network() -> Graph {
    let same = || Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem", x, same().stride(2), 3, 8, false);
    let x = net.batch_norm("norm", x, 8, 1e-5);
    let begin = net.activation("relu", x, Activation::Relu);
    let x = net.conv2d("conv", begin, same(), 8, 8, false);
    let x = net.batch_norm("norm2", x, 8, 1e-5);
    let x = net.add("add", x, begin);
    let x = net.activation("relu2", x, Activation::Relu);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flat", x);
    let x = net.dropout("dropout", x, 0.3);
    let x = net.linear("fc", x, 8, 4, true);
    fuse_for_training(&seeded::graph(net.ending_at(x)))
}

/// Two steps of gradient descent; the logits of both.
fn two_steps(mut graph: Graph) -> (Graph, Vec<Tensor>) {
    let shape = [4, 3, 12, 10];
    let values = seeded::uniform("pictures", shape.iter().product(), -1.0, 1.0);
    let pictures = Tensor::from_nchw(&shape, &values);
    let mut logits = Vec::new();
    for seed in [1, 2] {
        let mode = Mode::Training { seed };
        let kept = graph.forward(&pictures, mode, Keep::Backward).unwrap();
        logits.push(kept.output().clone());
        let statistics = kept.statistics().to_vec();
        // The gradient of half the squared logits.
        let seeds = vec![(graph.output(), kept.output().clone())];
        let request = Request {
            nodes: &[],
            parameters: &|_| true,
            rules: &rules::TRUE_GRADIENT,
        };
        let found = graph.backward_releasing(kept, seeds, &request).unwrap();
        graph.update(|index, _, values| {
            if let Some(gradient) = found.parameter(index) {
                for (value, slope) in values.iter_mut().zip(gradient.data()) {
                    *value -= 0.05 * slope;
                }
            }
        });
        for (index, value) in statistics {
            graph.set_value(index, value).unwrap();
        }
    }
    (graph, logits)
}

#[test]
fn two_training_steps_give_the_same_network_as_on_the_cpu() {
    let (graph, device) = (network(), device());
    let on_device = graph.clone().with_device(Some(device.clone()));
    let ((expected, logits), (found, own)) = (two_steps(graph), two_steps(on_device));
    for (step, (own, logits)) in own.iter().zip(&logits).enumerate() {
        assert_near(&format!("logits of step {step}"), own, logits, 0.0);
    }
    for (index, parameter) in expected.parameters().iter().enumerate() {
        let (own, value) = (&found.values()[index], &expected.values()[index]);
        assert_near(&parameter.name, own, value, 0.0);
    }
    assert!(device.left_to_cpu().is_empty());
}
