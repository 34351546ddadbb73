//! The EfficientNets of torchvision.

use crate::inference::check;

#[test]
fn efficientnet_b0_computes_the_same_as_pytorch() {
    check("efficientnet_b0");
}

#[test]
fn efficientnet_b1_computes_the_same_as_pytorch() {
    check("efficientnet_b1");
}

#[test]
fn efficientnet_b2_computes_the_same_as_pytorch() {
    check("efficientnet_b2");
}

#[test]
fn efficientnet_b3_computes_the_same_as_pytorch() {
    check("efficientnet_b3");
}

#[test]
fn efficientnet_b4_computes_the_same_as_pytorch() {
    check("efficientnet_b4");
}

#[test]
fn efficientnet_b5_computes_the_same_as_pytorch() {
    check("efficientnet_b5");
}

#[test]
fn efficientnet_b6_computes_the_same_as_pytorch() {
    check("efficientnet_b6");
}

#[test]
fn efficientnet_b7_computes_the_same_as_pytorch() {
    check("efficientnet_b7");
}
