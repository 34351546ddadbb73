//! The ShuffleNetV2s.

use crate::inference::check;

#[test]
fn shufflenet_v2_x0_5_gives_what_pytorch_gives() {
    check("shufflenet_v2_x0_5");
}

#[test]
fn shufflenet_v2_x1_0_gives_what_pytorch_gives() {
    check("shufflenet_v2_x1_0");
}

#[test]
fn shufflenet_v2_x1_5_gives_what_pytorch_gives() {
    check("shufflenet_v2_x1_5");
}

#[test]
fn shufflenet_v2_x2_0_gives_what_pytorch_gives() {
    check("shufflenet_v2_x2_0");
}
