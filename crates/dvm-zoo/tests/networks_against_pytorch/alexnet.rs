//! AlexNet, and a step of its training.

use crate::inference::check;
use crate::training;

#[test]
fn alexnet_gives_what_pytorch_gives() {
    check("alexnet");
}

#[test]
fn a_training_step_of_alexnet_is_pytorchs() {
    training::check("alexnet");
}
