//! ViT: "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", Dosovitskiy et
//! al. 2020, arXiv 2010.11929, as torchvision builds and names it. (As timm names it: `vit_timm`.)
//!
//! Each token has a learned position embedding, so the input size is fixed: 224 pixels.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::slice::Slice;
use dvm_engine::{Blueprint, Initialisation, Initialiser, NodeId, Role};
use dvm_image::Interpolation::{Bicubic, Bilinear};
use dvm_image::Preprocess;

use super::{Architecture, Family, Paper, Published, imagenet, symmetric};

/// The ViTs of torchvision.
#[rustfmt::skip]
pub static ALL: [Architecture; 3] = [
    Architecture {
        other_names: Some(of_former_torchvision),
        ..FAMILY.network("vit_b_16", |classes| vit(shape(16, 768, 12, 12), classes), &[
            first("vit_b_16-c867db91.pth", 81.072, 256),
        ])
    },
    FAMILY.network("vit_b_32", |classes| vit(shape(32, 768, 12, 12), classes), &[
        first("vit_b_32-d86f8d99.pth", 75.912, 256),
        augmented("timm/vit_base_patch32_224.augreg_in21k_ft_in1k", 80.732),
    ]),
    FAMILY.network("vit_l_16", |classes| vit(shape(16, 1024, 24, 16), classes), &[
        first("vit_l_16-852ce7e3.pth", 79.662, 242),
        augmented("timm/vit_large_patch16_224.augreg_in21k_ft_in1k", 85.856),
    ]),
];

const fn first(file: &'static str, top1: f32, short_side: usize) -> Published {
    let preprocess = imagenet(short_side, SIDE, Bilinear);
    Published::torchvision("IMAGENET1K_V1", file, top1, preprocess)
}

/// Google's weights from timm (arXiv 2106.10270): short side 248, centre of 224, values from −1 to 1.
const fn augmented(repository: &'static str, top1: f32) -> Published {
    let tag = "augreg_in21k_ft_in1k";
    Published::hub(tag, repository, top1, AUGMENTED, "Apache-2.0")
}

/// The preprocessing of Google's weights from timm.
pub(super) const AUGMENTED: Preprocess = symmetric(248, SIDE, Bicubic);

const FAMILY: Family = Family {
    paper: PAPER,
    head: "heads.head",
    // As torchvision.
    initialisation: Initialisation {
        convolutions: Initialiser::NormalFanIn,
        linear: Initialiser::XavierUniformUnlessSquare,
        head: Initialiser::Zero,
        others: &[],
    },
    other_names: Some(from_timm),
};

/// The paper.
pub(super) const PAPER: Paper = Paper {
    title: "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    arxiv: "2010.11929",
};

/// Rows and columns of the input.
pub(super) const SIDE: usize = 224;
/// Epsilon of all layer-norms.
pub(super) const EPS: f32 = 1e-6;

/// The size of a ViT.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Rows and columns of a patch.
    pub patch: usize,
    /// Features of a token.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Heads of each attention.
    pub heads: usize,
}

/// A [`Shape`].
pub(super) const fn shape(patch: usize, width: usize, depth: usize, heads: usize) -> Shape {
    Shape {
        patch,
        width,
        depth,
        heads,
    }
}

/// Names of the layers of a ViT.
pub(super) struct Names {
    pub patches: &'static str,
    pub class_token: &'static str,
    pub positions: &'static str,
    pub norm: &'static str,
    pub head: &'static str,
    /// Prefix of the number of a block.
    pub blocks: &'static str,
    pub first_norm: &'static str,
    /// The layer of queries, keys and values, its weight and its bias.
    pub queries: (&'static str, &'static str, &'static str),
    /// The layer after the attention.
    pub projection: &'static str,
    pub second_norm: &'static str,
    pub hidden: [&'static str; 2],
}

const NAMES: Names = Names {
    patches: "conv_proj",
    class_token: "class_token",
    positions: "encoder.pos_embedding",
    norm: "encoder.ln",
    head: "heads.head",
    blocks: "encoder.layers.encoder_layer_",
    first_norm: "ln_1",
    queries: ("self_attention", "in_proj_weight", "in_proj_bias"),
    projection: "self_attention.out_proj",
    second_norm: "ln_2",
    hidden: ["mlp.0", "mlp.3"],
};

fn vit(shape: Shape, classes: usize) -> Blueprint {
    named(&NAMES, shape, classes)
}

/// A ViT with these names of layers.
pub(super) fn named(names: &Names, shape: Shape, classes: usize) -> Blueprint {
    let Shape { patch, width, .. } = shape;
    let mut net = Blueprint::new(3);
    let picture = net.input();
    let patches = Conv2d::square(patch).stride(patch);
    let x = net.conv2d(names.patches, picture, patches, 3, width, true);
    let x = net.tokens(&format!("{}.tokens", names.patches), x);
    let class = net.repeat(names.class_token, picture, &[1, 1, width]);
    let x = net.concat_along("tokens", 1, &[class, x]);
    let tokens = 1 + (SIDE / patch).pow(2);
    let mut x = net.add_parameter(names.positions, x, &[1, tokens, width]);
    for index in 0..shape.depth {
        let path = format!("{}{index}", names.blocks);
        x = block(&mut net, names, &path, x, shape);
    }
    let x = net.layer_norm(names.norm, x, width, EPS);
    // Only the class token is used.
    let first = Slice {
        axis: 1,
        start: 0,
        step: 1,
        count: Some(1),
    };
    let x = net.slice("class", x, first);
    let x = net.flatten("flatten", x);
    let x = net.linear(names.head, x, width, classes, true);
    net.ending_at(x)
}

/// Attention between tokens, then two linear layers for each token; both with a shortcut.
fn block(net: &mut Blueprint, names: &Names, path: &str, x: NodeId, shape: Shape) -> NodeId {
    let Shape { width, heads, .. } = shape;
    let name = |layer: &str| format!("{path}.{layer}");
    let y = net.layer_norm(&name(names.first_norm), x, width, EPS);
    let (layer, weight, bias) = names.queries;
    let y = net.node(
        &name(layer),
        Linear,
        &[y],
        &[
            (weight, &[3 * width, width], Role::Weight),
            (bias, &[3 * width], Role::Bias),
        ],
    );
    let y = net.attention(&name("attention"), y, heads);
    let y = net.linear(&name(names.projection), y, width, width, true);
    let x = net.add(&name("add1"), y, x);
    let y = net.layer_norm(&name(names.second_norm), x, width, EPS);
    let [up, down] = names.hidden;
    let y = net.linear(&name(up), y, width, 4 * width, true);
    let y = net.activation(&name("gelu"), y, Activation::Gelu);
    let y = net.linear(&name(down), y, 4 * width, width, true);
    net.add(&name("add2"), y, x)
}

/// The name here of a parameter in torchvision before version 0.14, and still in its published files.
fn of_former_torchvision(name: &str) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    if let Some(path) = layer.strip_suffix(".mlp.linear_1") {
        return Some(format!("{path}.mlp.0.{value}"));
    }
    let path = layer.strip_suffix(".mlp.linear_2")?;
    Some(format!("{path}.mlp.3.{value}"))
}

/// The name here of a parameter of timm's ViTs (`blocks.0.attn.proj.bias`), or of torchvision's former ones.
fn from_timm(name: &str) -> Option<String> {
    match name {
        "cls_token" => return Some(NAMES.class_token.into()),
        "pos_embed" => return Some(NAMES.positions.into()),
        // Otherwise it would match timm's `head`.
        _ if name.starts_with(NAMES.head) => return Some(name.into()),
        _ => {}
    }
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "patch_embed.proj" => NAMES.patches.into(),
        "norm" => NAMES.norm.into(),
        "head" => NAMES.head.into(),
        _ => {
            let Some(rest) = layer.strip_prefix("blocks.") else {
                return of_former_torchvision(name);
            };
            let (block, layer) = rest.split_once('.')?;
            let here = match layer {
                "norm1" => NAMES.first_norm,
                "attn.qkv" => {
                    let path = format!("{}{block}.{}", NAMES.blocks, NAMES.queries.0);
                    return Some(format!("{path}.in_proj_{value}"));
                }
                "attn.proj" => NAMES.projection,
                "norm2" => NAMES.second_norm,
                "mlp.fc1" => NAMES.hidden[0],
                "mlp.fc2" => NAMES.hidden[1],
                _ => return None,
            };
            format!("{}{block}.{here}", NAMES.blocks)
        }
    };
    Some(format!("{here}.{value}"))
}
