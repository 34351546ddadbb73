//! Inception-v3, and a step of its training with its auxiliary head.

use crate::inference::check;
use crate::training;

#[test]
fn inception_v3_gives_what_pytorch_gives() {
    check("inception_v3");
}

#[test]
fn a_training_step_of_inception_v3_is_pytorchs() {
    training::check("inception_v3");
}
