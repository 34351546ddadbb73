//! The MobileNetV3s of torchvision and timm, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn mobilenet_v3_large_computes_the_same_as_pytorch() {
    check("mobilenet_v3_large");
}

#[test]
fn mobilenet_v3_small_computes_the_same_as_pytorch() {
    check("mobilenet_v3_small");
}

#[test]
fn mobilenetv3_large_100_computes_the_same_as_pytorch() {
    check("mobilenetv3_large_100");
}

#[test]
fn mobilenetv3_small_100_computes_the_same_as_pytorch() {
    check("mobilenetv3_small_100");
}

#[test]
fn a_training_step_of_mobilenet_v3_small_equals_pytorchs() {
    training::check("mobilenet_v3_small");
}
