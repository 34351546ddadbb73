//! EfficientNet-Lite: Google's EfficientNets for phones, without squeeze-and-excitation, with ReLU6 and a
//! stem and a head of fixed width. Names as timm's `tf_efficientnet_lite0`.

use dvm_engine::Blueprint;
use dvm_image::Interpolation::{Bicubic, Bilinear};
use dvm_image::Preprocess;

use super::super::{Architecture, Published, Source, imagenet, symmetric};
use super::tensorflow::{TENSORFLOW, from_efficientnet_pytorch, network};
use super::{B, Publisher, Scaling, scaling};

/// EfficientNet-Lite0 to Lite4, with timm's conversions of Google's weights. Preprocessing is as timm evaluates them.
#[rustfmt::skip]
pub static ALL: [Architecture; 5] = [
    Architecture {
        embedded: Some(include_bytes!("../../../embedded/efficientnet_lite0.safetensors")),
        ..network("efficientnet_lite0", |classes| build(0, classes), |name| renamed(0, name), &[
            published("tf_efficientnet_lite0-0aa007d2.pth", 75.1, PREPROCESS),
        ]).in_timm(&["tf_efficientnet_lite0"])
    },
    network("efficientnet_lite1", |classes| build(1, classes), |name| renamed(1, name), &[
        published("tf_efficientnet_lite1-bde8b488.pth", 76.674, symmetric(272, 240, Bicubic)),
    ]).in_timm(&["tf_efficientnet_lite1"]),
    network("efficientnet_lite2", |classes| build(2, classes), |name| renamed(2, name), &[
        published("tf_efficientnet_lite2-dcccb7df.pth", 77.47, symmetric(292, 260, Bicubic)),
    ]).in_timm(&["tf_efficientnet_lite2"]),
    network("efficientnet_lite3", |classes| build(3, classes), |name| renamed(3, name), &[
        published("tf_efficientnet_lite3-b733e338.pth", 79.808, symmetric(331, 300, Bilinear)),
    ]).in_timm(&["tf_efficientnet_lite3"]),
    network("efficientnet_lite4", |classes| build(4, classes), |name| renamed(4, name), &[
        published("tf_efficientnet_lite4-741542c3.pth", 81.54, symmetric(413, 380, Bilinear)),
    ]).in_timm(&["tf_efficientnet_lite4"]),
];

const LITE: Publisher = Publisher {
    is_lite: true,
    ..TENSORFLOW
};

/// As B0 to B4, except the dropout of Lite4.
const SCALINGS: [&Scaling; 5] = [&B[0], &B[1], &B[2], &B[3], &scaling(1.4, 1.8, 0.3)];

fn build(index: usize, classes: usize) -> Blueprint {
    LITE.network(SCALINGS[index], classes)
}

fn renamed(index: usize, name: &str) -> Option<String> {
    from_efficientnet_pytorch(name, LITE.depths(SCALINGS[index]))
}

const fn published(file: &'static str, top1: f32, preprocess: Preprocess) -> Published {
    Published {
        tag: "in1k",
        source: Source::Timm { file },
        top1,
        preprocess,
        licence: "Apache-2.0",
    }
}

/// As the TensorFlow original evaluates: `(p − 127) / 128` of the central 7/8 of the picture, bicubic, 224
/// pixels.
const PREPROCESS: Preprocess = Preprocess {
    mean: [127.0 / 255.0; 3],
    std: [128.0 / 255.0; 3],
    ..imagenet(256, 224, Bicubic)
};
