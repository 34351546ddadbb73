//! EfficientNet-Lite: the EfficientNets of Tan and Le 2019 (arXiv 1905.11946) as Google's
//! TensorFlow team trimmed them for phones: no squeeze-and-excite, ReLU6, fixed stem and head.
//! Names as timm's `tf_efficientnet_lite0`.

use dvm_engine::Blueprint;
use dvm_image::Interpolation::{Bicubic, Bilinear};
use dvm_image::{Channels, Interpolation, Preprocess, Range, Resize};

use super::efficientnet::PAPER;
use super::efficientnet_tensorflow::{
    INITIALISATION, Scaling, efficientnet, from_efficientnet_pytorch,
};
use super::{Architecture, Published, Source};

/// The EfficientNet-Lites, with timm's conversions of Google's weights.
pub static ALL: [Architecture; 5] = [
    Architecture {
        embedded: Some(include_bytes!(
            "../../embedded/efficientnet_lite0.safetensors"
        )),
        ..network(
            "efficientnet_lite0",
            &["tf_efficientnet_lite0"],
            efficientnet_lite0,
            from_efficientnet_pytorch::<10, true>,
            &[published(
                "tf_efficientnet_lite0-0aa007d2.pth",
                75.1,
                PREPROCESS,
            )],
        )
    },
    network(
        "efficientnet_lite1",
        &["tf_efficientnet_lite1"],
        efficientnet_lite1,
        from_efficientnet_pytorch::<11, true>,
        &[published(
            "tf_efficientnet_lite1-bde8b488.pth",
            76.674,
            resized(272, 240, Bicubic),
        )],
    ),
    network(
        "efficientnet_lite2",
        &["tf_efficientnet_lite2"],
        efficientnet_lite2,
        from_efficientnet_pytorch::<12, true>,
        &[published(
            "tf_efficientnet_lite2-dcccb7df.pth",
            77.47,
            resized(292, 260, Bicubic),
        )],
    ),
    network(
        "efficientnet_lite3",
        &["tf_efficientnet_lite3"],
        efficientnet_lite3,
        from_efficientnet_pytorch::<14, true>,
        &[published(
            "tf_efficientnet_lite3-b733e338.pth",
            79.808,
            resized(331, 300, Bilinear),
        )],
    ),
    network(
        "efficientnet_lite4",
        &["tf_efficientnet_lite4"],
        efficientnet_lite4,
        from_efficientnet_pytorch::<18, true>,
        &[published(
            "tf_efficientnet_lite4-741542c3.pth",
            81.54,
            resized(413, 380, Bilinear),
        )],
    ),
];

const fn network(
    name: &'static str,
    timm: &'static [&'static str],
    build: fn(usize) -> Blueprint,
    other_names: fn(&str) -> Option<String>,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        name,
        timm,
        paper: PAPER,
        build,
        head: "classifier",
        initialisation: INITIALISATION,
        other_names: Some(other_names),
        published,
        embedded: None,
    }
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

/// `(p − 127) / 128` of 224 pixels, the central 7/8 of the picture, bicubic: the TensorFlow
/// original's evaluation.
const PREPROCESS: Preprocess = Preprocess {
    range: Range::File,
    resize: Resize::ShortSide(256),
    interpolation: Bicubic,
    crop: (224, 224),
    channels: Channels::Rgb,
    mean: [127.0 / 255.0; 3],
    std: [128.0 / 255.0; 3],
};

/// As timm evaluates the larger ones: values in ±1.
const fn resized(short_side: usize, crop: usize, interpolation: Interpolation) -> Preprocess {
    Preprocess {
        range: Range::File,
        resize: Resize::ShortSide(short_side),
        interpolation,
        crop: (crop, crop),
        channels: Channels::Rgb,
        mean: [0.5; 3],
        std: [0.5; 3],
    }
}

/// EfficientNet-Lite0.
fn efficientnet_lite0(classes: usize) -> Blueprint {
    lite(1.0, 1.0, 0.2, classes)
}

/// EfficientNet-Lite1.
fn efficientnet_lite1(classes: usize) -> Blueprint {
    lite(1.0, 1.1, 0.2, classes)
}

/// EfficientNet-Lite2.
fn efficientnet_lite2(classes: usize) -> Blueprint {
    lite(1.1, 1.2, 0.3, classes)
}

/// EfficientNet-Lite3.
fn efficientnet_lite3(classes: usize) -> Blueprint {
    lite(1.2, 1.4, 0.3, classes)
}

/// EfficientNet-Lite4.
fn efficientnet_lite4(classes: usize) -> Blueprint {
    lite(1.4, 1.8, 0.3, classes)
}

fn lite(width: f64, depth: f64, dropout: f32, classes: usize) -> Blueprint {
    let scaling = Scaling {
        width,
        depth,
        dropout,
        is_lite: true,
    };
    efficientnet(&scaling, classes)
}
