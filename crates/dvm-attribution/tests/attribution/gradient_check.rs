//! The first true gradient of a network is checked; with replaced rules there is nothing to check.

use dvm_attribution::Error;
use dvm_engine::ops::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use dvm_engine::ops::{BackwardCall, Class, ForwardCall, ForwardResult, Gradients, Op, Reach};
use dvm_engine::{Blueprint, Graph, Tensor, seeded};
use dvm_image::{Picture, Preprocess};

use crate::subject::Case;

/// Passes its input on, and twice the gradient back.
#[derive(Debug)]
struct Doubled;

impl Op for Doubled {
    fn kind(&self) -> &'static str {
        "doubled"
    }

    fn class(&self) -> Class {
        Class::Arithmetic
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        SpatialLayout::unmoved(inputs, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::by_reach(self, input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        call.inputs[0].clone().into()
    }

    fn backward(&self, _: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let doubled = grad_output.data().iter().map(|g| 2.0 * g).collect();
        Ok(Gradients::input(Tensor::from_stored(
            grad_output.shape(),
            doubled,
        )))
    }
}

fn graph() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.node("twice", Doubled, &[x], &[]);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 3 * 12 * 10, 4, true);
    seeded::graph(net.ending_at(x))
}

fn case() -> Case {
    let mut preprocess = Preprocess::imagenet();
    preprocess.resize = dvm_image::Resize::None;
    preprocess.crop = (12, 10);
    let mut picture = Picture::filled(10, 12, [90, 120, 60]);
    picture.set_pixel(3, 4, [250, 10, 80]);
    Case::new(graph(), preprocess, picture)
}

#[test]
fn every_method_with_a_true_gradient_refuses_a_wrong_one() {
    for method in [
        "gradient",
        "input-x-gradient",
        "integrated-gradients",
        "smoothgrad",
    ] {
        let error = case().explain(method, &[], &[0]).unwrap_err();
        let Error::Network(source @ dvm_engine::Error::Gradient { .. }) = &error else {
            panic!("{method}: {error}");
        };
        assert!(
            source.to_string().contains("node `twice` (doubled)"),
            "{source}"
        );
    }
}

#[test]
fn replaced_rules_are_not_checked() {
    case().explain("guided-backprop", &[], &[0]).unwrap();
}
