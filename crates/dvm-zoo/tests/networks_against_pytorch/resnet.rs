//! The ResNets, ResNeXts and wide ResNets, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn resnet18_gives_what_pytorch_gives() {
    check("resnet18");
}

#[test]
fn resnet34_gives_what_pytorch_gives() {
    check("resnet34");
}

#[test]
fn resnet50_gives_what_pytorch_gives() {
    check("resnet50");
}

#[test]
fn resnet101_gives_what_pytorch_gives() {
    check("resnet101");
}

#[test]
fn resnet152_gives_what_pytorch_gives() {
    check("resnet152");
}

#[test]
fn resnext50_32x4d_gives_what_pytorch_gives() {
    check("resnext50_32x4d");
}

#[test]
fn resnext101_32x8d_gives_what_pytorch_gives() {
    check("resnext101_32x8d");
}

#[test]
fn resnext101_64x4d_gives_what_pytorch_gives() {
    check("resnext101_64x4d");
}

#[test]
fn wide_resnet50_2_gives_what_pytorch_gives() {
    check("wide_resnet50_2");
}

#[test]
fn wide_resnet101_2_gives_what_pytorch_gives() {
    check("wide_resnet101_2");
}

#[test]
fn a_training_step_of_resnet18_is_pytorchs() {
    training::check("resnet18");
}
