//! Backward passes with other rules than the true gradient.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::rules::{Composite, Rule, Where, deconvnet, guided_backprop};
use dvm_engine::{Blueprint, Graph, Keep, Mode, Node, Request, Tensor, ops, seeded};

use super::{assert_near, device};

fn network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, Conv2d::square(3), 3, 6, true);
    let x = net.activation("relu", x, Activation::Relu);
    let x = net.conv2d("conv2", x, Conv2d::square(3), 6, 5, true);
    let x = net.activation("silu", x, Activation::Silu);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flat", x);
    seeded::graph(net.ending_at(x))
}

fn gradient(graph: &Graph, rules: &Composite) -> Tensor {
    let picture = Tensor::from_nchw(&[1, 3, 9, 8], &seeded::uniform("picture", 216, -1.0, 1.0));
    let kept = graph.forward(&picture, Mode::Inference, Keep::All).unwrap();
    let seed = Tensor::from_stored(&[1, 5], vec![1.0, -0.5, 0.25, 2.0, -1.0]);
    let request = Request {
        nodes: &[graph.input()],
        parameters: &|_| false,
        rules,
    };
    let found = graph
        .backward(&kept, &[(graph.output(), seed)], &request)
        .unwrap();
    found.node(graph.input()).unwrap().clone()
}

/// A rule that no device knows.
#[derive(Debug)]
struct Halved;

impl Rule for Halved {
    fn name(&self) -> &'static str {
        "halved"
    }

    fn backward(
        &self,
        _: &Node,
        _: &ops::BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let mut half = grad_output.clone();
        half.data_mut().iter_mut().for_each(|value| *value /= 2.0);
        Ok(vec![Some(half)])
    }
}

#[test]
fn rules_give_the_same_gradients_as_on_the_cpu() {
    let (graph, device) = (network(), device());
    let on_device = graph.clone().with_device(Some(device.clone()));
    for (name, rules) in [
        ("guided backprop", guided_backprop()),
        ("deconvnet", deconvnet()),
    ] {
        let (found, expected) = (gradient(&on_device, &rules), gradient(&graph, &rules));
        assert_near(name, &found, &expected, 0.0);
    }
    assert!(device.left_to_cpu().is_empty());
}

#[test]
fn a_rule_that_the_device_does_not_know_is_computed_by_the_cpu_and_named() {
    let (graph, device) = (network(), device());
    let on_device = graph.clone().with_device(Some(device.clone()));
    let rules = Composite::new().with(Where::Activations, Halved);
    let (found, expected) = (gradient(&on_device, &rules), gradient(&graph, &rules));
    assert_near("halved", &found, &expected, 0.0);
    assert_eq!(device.left_to_cpu(), ["halved"]);
}
