//! The EfficientNets of TensorFlow.

use crate::inference::check;

#[test]
fn tf_efficientnet_b0_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b0");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b1_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b1");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b2_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b2");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b3_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b3");
}

#[test]
fn tf_efficientnet_b4_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b4");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b5_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b5");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b6_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b6");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
fn tf_efficientnet_b7_computes_the_same_as_pytorch() {
    check("tf_efficientnet_b7");
}
