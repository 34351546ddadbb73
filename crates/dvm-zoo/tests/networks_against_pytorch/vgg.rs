//! The VGGs.

use crate::inference::check;

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg11_gives_what_pytorch_gives() {
    check("vgg11");
}

#[test]
fn vgg11_bn_gives_what_pytorch_gives() {
    check("vgg11_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg13_gives_what_pytorch_gives() {
    check("vgg13");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg13_bn_gives_what_pytorch_gives() {
    check("vgg13_bn");
}

#[test]
fn vgg16_gives_what_pytorch_gives() {
    check("vgg16");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg16_bn_gives_what_pytorch_gives() {
    check("vgg16_bn");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg19_gives_what_pytorch_gives() {
    check("vgg19");
}

#[test]
#[ignore = "as slow as vgg16 and vgg11_bn, which are of the same table"]
fn vgg19_bn_gives_what_pytorch_gives() {
    check("vgg19_bn");
}
