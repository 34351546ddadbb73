//! The ShuffleNetV2s.

use crate::inference::check;

#[test]
fn shufflenet_v2_x0_5_computes_the_same_as_pytorch() {
    check("shufflenet_v2_x0_5");
}

#[test]
fn shufflenet_v2_x1_0_computes_the_same_as_pytorch() {
    check("shufflenet_v2_x1_0");
}

#[test]
fn shufflenet_v2_x1_5_computes_the_same_as_pytorch() {
    check("shufflenet_v2_x1_5");
}

#[test]
fn shufflenet_v2_x2_0_computes_the_same_as_pytorch() {
    check("shufflenet_v2_x2_0");
}
