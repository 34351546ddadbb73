//! The Swin transformers.

use crate::inference::check;

#[test]
fn swin_t_gives_what_pytorch_gives() {
    check("swin_t");
}

#[test]
fn swin_s_gives_what_pytorch_gives() {
    check("swin_s");
}

#[test]
fn swin_b_gives_what_pytorch_gives() {
    check("swin_b");
}
