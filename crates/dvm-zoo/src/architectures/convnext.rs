//! ConvNeXt: "A ConvNet for the 2020s", Liu et al. 2022, arXiv 2201.03545, as torchvision builds it.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};
use dvm_image::Interpolation::Bilinear;

use super::{Architecture, Family, Paper, Published, imagenet, initialised, timm};

/// The ConvNeXts.
#[rustfmt::skip]
pub static ALL: [Architecture; 4] = [
    FAMILY.network("convnext_tiny", |classes| convnext(96, [3, 3, 9, 3], 0.1, classes), &[
        first("convnext_tiny-983f1562.pth", 82.52, 236),
        timm("fb_in1k", "timm/convnext_tiny.fb_in1k", 82.066, 256, 224),
    ]),
    FAMILY.network("convnext_small", |classes| convnext(96, [3, 3, 27, 3], 0.4, classes), &[
        first("convnext_small-0c510722.pth", 83.616, 230),
        timm("fb_in1k", "timm/convnext_small.fb_in1k", 83.144, 256, 224),
    ]),
    FAMILY.network("convnext_base", |classes| convnext(128, [3, 3, 27, 3], 0.5, classes), &[
        first("convnext_base-6075fbad.pth", 84.062, 232),
        timm("fb_in1k", "timm/convnext_base.fb_in1k", 83.838, 256, 224),
    ]),
    FAMILY.network("convnext_large", |classes| convnext(192, [3, 3, 27, 3], 0.5, classes), &[
        first("convnext_large-ea097f82.pth", 84.414, 232),
        timm("fb_in1k", "timm/convnext_large.fb_in1k", 84.304, 256, 224),
    ]),
];

const fn first(file: &'static str, top1: f32, short_side: usize) -> Published {
    let preprocess = imagenet(short_side, 224, Bilinear);
    Published::torchvision("IMAGENET1K_V1", file, top1, preprocess)
}

const FAMILY: Family = Family {
    paper: Paper {
        title: "A ConvNet for the 2020s",
        arxiv: "2201.03545",
    },
    head: "classifier.2",
    // As torchvision. Its truncation at ±2 has no effect on so narrow a distribution.
    initialisation: initialised(Initialiser::Normal(0.02), Initialiser::Normal(0.02)),
    other_names: Some(from_timm),
};

/// Epsilon of all layer-norms.
const EPS: f32 = 1e-6;

/// `width` channels in the first stage, doubled in each following one. `dropped` is the probability of
/// dropping the branch of the last block in training; it grows linearly from 0 at the first.
fn convnext(width: usize, depths: [usize; 4], dropped: f32, classes: usize) -> Blueprint {
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
    let mut x = net.layer_norm("features.0.1", x, width, EPS);
    let blocks: usize = depths.iter().sum();
    let (mut channels, mut done) = (width, 0);
    for (stage, depth) in depths.into_iter().enumerate() {
        if stage > 0 {
            let path = format!("features.{}", 2 * stage);
            x = net.layer_norm(&format!("{path}.0"), x, channels, EPS);
            let halved = Conv2d::square(2).stride(2);
            let (conv, wider) = (format!("{path}.1"), 2 * channels);
            x = net.conv2d(&conv, x, halved, channels, wider, true);
            channels = wider;
        }
        for index in 0..depth {
            let path = format!("features.{}.{index}", 2 * stage + 1);
            let dropped = dropped * done as f32 / (blocks - 1) as f32;
            x = block(&mut net, &path, x, channels, dropped);
            done += 1;
        }
    }
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.layer_norm("classifier.0", x, channels, EPS);
    let x = net.flatten("classifier.1", x);
    let x = net.linear("classifier.2", x, channels, classes, true);
    net.ending_at(x)
}

/// Filter each channel by 7×7, normalise, mix channels by two linear layers; with a shortcut.
fn block(net: &mut Blueprint, path: &str, x: NodeId, channels: usize, dropped: f32) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let depthwise = Conv2d::square(7)
        .padding(Padding::Fixed(Border::all(3)))
        .groups(channels);
    let wide = 4 * channels;
    // Numbers 1 and 6 are torchvision's changes of layout, which are not needed here.
    let y = net.conv2d(&name("block.0"), x, depthwise, channels, channels, true);
    let y = net.layer_norm(&name("block.2"), y, channels, EPS);
    let y = net.linear(&name("block.3"), y, channels, wide, true);
    let y = net.activation(&name("block.4"), y, Activation::Gelu);
    let y = net.linear(&name("block.5"), y, wide, channels, true);
    let mut y = net.scale(&name("layer_scale"), y, channels);
    if dropped > 0.0 {
        y = net.stochastic_depth(&name("stochastic_depth"), y, dropped);
    }
    net.add(&name("add"), y, x)
}

/// The name here of a parameter of timm's ConvNeXts: `stages.1.blocks.0.mlp.fc1.weight`.
fn from_timm(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("stem.") {
        return Some(format!("features.0.{rest}"));
    }
    if let Some(rest) = name.strip_prefix("head.") {
        let (layer, value) = rest.split_once('.')?;
        let here = match layer {
            "norm" => "classifier.0",
            "fc" => "classifier.2",
            _ => return None,
        };
        return Some(format!("{here}.{value}"));
    }
    let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
    let stage: usize = stage.parse().ok()?;
    if let Some(rest) = rest.strip_prefix("downsample.") {
        return Some(format!("features.{}.{rest}", 2 * stage));
    }
    let (block, rest) = rest.strip_prefix("blocks.")?.split_once('.')?;
    let here = if rest == "gamma" {
        "layer_scale".to_owned()
    } else {
        let (layer, value) = rest.rsplit_once('.')?;
        let layer = match layer {
            "conv_dw" => 0,
            "norm" => 2,
            "mlp.fc1" => 3,
            "mlp.fc2" => 5,
            _ => return None,
        };
        format!("block.{layer}.{value}")
    };
    Some(format!("features.{}.{block}.{here}", 2 * stage + 1))
}
