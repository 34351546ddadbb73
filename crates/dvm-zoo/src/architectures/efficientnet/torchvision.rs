//! EfficientNet as torchvision builds and names it. Its B0 to B4 compute what timm's `efficientnet_b0` to
//! `efficientnet_b4` compute.

use dvm_engine::Initialiser;
use dvm_image::Interpolation::{Bicubic, Bilinear};

use super::super::{Architecture, Family, Published, imagenet, initialised, timm};
use super::{B, PAPER, Publisher, STAGES};

/// EfficientNet-B0 to B7. The first weights of each are the default.
#[rustfmt::skip]
pub static ALL: [Architecture; 8] = [
    FAMILY.network("efficientnet_b0", |classes| RECENT.network(&B[0], classes), &[
        first("efficientnet_b0_rwightman-7f5810bc.pth", 77.692, 256, 224),
        timm("ra_in1k", "timm/efficientnet_b0.ra_in1k", 77.698, 256, 224),
    ]),
    FAMILY.network("efficientnet_b1", |classes| RECENT.network(&B[1], classes), &[
        first("efficientnet_b1_rwightman-bac287d4.pth", 78.642, 256, 240),
        second("efficientnet_b1-c27df63c.pth", 79.838, 255, 240),
        timm("ft_in1k", "timm/efficientnet_b1.ft_in1k", 77.592, 256, 224),
    ]),
    FAMILY.network("efficientnet_b2", |classes| RECENT.network(&B[2], classes), &[
        first("efficientnet_b2_rwightman-c35c1473.pth", 80.608, 288, 288),
        timm("ra_in1k", "timm/efficientnet_b2.ra_in1k", 79.324, 292, 256),
    ]),
    FAMILY.network("efficientnet_b3", |classes| RECENT.network(&B[3], classes), &[
        first("efficientnet_b3_rwightman-b3899882.pth", 82.008, 320, 300),
        timm("ra2_in1k", "timm/efficientnet_b3.ra2_in1k", 81.472, 329, 288),
    ]),
    FAMILY.network("efficientnet_b4", |classes| RECENT.network(&B[4], classes), &[
        first("efficientnet_b4_rwightman-23ab8bcd.pth", 83.384, 384, 380),
        timm("ra2_in1k", "timm/efficientnet_b4.ra2_in1k", 82.658, 365, 320),
    ]),
    WITHOUT_TIMM.network("efficientnet_b5", |classes| ORIGINAL.network(&B[5], classes), &[
        first("efficientnet_b5_lukemelas-1a07897c.pth", 83.444, 456, 456),
    ]),
    WITHOUT_TIMM.network("efficientnet_b6", |classes| ORIGINAL.network(&B[6], classes), &[
        first("efficientnet_b6_lukemelas-24a108a5.pth", 84.008, 528, 528),
    ]),
    WITHOUT_TIMM.network("efficientnet_b7", |classes| ORIGINAL.network(&B[7], classes), &[
        first("efficientnet_b7_lukemelas-c5b4e57e.pth", 84.122, 600, 600),
    ]),
];

const RECENT: Publisher = Publisher {
    norm: (1e-5, 0.1),
    is_torchvision: true,
    is_lite: false,
};

/// With the batch-norms of the TensorFlow original, which timm's networks of these names do not have.
const ORIGINAL: Publisher = Publisher {
    norm: (1e-3, 0.01),
    ..RECENT
};

const fn first(file: &'static str, top1: f32, short_side: usize, crop: usize) -> Published {
    let preprocess = imagenet(short_side, crop, Bicubic);
    Published::torchvision("IMAGENET1K_V1", file, top1, preprocess)
}

const fn second(file: &'static str, top1: f32, short_side: usize, crop: usize) -> Published {
    let preprocess = imagenet(short_side, crop, Bilinear);
    Published::torchvision("IMAGENET1K_V2", file, top1, preprocess)
}

const FAMILY: Family = Family {
    paper: PAPER,
    head: "classifier.1",
    // As torchvision.
    initialisation: initialised(Initialiser::KaimingNormal, Initialiser::UniformByOutputs),
    other_names: Some(from_timm),
};

const WITHOUT_TIMM: Family = Family {
    other_names: None,
    ..FAMILY
};

/// The name here of a parameter of timm's `efficientnet_b0` and its like: `blocks.1.0.conv_pw.weight`.
fn from_timm(name: &str) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "conv_stem" => "features.0.0".into(),
        "bn1" => "features.0.1".into(),
        "conv_head" => "features.8.0".into(),
        "bn2" => "features.8.1".into(),
        "classifier" => "classifier.1".into(),
        _ => {
            let mut parts = layer.strip_prefix("blocks.")?.splitn(3, '.');
            let (stage, block) = (parts.next()?, parts.next()?);
            let (stage, block): (usize, usize) = (stage.parse().ok()?, block.parse().ok()?);
            // The first stage does not expand: its layers are numbered one lower.
            let expands = STAGES.get(stage)?.expansion > 1;
            let here = match (parts.next()?, expands) {
                ("conv_pw", true) | ("conv_dw", false) => "0.0",
                ("bn1", _) => "0.1",
                ("conv_dw", true) => "1.0",
                ("bn2", true) => "1.1",
                ("se.conv_reduce", true) => "2.fc1",
                ("se.conv_expand", true) => "2.fc2",
                ("conv_pwl", true) => "3.0",
                ("bn3", true) => "3.1",
                ("se.conv_reduce", false) => "1.fc1",
                ("se.conv_expand", false) => "1.fc2",
                ("conv_pw", false) => "2.0",
                ("bn2", false) => "2.1",
                _ => return None,
            };
            format!("features.{}.{block}.block.{here}", stage + 1)
        }
    };
    Some(format!("{here}.{value}"))
}
