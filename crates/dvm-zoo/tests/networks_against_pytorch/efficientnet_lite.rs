//! The EfficientNet-Lites.

use crate::inference::check;

#[test]
fn efficientnet_lite0_computes_the_same_as_pytorch() {
    check("efficientnet_lite0");
}

#[test]
fn efficientnet_lite1_computes_the_same_as_pytorch() {
    check("efficientnet_lite1");
}

#[test]
fn efficientnet_lite2_computes_the_same_as_pytorch() {
    check("efficientnet_lite2");
}

#[test]
fn efficientnet_lite3_computes_the_same_as_pytorch() {
    check("efficientnet_lite3");
}

#[test]
fn efficientnet_lite4_computes_the_same_as_pytorch() {
    check("efficientnet_lite4");
}
