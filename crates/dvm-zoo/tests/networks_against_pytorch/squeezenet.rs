//! The SqueezeNets.

use crate::inference::check;

#[test]
fn squeezenet1_0_computes_the_same_as_pytorch() {
    check("squeezenet1_0");
}

#[test]
fn squeezenet1_1_computes_the_same_as_pytorch() {
    check("squeezenet1_1");
}
