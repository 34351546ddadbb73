//! GoogLeNet, and a step of its training with its auxiliary heads.

use crate::inference::check;
use crate::training;

#[test]
fn googlenet_computes_the_same_as_pytorch() {
    check("googlenet");
}

#[test]
fn a_training_step_of_googlenet_equals_pytorchs() {
    training::check("googlenet");
}
