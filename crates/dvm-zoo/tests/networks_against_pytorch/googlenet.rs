//! GoogLeNet, and a step of its training with its auxiliary heads.

use crate::inference::check;
use crate::training;

#[test]
fn googlenet_gives_what_pytorch_gives() {
    check("googlenet");
}

#[test]
fn a_training_step_of_googlenet_is_pytorchs() {
    training::check("googlenet");
}
