//! The DenseNets, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn densenet121_computes_the_same_as_pytorch() {
    check("densenet121");
}

#[test]
fn densenet161_computes_the_same_as_pytorch() {
    check("densenet161");
}

#[test]
fn densenet169_computes_the_same_as_pytorch() {
    check("densenet169");
}

#[test]
fn densenet201_computes_the_same_as_pytorch() {
    check("densenet201");
}

#[test]
fn a_training_step_of_densenet121_equals_pytorchs() {
    training::check("densenet121");
}
