//! EfficientNet-Lite: the EfficientNets of Tan and Le 2019 (arXiv 1905.11946) as Google's
//! TensorFlow team trimmed them for phones: no squeeze-and-excite, ReLU6, fixed stem and head.
//! Names as timm's `tf_efficientnet_lite0`.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, NodeId, Spread};
use dvm_image::{Interpolation, Preprocess, Resize};

use super::{Architecture, Paper, Published, Source};

/// The EfficientNet-Lites, with timm's conversions of Google's weights.
pub static ALL: [Architecture; 1] = [Architecture {
    name: "efficientnet_lite0",
    timm: &["tf_efficientnet_lite0"],
    paper: Paper {
        title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        arxiv: "1905.11946",
    },
    build: efficientnet_lite0,
    head: "classifier",
    initialisation: INITIALISATION,
    other_names: Some(from_efficientnet_pytorch),
    published: &[Published {
        tag: "in1k",
        source: Source::Timm {
            file: "tf_efficientnet_lite0-0aa007d2.pth",
        },
        top1: 75.1,
        preprocess: PREPROCESS,
        licence: "Apache-2.0",
    }],
    embedded: Some(include_bytes!(
        "../../embedded/efficientnet_lite0.safetensors"
    )),
}];

/// `(p − 127) / 128` of 224 pixels, the central 7/8 of the picture, bicubic: the TensorFlow
/// original's evaluation.
const PREPROCESS: Preprocess = Preprocess {
    resize: Resize::ShortSide(256),
    interpolation: Interpolation::Bicubic,
    crop: (224, 224),
    mean: [127.0 / 255.0; 3],
    std: [128.0 / 255.0; 3],
};

/// As timm, after the TensorFlow original: its batch-norms add 1e-3 to a variance, beside which what
/// torchvision's way leaves of a depthwise convolution's would be little.
const INITIALISATION: Initialisation = Initialisation {
    convolutions: Spread::KaimingNormalPerGroup,
    linear: Spread::UniformByOutputs,
    head: Spread::UniformByOutputs,
    others: &[],
};

/// Batch-norm epsilon of the TensorFlow original.
const EPS: f32 = 1e-3;

/// One stage of inverted residual blocks.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
}

const fn stage(
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expansion,
        channels,
    }
}

/// The stages of EfficientNet-B0, which Lite0 keeps.
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// EfficientNet-Lite0.
fn efficientnet_lite0(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = same(3).stride(2);
    let mut x = normalised(&mut net, ("conv_stem", "bn1"), x, stem, (3, 32), true);
    let mut channels = 32;
    for (index, stage) in STAGES.iter().enumerate() {
        for repeat in 0..stage.repeats {
            let path = format!("blocks.{index}.{repeat}");
            let stride = if repeat == 0 { stage.stride } else { 1 };
            x = inverted_residual(&mut net, &path, x, channels, stage, stride);
            channels = stage.channels;
        }
    }
    let x = normalised(
        &mut net,
        ("conv_head", "bn2"),
        x,
        same(1),
        (channels, 1280),
        true,
    );
    let x = net.pool("global_pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.2);
    let x = net.linear("classifier", x, 1280, classes, true);
    net.ending_at(x)
}

/// The name here of a parameter in the files of the `efficientnet_pytorch` family of ports, which
/// number blocks through and begin each name with an underscore: `_blocks.3._bn0.weight`.
fn from_efficientnet_pytorch(name: &str) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "_conv_stem" => "conv_stem".into(),
        "_bn0" => "bn1".into(),
        "_conv_head" => "conv_head".into(),
        "_bn1" => "bn2".into(),
        "_fc" => "classifier".into(),
        _ => {
            let (number, layer) = layer.strip_prefix("_blocks.")?.split_once('.')?;
            let mut number: usize = number.parse().ok()?;
            let stage = STAGES.iter().position(|stage| {
                let here = number < stage.repeats;
                if !here {
                    number -= stage.repeats;
                }
                here
            })?;
            // The first stage does not expand: its norms are numbered one lower here, and its
            // projection is named like an expansion.
            let expands = STAGES[stage].expansion > 1;
            let layer = match (layer, expands) {
                ("_expand_conv", true) | ("_project_conv", false) => "conv_pw",
                ("_depthwise_conv", _) => "conv_dw",
                ("_project_conv", true) => "conv_pwl",
                ("_bn0", true) | ("_bn1", false) => "bn1",
                ("_bn1", true) | ("_bn2", false) => "bn2",
                ("_bn2", true) => "bn3",
                _ => return None,
            };
            format!("blocks.{stage}.{number}.{layer}")
        }
    };
    Some(format!("{here}.{value}"))
}

/// A convolution with TensorFlow's `SAME` padding.
fn same(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Same)
}

/// Convolution, batch-norm and, if `activated`, ReLU6 (named after the batch-norm).
fn normalised(
    net: &mut Blueprint,
    (conv_name, norm_name): (&str, &str),
    x: NodeId,
    conv: Conv2d,
    (inputs, outputs): (usize, usize),
    activated: bool,
) -> NodeId {
    let x = net.conv2d(conv_name, x, conv, inputs, outputs, false);
    let x = net.batch_norm(norm_name, x, outputs, EPS);
    if activated {
        net.activation(&format!("{norm_name}.act"), x, Activation::Relu6)
    } else {
        x
    }
}

/// Expand by 1×1, filter each channel, project by 1×1; with a shortcut where shapes allow it.
fn inverted_residual(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    inputs: usize,
    stage: &Stage,
    stride: usize,
) -> NodeId {
    let wide = inputs * stage.expansion;
    let name = |layer: &str| format!("{path}.{layer}");
    let mut norms = (1..).map(|i| format!("{path}.bn{i}"));
    let mut norm = || norms.next().expect("endless");
    let depthwise = same(stage.kernel).stride(stride).groups(wide);
    let mut y = x;
    // The first stage does not expand, and timm names its projection like an expansion.
    let project = if stage.expansion == 1 {
        "conv_pw"
    } else {
        y = normalised(
            net,
            (&name("conv_pw"), &norm()),
            y,
            same(1),
            (inputs, wide),
            true,
        );
        "conv_pwl"
    };
    y = normalised(
        net,
        (&name("conv_dw"), &norm()),
        y,
        depthwise,
        (wide, wide),
        true,
    );
    let outputs = (wide, stage.channels);
    y = normalised(net, (&name(project), &norm()), y, same(1), outputs, false);
    if stride == 1 && inputs == stage.channels {
        y = net.add(&name("add"), y, x);
    }
    y
}
