//! EfficientNet: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan and Le
//! 2019, arXiv 1905.11946, as torchvision builds and names it. (TensorFlow's own, which pads otherwise,
//! are in `efficientnet_tensorflow`.)

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, NodeId, Role, Spread};
use dvm_image::Interpolation::{Bicubic, Bilinear};

use super::{Architecture, Paper, Published, imagenet};

/// EfficientNet-B0 to B7. Of two sets of weights the first published are the usual ones.
pub static ALL: [Architecture; 8] = [
    network(
        "efficientnet_b0",
        b0,
        &[
            first("efficientnet_b0_rwightman-7f5810bc.pth", 77.692, 256, 224),
            timms("ra_in1k", "timm/efficientnet_b0.ra_in1k", 77.698, 256, 224),
        ],
    ),
    network(
        "efficientnet_b1",
        b1,
        &[
            first("efficientnet_b1_rwightman-bac287d4.pth", 78.642, 256, 240),
            Published::torchvision(
                "IMAGENET1K_V2",
                "efficientnet_b1-c27df63c.pth",
                79.838,
                imagenet(255, 240, Bilinear),
            ),
            timms("ft_in1k", "timm/efficientnet_b1.ft_in1k", 77.592, 256, 224),
        ],
    ),
    network(
        "efficientnet_b2",
        b2,
        &[
            first("efficientnet_b2_rwightman-c35c1473.pth", 80.608, 288, 288),
            timms("ra_in1k", "timm/efficientnet_b2.ra_in1k", 79.324, 292, 256),
        ],
    ),
    network(
        "efficientnet_b3",
        b3,
        &[
            first("efficientnet_b3_rwightman-b3899882.pth", 82.008, 320, 300),
            timms(
                "ra2_in1k",
                "timm/efficientnet_b3.ra2_in1k",
                81.472,
                329,
                288,
            ),
        ],
    ),
    network(
        "efficientnet_b4",
        b4,
        &[
            first("efficientnet_b4_rwightman-23ab8bcd.pth", 83.384, 384, 380),
            timms(
                "ra2_in1k",
                "timm/efficientnet_b4.ra2_in1k",
                82.658,
                365,
                320,
            ),
        ],
    ),
    original(
        "efficientnet_b5",
        b5,
        &[first(
            "efficientnet_b5_lukemelas-1a07897c.pth",
            83.444,
            456,
            456,
        )],
    ),
    original(
        "efficientnet_b6",
        b6,
        &[first(
            "efficientnet_b6_lukemelas-24a108a5.pth",
            84.008,
            528,
            528,
        )],
    ),
    original(
        "efficientnet_b7",
        b7,
        &[first(
            "efficientnet_b7_lukemelas-c5b4e57e.pth",
            84.122,
            600,
            600,
        )],
    ),
];

/// The first weights of torchvision, with the size that each network was made for.
const fn first(file: &'static str, top1: f32, short_side: usize, crop: usize) -> Published {
    let preprocess = imagenet(short_side, crop, Bicubic);
    Published::torchvision("IMAGENET1K_V1", file, top1, preprocess)
}

/// Weights of timm's.
const fn timms(
    tag: &'static str,
    repository: &'static str,
    top1: f32,
    short_side: usize,
    crop: usize,
) -> Published {
    let preprocess = imagenet(short_side, crop, Bicubic);
    Published::hub(tag, repository, top1, preprocess, "Apache-2.0")
}

/// One that timm computes as torchvision does.
const fn network(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        other_names: Some(from_timm),
        ..original(name, build, published)
    }
}

/// One with the batch-norms of the TensorFlow original, which timm's of this name has not.
const fn original(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        name,
        timm: &[],
        paper: PAPER,
        build,
        head: "classifier.1",
        initialisation: INITIALISATION,
        other_names: None,
        published,
        embedded: None,
    }
}

/// Where the networks are described.
pub(super) const PAPER: Paper = Paper {
    title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    arxiv: "1905.11946",
};

/// As torchvision.
const INITIALISATION: Initialisation = Initialisation {
    convolutions: Spread::KaimingNormal,
    linear: Spread::UniformByOutputs,
    head: Spread::UniformByOutputs,
    others: &[],
};

/// One stage of inverted residual blocks.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub repeats: usize,
    pub kernel: usize,
    pub stride: usize,
    pub expansion: usize,
    pub channels: usize,
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

/// The stages of EfficientNet-B0, which all others widen and deepen.
pub(super) const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// `channels` times `factor`, rounded to a multiple of eight, but to no less than nine tenths.
pub(super) fn widened(channels: usize, factor: f64) -> usize {
    let exact = channels as f64 * factor;
    let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact {
        rounded + 8
    } else {
        rounded
    }
}

/// `repeats` times `factor`, rounded up.
pub(super) fn deepened(repeats: usize, factor: f64) -> usize {
    (repeats as f64 * factor).ceil() as usize
}

/// What tells one EfficientNet from another.
struct Scaling {
    /// Factor of all channels.
    width: f64,
    /// Factor of the number of blocks.
    depth: f64,
    /// Probability of dropout before the last layer.
    dropout: f32,
    /// Epsilon and momentum of batch-norms.
    norm: (f32, f32),
}

const fn scaling(width: f64, depth: f64, dropout: f32) -> Scaling {
    Scaling {
        width,
        depth,
        dropout,
        norm: (1e-5, 0.1),
    }
}

impl Scaling {
    /// With the batch-norms of the TensorFlow original.
    const fn original(self) -> Self {
        Self {
            norm: (1e-3, 0.01),
            ..self
        }
    }
}

/// EfficientNet-B0.
fn b0(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.0, 1.0, 0.2), classes)
}

/// EfficientNet-B1.
fn b1(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.0, 1.1, 0.2), classes)
}

/// EfficientNet-B2.
fn b2(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.1, 1.2, 0.3), classes)
}

/// EfficientNet-B3.
fn b3(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.2, 1.4, 0.3), classes)
}

/// EfficientNet-B4.
fn b4(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.4, 1.8, 0.4), classes)
}

/// EfficientNet-B5.
fn b5(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.6, 2.2, 0.4).original(), classes)
}

/// EfficientNet-B6.
fn b6(classes: usize) -> Blueprint {
    efficientnet(&scaling(1.8, 2.6, 0.5).original(), classes)
}

/// EfficientNet-B7.
fn b7(classes: usize) -> Blueprint {
    efficientnet(&scaling(2.0, 3.1, 0.5).original(), classes)
}

/// Probability that the branch of a block behind the last one would be dropped in training; it grows
/// evenly from 0 at the first.
const DROPPED: f32 = 0.2;

fn efficientnet(scaling: &Scaling, classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let wide = |channels| widened(channels, scaling.width);
    let depth = |stage: &Stage| deepened(stage.repeats, scaling.depth);
    let blocks: usize = STAGES.iter().map(depth).sum();
    let mut channels = wide(32);
    let mut builder = Builder {
        net: &mut net,
        norm: scaling.norm,
    };
    let stem = padded(3).stride(2);
    let mut x = builder.normalised("features.0", x, stem, (3, channels), true);
    let mut done = 0;
    for (index, stage) in STAGES.iter().enumerate() {
        for repeat in 0..depth(stage) {
            let block = Block {
                stage: Stage {
                    channels: wide(stage.channels),
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    ..*stage
                },
                inputs: channels,
                dropped: DROPPED * done as f32 / blocks as f32,
            };
            let path = format!("features.{}.{repeat}", index + 1);
            x = builder.inverted_residual(&path, x, &block);
            channels = block.stage.channels;
            done += 1;
        }
    }
    let last = 4 * channels;
    let x = builder.normalised("features.8", x, padded(1), (channels, last), true);
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("classifier.0", x, scaling.dropout);
    let x = net.linear("classifier.1", x, last, classes, true);
    net.ending_at(x)
}

/// A convolution that keeps the size of its input (at stride 1).
fn padded(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

struct Block {
    stage: Stage,
    inputs: usize,
    /// Probability that the branch is dropped in training.
    dropped: f32,
}

struct Builder<'a> {
    net: &'a mut Blueprint,
    norm: (f32, f32),
}

impl Builder<'_> {
    /// Convolution `<path>.0`, batch-norm `<path>.1` and, if `activated`, SiLU `<path>.2`.
    fn normalised(
        &mut self,
        path: &str,
        x: NodeId,
        conv: Conv2d,
        (inputs, outputs): (usize, usize),
        activated: bool,
    ) -> NodeId {
        let net = &mut *self.net;
        let x = net.conv2d(&format!("{path}.0"), x, conv, inputs, outputs, false);
        let (eps, momentum) = self.norm;
        let shape = [outputs];
        let x = net.node(
            &format!("{path}.1"),
            BatchNorm::new(eps, momentum),
            &[x],
            &[
                ("weight", &shape, Role::Scale),
                ("bias", &shape, Role::Bias),
                ("running_mean", &shape, Role::Statistic),
                ("running_var", &shape, Role::Statistic),
            ],
        );
        if activated {
            net.activation(&format!("{path}.2"), x, Activation::Silu)
        } else {
            x
        }
    }

    /// Expand by 1×1, filter each channel, weigh the channels, project by 1×1; with a shortcut where
    /// shapes allow it.
    fn inverted_residual(&mut self, path: &str, x: NodeId, block: &Block) -> NodeId {
        let Block { stage, inputs, .. } = *block;
        let wide = inputs * stage.expansion;
        let mut numbers = 0..;
        let mut layer = || format!("{path}.block.{}", numbers.next().expect("endless"));
        let mut y = x;
        if stage.expansion > 1 {
            y = self.normalised(&layer(), y, padded(1), (inputs, wide), true);
        }
        let depthwise = padded(stage.kernel).stride(stage.stride).groups(wide);
        y = self.normalised(&layer(), y, depthwise, (wide, wide), true);
        y = excited(self.net, &layer(), y, wide, (inputs / 4).max(1));
        y = self.normalised(&layer(), y, padded(1), (wide, stage.channels), false);
        if stage.stride == 1 && inputs == stage.channels {
            let net = &mut *self.net;
            if block.dropped > 0.0 {
                y = net.stochastic_depth(&format!("{path}.stochastic_depth"), y, block.dropped);
            }
            y = net.add(&format!("{path}.add"), y, x);
        }
        y
    }
}

/// Squeeze-and-excitation (arXiv 1709.01507): each channel is weighed by what all of them are on
/// average.
fn excited(net: &mut Blueprint, path: &str, x: NodeId, channels: usize, squeezed: usize) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let one = Conv2d::square(1);
    let y = net.pool(&name("avgpool"), x, Pool::global_mean());
    let y = net.conv2d(&name("fc1"), y, one.clone(), channels, squeezed, true);
    let y = net.activation(&name("activation"), y, Activation::Silu);
    let y = net.conv2d(&name("fc2"), y, one, squeezed, channels, true);
    let y = net.activation(&name("scale_activation"), y, Activation::Sigmoid);
    net.mul(&name("mul"), y, x)
}

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
