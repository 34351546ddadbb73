//! The ConvNeXts.

use crate::inference::check;

#[test]
fn convnext_tiny_computes_the_same_as_pytorch() {
    check("convnext_tiny");
}

#[test]
fn convnext_small_computes_the_same_as_pytorch() {
    check("convnext_small");
}

#[test]
fn convnext_base_computes_the_same_as_pytorch() {
    check("convnext_base");
}

#[test]
fn convnext_large_computes_the_same_as_pytorch() {
    check("convnext_large");
}
