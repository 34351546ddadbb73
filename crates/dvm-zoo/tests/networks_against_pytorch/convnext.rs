//! The ConvNeXts.

use crate::inference::check;

#[test]
fn convnext_tiny_gives_what_pytorch_gives() {
    check("convnext_tiny");
}

#[test]
fn convnext_small_gives_what_pytorch_gives() {
    check("convnext_small");
}

#[test]
fn convnext_base_gives_what_pytorch_gives() {
    check("convnext_base");
}

#[test]
fn convnext_large_gives_what_pytorch_gives() {
    check("convnext_large");
}
