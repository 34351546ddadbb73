//! The VGGs.

use crate::inference::check;

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg11_computes_the_same_as_pytorch() {
    check("vgg11");
}

#[test]
fn vgg11_bn_computes_the_same_as_pytorch() {
    check("vgg11_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg13_computes_the_same_as_pytorch() {
    check("vgg13");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg13_bn_computes_the_same_as_pytorch() {
    check("vgg13_bn");
}

#[test]
fn vgg16_computes_the_same_as_pytorch() {
    check("vgg16");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg16_bn_computes_the_same_as_pytorch() {
    check("vgg16_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg19_computes_the_same_as_pytorch() {
    check("vgg19");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
fn vgg19_bn_computes_the_same_as_pytorch() {
    check("vgg19_bn");
}
