//! ViT as timm names it ("An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
//! Dosovitskiy et al. 2020, arXiv 2010.11929), with weights of "How to train your ViT?" (Steiner et al.
//! 2021, arXiv 2106.10270), and DeiT: "Training data-efficient image transformers & distillation
//! through attention", Touvron et al. 2020, arXiv 2012.12877. A DeiT is a ViT with another
//! normalisation.

use dvm_engine::{Blueprint, Initialisation, Initialiser};
use dvm_image::Interpolation::Bicubic;

use super::vision_transformer::{AUGMENTED, Names, PAPER, SIDE, Shape, named, shape};
use super::{Architecture, Paper, Published, imagenet};

/// The ViTs and DeiTs of timm.
#[rustfmt::skip]
pub static ALL: [Architecture; 7] = [
    network("vit_tiny_patch16_224", PAPER, |classes| vit(shape(16, 192, 12, 3), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 75.452),
    ]),
    network("vit_small_patch16_224", PAPER, |classes| vit(shape(16, 384, 12, 6), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 81.402),
        augmented("augreg_in1k", "timm/vit_small_patch16_224.augreg_in1k", 78.842),
    ]),
    network("vit_small_patch32_224", PAPER, |classes| vit(shape(32, 384, 12, 6), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_small_patch32_224.augreg_in21k_ft_in1k", 76.01),
    ]),
    network("vit_base_patch16_224", PAPER, |classes| vit(shape(16, 768, 12, 12), classes), &[
        augmented("augreg2_in21k_ft_in1k", "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", 85.108),
        augmented("augreg_in21k_ft_in1k", "timm/vit_base_patch16_224.augreg_in21k_ft_in1k", 84.534),
        augmented("augreg_in1k", "timm/vit_base_patch16_224.augreg_in1k", 79.154),
    ]),
    network("deit_tiny_patch16_224", DEIT, |classes| vit(shape(16, 192, 12, 3), classes), &[
        deit("timm/deit_tiny_patch16_224.fb_in1k", 72.19),
    ]),
    network("deit_small_patch16_224", DEIT, |classes| vit(shape(16, 384, 12, 6), classes), &[
        deit("timm/deit_small_patch16_224.fb_in1k", 79.856),
    ]),
    network("deit_base_patch16_224", DEIT, |classes| vit(shape(16, 768, 12, 12), classes), &[
        deit("timm/deit_base_patch16_224.fb_in1k", 81.98),
    ]),
];

const DEIT: Paper = Paper {
    title: "Training data-efficient image transformers & distillation through attention",
    arxiv: "2012.12877",
};

/// Google's weights: short side 248, centre of 224, values from −1 to 1.
const fn augmented(tag: &'static str, repository: &'static str, top1: f32) -> Published {
    Published::hub(tag, repository, top1, AUGMENTED, "Apache-2.0")
}

/// Facebook's weights: short side 248, centre of 224.
const fn deit(repository: &'static str, top1: f32) -> Published {
    let preprocess = imagenet(248, SIDE, Bicubic);
    Published::hub("fb_in1k", repository, top1, preprocess, "Apache-2.0")
}

const fn network(
    name: &'static str,
    paper: Paper,
    build: fn(usize) -> Blueprint,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        name,
        timm: &[],
        paper,
        build,
        head: "head",
        initialisation: INITIALISATION,
        other_names: None,
        published,
        embedded: None,
    }
}

/// As timm. Its truncation at ±2 has no effect on so narrow a distribution.
const INITIALISATION: Initialisation = Initialisation {
    convolutions: Initialiser::UniformFanIn,
    linear: Initialiser::Normal(0.02),
    head: Initialiser::Normal(0.02),
    others: &[],
};

const NAMES: Names = Names {
    patches: "patch_embed.proj",
    class_token: "cls_token",
    positions: "pos_embed",
    norm: "norm",
    head: "head",
    blocks: "blocks.",
    first_norm: "norm1",
    queries: ("attn.qkv", "weight", "bias"),
    projection: "attn.proj",
    second_norm: "norm2",
    hidden: ["mlp.fc1", "mlp.fc2"],
};

fn vit(shape: Shape, classes: usize) -> Blueprint {
    named(&NAMES, shape, classes)
}
