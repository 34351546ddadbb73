//! The SqueezeNets.

use crate::inference::check;

#[test]
fn squeezenet1_0_gives_what_pytorch_gives() {
    check("squeezenet1_0");
}

#[test]
fn squeezenet1_1_gives_what_pytorch_gives() {
    check("squeezenet1_1");
}
