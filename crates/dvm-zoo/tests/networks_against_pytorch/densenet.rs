//! The DenseNets, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn densenet121_gives_what_pytorch_gives() {
    check("densenet121");
}

#[test]
fn densenet161_gives_what_pytorch_gives() {
    check("densenet161");
}

#[test]
fn densenet169_gives_what_pytorch_gives() {
    check("densenet169");
}

#[test]
fn densenet201_gives_what_pytorch_gives() {
    check("densenet201");
}

#[test]
fn a_training_step_of_densenet121_is_pytorchs() {
    training::check("densenet121");
}
