//! Swin: "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", Liu et al. 2021,
//! arXiv 2103.14030, as torchvision builds it. Maps are padded to whole windows, so inputs may have
//! any size.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::{Blueprint, Initialiser, NodeId};
use dvm_image::Interpolation::Bicubic;

use super::{Architecture, Family, Paper, Published, imagenet, initialised, timm};

/// The Swin transformers.
#[rustfmt::skip]
pub static ALL: [Architecture; 3] = [
    FAMILY.network("swin_t", |classes| swin((96, 3), [2, 2, 6, 2], 0.2, classes), &[
        first("swin_t-704ceda3.pth", 81.474, 232),
        microsoft("timm/swin_tiny_patch4_window7_224.ms_in1k", 81.388),
    ]).in_timm(&["swin_tiny_patch4_window7_224"]),
    FAMILY.network("swin_s", |classes| swin((96, 3), [2, 2, 18, 2], 0.3, classes), &[
        first("swin_s-5e29d889.pth", 83.196, 246),
        microsoft("timm/swin_small_patch4_window7_224.ms_in1k", 83.228),
    ]).in_timm(&["swin_small_patch4_window7_224"]),
    FAMILY.network("swin_b", |classes| swin((128, 4), [2, 2, 18, 2], 0.5, classes), &[
        first("swin_b-68c6b09e.pth", 83.582, 238),
        microsoft("timm/swin_base_patch4_window7_224.ms_in1k", 83.604),
    ]).in_timm(&["swin_base_patch4_window7_224"]),
];

const fn first(file: &'static str, top1: f32, short_side: usize) -> Published {
    let preprocess = imagenet(short_side, 224, Bicubic);
    Published::torchvision("IMAGENET1K_V1", file, top1, preprocess)
}

/// Microsoft's weights from timm.
const fn microsoft(repository: &'static str, top1: f32) -> Published {
    Published {
        licence: "MIT",
        ..timm("ms_in1k", repository, top1, 248, 224)
    }
}

const FAMILY: Family = Family {
    paper: Paper {
        title: "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
        arxiv: "2103.14030",
    },
    head: "head",
    // As torchvision. Its truncation at ±2 has no effect on so narrow a distribution.
    initialisation: initialised(Initialiser::UniformFanIn, Initialiser::Normal(0.02)),
    other_names: Some(from_timm),
};

/// Epsilon of all layer-norms.
const EPS: f32 = 1e-5;
/// Rows and columns of a window.
const WINDOW: usize = 7;

/// `width` and `heads` are channels and heads of the first stage, doubled in each following one. `dropped` is the
/// probability of dropping the branches of the last block in training; it grows linearly from 0 at the first.
fn swin(
    (width, heads): (usize, usize),
    depths: [usize; 4],
    dropped: f32,
    classes: usize,
) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d(
        "features.0.0",
        x,
        Conv2d::square(4).stride(4),
        3,
        width,
        true,
    );
    // Number 1 is torchvision's change of layout.
    let mut x = net.layer_norm("features.0.2", x, width, EPS);
    let blocks: usize = depths.iter().sum();
    let (mut channels, mut done) = (width, 0);
    for (stage, depth) in depths.into_iter().enumerate() {
        if stage > 0 {
            x = merged(&mut net, &format!("features.{}", 2 * stage), x, channels);
            channels *= 2;
        }
        for index in 0..depth {
            let path = format!("features.{}.{index}", 2 * stage + 1);
            let attention = WindowAttention {
                heads: heads << stage,
                window: WINDOW,
                shift: if index % 2 == 0 { 0 } else { WINDOW / 2 },
            };
            let dropped = dropped * done as f32 / (blocks - 1) as f32;
            x = block(&mut net, &path, x, channels, attention, dropped);
            done += 1;
        }
    }
    let x = net.layer_norm("norm", x, channels, EPS);
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("head", x, channels, classes, true);
    net.ending_at(x)
}

/// Merges four pixels into one with twice the channels.
fn merged(net: &mut Blueprint, path: &str, x: NodeId, channels: usize) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let x = net.pad_to_multiple(&name("pad"), x, 2);
    let mut quarter = |row: usize, column: usize| {
        let rows = net.slice(
            &name(&format!("rows{row}{column}")),
            x,
            Slice::every(2, row, 2),
        );
        let columns = Slice::every(3, column, 2);
        net.slice(&name(&format!("quarter{row}{column}")), rows, columns)
    };
    let quarters = [quarter(0, 0), quarter(1, 0), quarter(0, 1), quarter(1, 1)];
    let x = net.concat(&name("concat"), &quarters);
    let x = net.layer_norm(&name("norm"), x, 4 * channels, EPS);
    net.linear(&name("reduction"), x, 4 * channels, 2 * channels, false)
}

/// Attention between the pixels of a window, then two linear layers for each pixel; both with a shortcut.
fn block(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    channels: usize,
    attention: WindowAttention,
    dropped: f32,
) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let normed = net.layer_norm(&name("norm1"), x, channels, EPS);
    let y = net.pad_to_multiple(&name("attn.pad"), normed, WINDOW);
    let y = net.linear(&name("attn.qkv"), y, channels, 3 * channels, true);
    let y = net.window_attention(&name("attn"), y, attention);
    let y = net.crop_like(&name("attn.crop"), y, normed);
    let mut y = net.linear(&name("attn.proj"), y, channels, channels, true);
    if dropped > 0.0 {
        y = net.stochastic_depth(&name("stochastic_depth1"), y, dropped);
    }
    let x = net.add(&name("add1"), y, x);
    let wide = 4 * channels;
    let y = net.layer_norm(&name("norm2"), x, channels, EPS);
    let y = net.linear(&name("mlp.0"), y, channels, wide, true);
    let y = net.activation(&name("mlp.1"), y, Activation::Gelu);
    let mut y = net.linear(&name("mlp.3"), y, wide, channels, true);
    if dropped > 0.0 {
        y = net.stochastic_depth(&name("stochastic_depth2"), y, dropped);
    }
    net.add(&name("add2"), y, x)
}

/// The name here of a parameter of timm's Swin transformers: `layers.1.blocks.0.mlp.fc1.weight`.
fn from_timm(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("patch_embed.") {
        let (layer, value) = rest.split_once('.')?;
        let here = match layer {
            "proj" => "features.0.0",
            "norm" => "features.0.2",
            _ => return None,
        };
        return Some(format!("{here}.{value}"));
    }
    if let Some(value) = name.strip_prefix("head.fc.") {
        return Some(format!("head.{value}"));
    }
    let (stage, rest) = name.strip_prefix("layers.")?.split_once('.')?;
    let stage: usize = stage.parse().ok()?;
    if let Some(rest) = rest.strip_prefix("downsample.") {
        return Some(format!("features.{}.{rest}", 2 * stage));
    }
    let (block, rest) = rest.strip_prefix("blocks.")?.split_once('.')?;
    let rest = rest
        .replace("mlp.fc1.", "mlp.0.")
        .replace("mlp.fc2.", "mlp.3.");
    Some(format!("features.{}.{block}.{rest}", 2 * stage + 1))
}
