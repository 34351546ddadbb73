//! The ViTs of torchvision.

use crate::inference::check;

#[test]
fn vit_b_16_gives_what_pytorch_gives() {
    check("vit_b_16");
}

#[test]
fn vit_b_32_gives_what_pytorch_gives() {
    check("vit_b_32");
}

#[test]
fn vit_l_16_gives_what_pytorch_gives() {
    check("vit_l_16");
}
