//! The EfficientNets of torchvision.

use crate::inference::check;

#[test]
fn efficientnet_b0_gives_what_pytorch_gives() {
    check("efficientnet_b0");
}

#[test]
fn efficientnet_b1_gives_what_pytorch_gives() {
    check("efficientnet_b1");
}

#[test]
fn efficientnet_b2_gives_what_pytorch_gives() {
    check("efficientnet_b2");
}

#[test]
fn efficientnet_b3_gives_what_pytorch_gives() {
    check("efficientnet_b3");
}

#[test]
fn efficientnet_b4_gives_what_pytorch_gives() {
    check("efficientnet_b4");
}

#[test]
fn efficientnet_b5_gives_what_pytorch_gives() {
    check("efficientnet_b5");
}

#[test]
fn efficientnet_b6_gives_what_pytorch_gives() {
    check("efficientnet_b6");
}

#[test]
fn efficientnet_b7_gives_what_pytorch_gives() {
    check("efficientnet_b7");
}
