//! The Swin transformers.

use crate::inference::check;

#[test]
fn swin_t_computes_the_same_as_pytorch() {
    check("swin_t");
}

#[test]
fn swin_s_computes_the_same_as_pytorch() {
    check("swin_s");
}

#[test]
fn swin_b_computes_the_same_as_pytorch() {
    check("swin_b");
}
