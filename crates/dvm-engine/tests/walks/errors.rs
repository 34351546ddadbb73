//! Passes that end in an error.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::{Blueprint, Error, Keep, Mode, Request, Tensor, seeded};

use crate::seed;
use crate::slopes::smooth;
use dvm_testing::graphs::{self, seeded_tensor};

#[test]
fn a_backward_pass_without_the_needed_values_is_an_error_that_names_the_node() {
    let graph = smooth();
    let x = seeded_tensor("kept input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::Output).unwrap();
    let seeds = seed(&graph, activations.output());
    let nodes = [graph.input()];
    let error = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .err()
        .unwrap();
    assert_eq!(
        error,
        Error::NotKept {
            node: "dropout".into()
        }
    );
}

#[test]
fn a_seed_of_the_wrong_shape_is_an_error_with_both_shapes() {
    let graph = smooth();
    let x = seeded_tensor("seed input", &[1, 2, 7, 9]);
    let activations = graph.forward(&x, Mode::Inference, Keep::All).unwrap();
    let seeds = [(graph.output(), Tensor::zeros(&[1, 4]))];
    let nodes = [graph.input()];
    let error = graph
        .backward(&activations, &seeds, &Request::nodes(&nodes))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "node `softmax` (softmax): has the value [1, 5], its gradient [1, 4]"
    );
}

#[test]
fn the_wrong_number_of_channels_is_an_error() {
    let graph = seeded::graph(graphs::branching(Activation::Relu));
    let error = graph.logits(&Tensor::zeros(&[1, 4, 32, 32])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node `input` (input): the network expects [N, 3, H, W], not [[1, 4, 32, 32]]"
    );
}

#[test]
fn a_picture_smaller_than_a_window_is_an_error_that_names_the_node() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(7), 3, 4, true);
    let graph = seeded::graph(net.ending_at(x));
    let error = graph.logits(&Tensor::zeros(&[1, 3, 9, 5])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node `conv` (conv2d): its window reaches over 7 pixels but the padded input has 5"
    );
}
