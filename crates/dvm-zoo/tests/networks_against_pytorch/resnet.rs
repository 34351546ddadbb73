//! The ResNets, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn resnet18_gives_what_pytorch_gives() {
    check("resnet18");
}

#[test]
fn resnet34_gives_what_pytorch_gives() {
    check("resnet34");
}

#[test]
fn resnet50_gives_what_pytorch_gives() {
    check("resnet50");
}

#[test]
fn resnet101_gives_what_pytorch_gives() {
    check("resnet101");
}

#[test]
fn resnet152_gives_what_pytorch_gives() {
    check("resnet152");
}

#[test]
fn a_training_step_of_resnet18_is_pytorchs() {
    training::check("resnet18");
}
