//! EfficientNet ("EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan and Le
//! 2019, arXiv 1905.11946) as TensorFlow computes it: padding is `SAME`, and batch-norms add 1e-3 to a
//! variance. Names as timm's `tf_efficientnet_b0`; files of timm's `efficientnet_b0`, which pads as
//! torchvision does, have the same names and shapes but are another network.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, NodeId, Spread};
use dvm_image::Interpolation::Bicubic;

use super::efficientnet::{PAPER, STAGES, Stage, deepened, widened};
use super::{Architecture, Published, imagenet};

/// EfficientNet-B0 to B7, with timm's conversions of Google's weights.
pub static ALL: [Architecture; 8] = [
    network(
        "tf_efficientnet_b0",
        b0,
        from_efficientnet_pytorch::<10, false>,
        &[
            noisy_student("timm/tf_efficientnet_b0.ns_jft_in1k", 78.68, 256, 224),
            auto_augment("timm/tf_efficientnet_b0.aa_in1k", 76.882, 256, 224),
        ],
    ),
    network(
        "tf_efficientnet_b1",
        b1,
        from_efficientnet_pytorch::<11, false>,
        &[
            noisy_student("timm/tf_efficientnet_b1.ns_jft_in1k", 81.388, 272, 240),
            auto_augment("timm/tf_efficientnet_b1.aa_in1k", 78.84, 272, 240),
        ],
    ),
    network(
        "tf_efficientnet_b2",
        b2,
        from_efficientnet_pytorch::<12, false>,
        &[
            noisy_student("timm/tf_efficientnet_b2.ns_jft_in1k", 82.412, 292, 260),
            auto_augment("timm/tf_efficientnet_b2.aa_in1k", 80.074, 292, 260),
        ],
    ),
    network(
        "tf_efficientnet_b3",
        b3,
        from_efficientnet_pytorch::<14, false>,
        &[
            noisy_student("timm/tf_efficientnet_b3.ns_jft_in1k", 84.054, 331, 300),
            auto_augment("timm/tf_efficientnet_b3.aa_in1k", 81.648, 331, 300),
        ],
    ),
    network(
        "tf_efficientnet_b4",
        b4,
        from_efficientnet_pytorch::<18, false>,
        &[
            noisy_student("timm/tf_efficientnet_b4.ns_jft_in1k", 85.156, 412, 380),
            auto_augment("timm/tf_efficientnet_b4.aa_in1k", 83.04, 412, 380),
        ],
    ),
    network(
        "tf_efficientnet_b5",
        b5,
        from_efficientnet_pytorch::<22, false>,
        &[
            noisy_student("timm/tf_efficientnet_b5.ns_jft_in1k", 86.096, 488, 456),
            auto_augment("timm/tf_efficientnet_b5.aa_in1k", 83.696, 488, 456),
        ],
    ),
    network(
        "tf_efficientnet_b6",
        b6,
        from_efficientnet_pytorch::<26, false>,
        &[
            noisy_student("timm/tf_efficientnet_b6.ns_jft_in1k", 86.476, 560, 528),
            auto_augment("timm/tf_efficientnet_b6.aa_in1k", 84.124, 560, 528),
        ],
    ),
    network(
        "tf_efficientnet_b7",
        b7,
        from_efficientnet_pytorch::<31, false>,
        &[
            noisy_student("timm/tf_efficientnet_b7.ns_jft_in1k", 86.85, 632, 600),
            auto_augment("timm/tf_efficientnet_b7.aa_in1k", 84.424, 632, 600),
        ],
    ),
];

/// Weights that learnt from 300 million pictures without labels, too (arXiv 1911.04252).
const fn noisy_student(
    repository: &'static str,
    top1: f32,
    short_side: usize,
    crop: usize,
) -> Published {
    let preprocess = imagenet(short_side, crop, Bicubic);
    Published::hub("ns_jft_in1k", repository, top1, preprocess, "Apache-2.0")
}

/// Weights of ImageNet alone, with AutoAugment (arXiv 1805.09501).
const fn auto_augment(
    repository: &'static str,
    top1: f32,
    short_side: usize,
    crop: usize,
) -> Published {
    let preprocess = imagenet(short_side, crop, Bicubic);
    Published::hub("aa_in1k", repository, top1, preprocess, "Apache-2.0")
}

const fn network(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    other_names: fn(&str) -> Option<String>,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        name,
        timm: &[],
        paper: PAPER,
        build,
        head: "classifier",
        initialisation: INITIALISATION,
        other_names: Some(other_names),
        published,
        embedded: None,
    }
}

/// As timm, after the TensorFlow original: its batch-norms add 1e-3 to a variance, beside which what
/// torchvision's way leaves of a depthwise convolution's would be little.
pub(super) const INITIALISATION: Initialisation = Initialisation {
    convolutions: Spread::KaimingNormalPerGroup,
    linear: Spread::UniformByOutputs,
    head: Spread::UniformByOutputs,
    others: &[],
};

/// Batch-norm epsilon of the TensorFlow original.
const EPS: f32 = 1e-3;

/// What tells one network from another.
pub(super) struct Scaling {
    /// Factor of the channels.
    pub width: f64,
    /// Factor of the number of blocks.
    pub depth: f64,
    /// Probability of dropout before the last layer.
    pub dropout: f32,
    /// Whether it is trimmed for phones: no squeeze-and-excite, ReLU6, a stem and a head that are not
    /// widened, a first and a last stage that are not deepened.
    pub is_lite: bool,
}

impl Scaling {
    fn wide(&self, channels: usize, is_fixed: bool) -> usize {
        if is_fixed && self.is_lite {
            channels
        } else {
            widened(channels, self.width)
        }
    }

    fn activation(&self) -> Activation {
        if self.is_lite {
            Activation::Relu6
        } else {
            Activation::Silu
        }
    }
}

/// Number of blocks of a stage.
fn blocks(stage: usize, depth: f64, is_lite: bool) -> usize {
    let is_end = stage == 0 || stage + 1 == STAGES.len();
    let repeats = STAGES[stage].repeats;
    if is_lite && is_end {
        repeats
    } else {
        deepened(repeats, depth)
    }
}

/// EfficientNet-B0.
fn b0(classes: usize) -> Blueprint {
    scaled(1.0, 1.0, 0.2, classes)
}

/// EfficientNet-B1.
fn b1(classes: usize) -> Blueprint {
    scaled(1.0, 1.1, 0.2, classes)
}

/// EfficientNet-B2.
fn b2(classes: usize) -> Blueprint {
    scaled(1.1, 1.2, 0.3, classes)
}

/// EfficientNet-B3.
fn b3(classes: usize) -> Blueprint {
    scaled(1.2, 1.4, 0.3, classes)
}

/// EfficientNet-B4.
fn b4(classes: usize) -> Blueprint {
    scaled(1.4, 1.8, 0.4, classes)
}

/// EfficientNet-B5.
fn b5(classes: usize) -> Blueprint {
    scaled(1.6, 2.2, 0.4, classes)
}

/// EfficientNet-B6.
fn b6(classes: usize) -> Blueprint {
    scaled(1.8, 2.6, 0.5, classes)
}

/// EfficientNet-B7.
fn b7(classes: usize) -> Blueprint {
    scaled(2.0, 3.1, 0.5, classes)
}

fn scaled(width: f64, depth: f64, dropout: f32, classes: usize) -> Blueprint {
    let scaling = Scaling {
        width,
        depth,
        dropout,
        is_lite: false,
    };
    efficientnet(&scaling, classes)
}

/// The network of this scaling.
pub(super) fn efficientnet(scaling: &Scaling, classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = same(3).stride(2);
    let mut channels = scaling.wide(32, true);
    let activation = scaling.activation();
    let first = ("conv_stem", "bn1");
    let size = (3, channels);
    let mut x = normalised(&mut net, first, x, stem, size, Some(activation));
    for (index, stage) in STAGES.iter().enumerate() {
        for repeat in 0..blocks(index, scaling.depth, scaling.is_lite) {
            let path = format!("blocks.{index}.{repeat}");
            let stage = Stage {
                channels: scaling.wide(stage.channels, false),
                stride: if repeat == 0 { stage.stride } else { 1 },
                ..*stage
            };
            x = inverted_residual(&mut net, &path, x, channels, &stage, scaling);
            channels = stage.channels;
        }
    }
    let last = scaling.wide(1280, true);
    let (names, size) = (("conv_head", "bn2"), (channels, last));
    let x = normalised(&mut net, names, x, same(1), size, Some(activation));
    let x = net.pool("global_pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, scaling.dropout);
    let x = net.linear("classifier", x, last, classes, true);
    net.ending_at(x)
}

/// The name here of a parameter in the files of the `efficientnet_pytorch` family of ports, which
/// number blocks through and begin each name with an underscore: `_blocks.3._bn0.weight`. `TENTHS` is
/// ten times the factor of the number of blocks.
pub(super) fn from_efficientnet_pytorch<const TENTHS: usize, const IS_LITE: bool>(
    name: &str,
) -> Option<String> {
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
            let stage = (0..STAGES.len()).find(|&stage| {
                let blocks = blocks(stage, TENTHS as f64 / 10.0, IS_LITE);
                let here = number < blocks;
                if !here {
                    number -= blocks;
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
                ("_se_reduce", _) => "se.conv_reduce",
                ("_se_expand", _) => "se.conv_expand",
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

/// Convolution, batch-norm and perhaps an activation (named after the batch-norm).
fn normalised(
    net: &mut Blueprint,
    (conv_name, norm_name): (&str, &str),
    x: NodeId,
    conv: Conv2d,
    (inputs, outputs): (usize, usize),
    activation: Option<Activation>,
) -> NodeId {
    let x = net.conv2d(conv_name, x, conv, inputs, outputs, false);
    let x = net.batch_norm(norm_name, x, outputs, EPS);
    match activation {
        Some(activation) => net.activation(&format!("{norm_name}.act"), x, activation),
        None => x,
    }
}

/// Expand by 1×1, filter each channel, perhaps weigh the channels, project by 1×1; with a shortcut where
/// shapes allow it.
fn inverted_residual(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    inputs: usize,
    stage: &Stage,
    scaling: &Scaling,
) -> NodeId {
    let wide = inputs * stage.expansion;
    let activation = Some(scaling.activation());
    let name = |layer: &str| format!("{path}.{layer}");
    let mut norms = (1..).map(|i| format!("{path}.bn{i}"));
    let mut norm = || norms.next().expect("endless");
    let depthwise = same(stage.kernel).stride(stage.stride).groups(wide);
    let mut y = x;
    // The first stage does not expand, and timm names its projection like an expansion.
    let project = if stage.expansion == 1 {
        "conv_pw"
    } else {
        let (conv, size) = (name("conv_pw"), (inputs, wide));
        y = normalised(net, (&conv, &norm()), y, same(1), size, activation);
        "conv_pwl"
    };
    let (conv, size) = (name("conv_dw"), (wide, wide));
    y = normalised(net, (&conv, &norm()), y, depthwise, size, activation);
    if !scaling.is_lite {
        y = excited(net, &name("se"), y, wide, inputs / 4);
    }
    let (conv, size) = (name(project), (wide, stage.channels));
    y = normalised(net, (&conv, &norm()), y, same(1), size, None);
    if stage.stride == 1 && inputs == stage.channels {
        y = net.add(&name("add"), y, x);
    }
    y
}

/// Squeeze-and-excitation (arXiv 1709.01507): each channel is weighed by what all of them are on
/// average.
fn excited(net: &mut Blueprint, path: &str, x: NodeId, channels: usize, squeezed: usize) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let one = Conv2d::square(1);
    let (reduce, expand) = (name("conv_reduce"), name("conv_expand"));
    let y = net.pool(&name("mean"), x, Pool::global_mean());
    let y = net.conv2d(&reduce, y, one.clone(), channels, squeezed, true);
    let y = net.activation(&name("act1"), y, Activation::Silu);
    let y = net.conv2d(&expand, y, one, squeezed, channels, true);
    let y = net.activation(&name("gate"), y, Activation::Sigmoid);
    net.mul(&name("mul"), y, x)
}
