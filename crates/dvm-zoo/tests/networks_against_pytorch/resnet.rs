//! The ResNets, ResNeXts and wide ResNets, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn resnet18_computes_the_same_as_pytorch() {
    check("resnet18");
}

#[test]
fn resnet34_computes_the_same_as_pytorch() {
    check("resnet34");
}

#[test]
fn resnet50_computes_the_same_as_pytorch() {
    check("resnet50");
}

#[test]
fn resnet101_computes_the_same_as_pytorch() {
    check("resnet101");
}

#[test]
fn resnet152_computes_the_same_as_pytorch() {
    check("resnet152");
}

#[test]
fn resnext50_32x4d_computes_the_same_as_pytorch() {
    check("resnext50_32x4d");
}

#[test]
fn resnext101_32x8d_computes_the_same_as_pytorch() {
    check("resnext101_32x8d");
}

#[test]
fn resnext101_64x4d_computes_the_same_as_pytorch() {
    check("resnext101_64x4d");
}

#[test]
fn wide_resnet50_2_computes_the_same_as_pytorch() {
    check("wide_resnet50_2");
}

#[test]
fn wide_resnet101_2_computes_the_same_as_pytorch() {
    check("wide_resnet101_2");
}

#[test]
fn a_training_step_of_resnet18_equals_pytorchs() {
    training::check("resnet18");
}
