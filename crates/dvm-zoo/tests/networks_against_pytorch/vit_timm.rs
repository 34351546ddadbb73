//! The ViTs and DeiTs of timm, and a step of training of one.

use crate::inference::check;
use crate::training;

#[test]
fn vit_tiny_patch16_224_computes_the_same_as_pytorch() {
    check("vit_tiny_patch16_224");
}

#[test]
fn vit_small_patch16_224_computes_the_same_as_pytorch() {
    check("vit_small_patch16_224");
}

#[test]
fn vit_small_patch32_224_computes_the_same_as_pytorch() {
    check("vit_small_patch32_224");
}

#[test]
fn vit_base_patch16_224_computes_the_same_as_pytorch() {
    check("vit_base_patch16_224");
}

#[test]
#[ignore = "the same layers as the vit of this size"]
fn deit_tiny_patch16_224_computes_the_same_as_pytorch() {
    check("deit_tiny_patch16_224");
}

#[test]
#[ignore = "the same layers as the vit of this size"]
fn deit_small_patch16_224_computes_the_same_as_pytorch() {
    check("deit_small_patch16_224");
}

#[test]
#[ignore = "the same layers as the vit of this size"]
fn deit_base_patch16_224_computes_the_same_as_pytorch() {
    check("deit_base_patch16_224");
}

#[test]
fn a_training_step_of_vit_tiny_equals_pytorchs() {
    training::check("vit_tiny_patch16_224");
}
