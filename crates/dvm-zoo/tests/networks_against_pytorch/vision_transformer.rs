//! The ViTs of torchvision.

use crate::inference::check;

#[test]
fn vit_b_16_computes_the_same_as_pytorch() {
    check("vit_b_16");
}

#[test]
fn vit_b_32_computes_the_same_as_pytorch() {
    check("vit_b_32");
}

#[test]
fn vit_l_16_computes_the_same_as_pytorch() {
    check("vit_l_16");
}
