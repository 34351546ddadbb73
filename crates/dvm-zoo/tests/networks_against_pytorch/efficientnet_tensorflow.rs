//! The EfficientNets of TensorFlow.

use crate::inference::check;

#[test]
fn tf_efficientnet_b0_gives_what_pytorch_gives() {
    check("tf_efficientnet_b0");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b1_gives_what_pytorch_gives() {
    check("tf_efficientnet_b1");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b2_gives_what_pytorch_gives() {
    check("tf_efficientnet_b2");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b3_gives_what_pytorch_gives() {
    check("tf_efficientnet_b3");
}

#[test]
fn tf_efficientnet_b4_gives_what_pytorch_gives() {
    check("tf_efficientnet_b4");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b5_gives_what_pytorch_gives() {
    check("tf_efficientnet_b5");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b6_gives_what_pytorch_gives() {
    check("tf_efficientnet_b6");
}

#[test]
#[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which are of the same table"]
fn tf_efficientnet_b7_gives_what_pytorch_gives() {
    check("tf_efficientnet_b7");
}
