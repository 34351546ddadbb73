//! The EfficientNet-Lites.

use crate::inference::check;

#[test]
fn efficientnet_lite0_gives_what_pytorch_gives() {
    check("efficientnet_lite0");
}

#[test]
fn efficientnet_lite1_gives_what_pytorch_gives() {
    check("efficientnet_lite1");
}

#[test]
fn efficientnet_lite2_gives_what_pytorch_gives() {
    check("efficientnet_lite2");
}

#[test]
fn efficientnet_lite3_gives_what_pytorch_gives() {
    check("efficientnet_lite3");
}

#[test]
fn efficientnet_lite4_gives_what_pytorch_gives() {
    check("efficientnet_lite4");
}
