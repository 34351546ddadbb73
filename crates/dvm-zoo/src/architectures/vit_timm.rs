//! ViT as timm names it ("An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
//! Dosovitskiy et al. 2020, arXiv 2010.11929), with weights of "How to train your ViT?" (Steiner et al.
//! 2021, arXiv 2106.10270), and DeiT: "Training data-efficient image transformers & distillation
//! through attention", Touvron et al. 2020, arXiv 2012.12877. A DeiT is a ViT with another
//! normalisation.

use dvm_engine::{Blueprint, Initialiser};

use super::vision_transformer::{AUGMENTED, Names, PAPER, SIDE, Shape, named, shape};
use super::{Architecture, Family, Paper, Published, initialised, timm};

/// The ViTs and DeiTs of timm.
#[rustfmt::skip]
pub static ALL: [Architecture; 7] = [
    VIT.network("vit_tiny_patch16_224", |classes| vit(shape(16, 192, 12, 3), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 75.452),
    ]),
    VIT.network("vit_small_patch16_224", |classes| vit(shape(16, 384, 12, 6), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 81.402),
        augmented("augreg_in1k", "timm/vit_small_patch16_224.augreg_in1k", 78.842),
    ]),
    VIT.network("vit_small_patch32_224", |classes| vit(shape(32, 384, 12, 6), classes), &[
        augmented("augreg_in21k_ft_in1k", "timm/vit_small_patch32_224.augreg_in21k_ft_in1k", 76.01),
    ]),
    VIT.network("vit_base_patch16_224", |classes| vit(shape(16, 768, 12, 12), classes), &[
        augmented("augreg2_in21k_ft_in1k", "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", 85.108),
        augmented("augreg_in21k_ft_in1k", "timm/vit_base_patch16_224.augreg_in21k_ft_in1k", 84.534),
        augmented("augreg_in1k", "timm/vit_base_patch16_224.augreg_in1k", 79.154),
    ]),
    DEIT.network("deit_tiny_patch16_224", |classes| vit(shape(16, 192, 12, 3), classes), &[
        timm("fb_in1k", "timm/deit_tiny_patch16_224.fb_in1k", 72.19, 248, SIDE),
    ]),
    DEIT.network("deit_small_patch16_224", |classes| vit(shape(16, 384, 12, 6), classes), &[
        timm("fb_in1k", "timm/deit_small_patch16_224.fb_in1k", 79.856, 248, SIDE),
    ]),
    DEIT.network("deit_base_patch16_224", |classes| vit(shape(16, 768, 12, 12), classes), &[
        timm("fb_in1k", "timm/deit_base_patch16_224.fb_in1k", 81.98, 248, SIDE),
    ]),
];

const VIT: Family = Family {
    paper: PAPER,
    head: "head",
    // As timm. Its truncation at ±2 has no effect on so narrow a distribution.
    initialisation: initialised(Initialiser::UniformFanIn, Initialiser::Normal(0.02)),
    other_names: None,
};
const DEIT: Family = Family {
    paper: Paper {
        title: "Training data-efficient image transformers & distillation through attention",
        arxiv: "2012.12877",
    },
    ..VIT
};

/// Google's weights: short side 248, centre of 224, values from −1 to 1.
const fn augmented(tag: &'static str, repository: &'static str, top1: f32) -> Published {
    Published::hub(tag, repository, top1, AUGMENTED, "Apache-2.0")
}

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
