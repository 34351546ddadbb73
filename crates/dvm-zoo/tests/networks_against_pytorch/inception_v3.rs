//! Inception-v3, and a step of its training with its auxiliary head.

use crate::inference::check;
use crate::training;

#[test]
fn inception_v3_computes_the_same_as_pytorch() {
    check("inception_v3");
}

#[test]
fn a_training_step_of_inception_v3_equals_pytorchs() {
    training::check("inception_v3");
}
