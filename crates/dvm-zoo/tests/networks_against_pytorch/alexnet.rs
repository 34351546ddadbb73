//! AlexNet, and a step of its training.

use crate::inference::check;
use crate::training;

#[test]
fn alexnet_computes_the_same_as_pytorch() {
    check("alexnet");
}

#[test]
fn a_training_step_of_alexnet_equals_pytorchs() {
    training::check("alexnet");
}
