//! MobileNetV2: "MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler et al. 2018,
//! arXiv 1801.04381, as torchvision builds it.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Paper, centred, first, initialised, second};

/// MobileNetV2.
pub static ALL: [Architecture; 1] = [Architecture {
    name: "mobilenet_v2",
    timm: &["mobilenetv2_100"],
    paper: Paper {
        title: "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        arxiv: "1801.04381",
    },
    build: mobilenet_v2,
    head: "classifier.1",
    // As torchvision.
    initialisation: initialised(Initialiser::KaimingNormal, Initialiser::Normal(0.01)),
    other_names: Some(from_timm),
    published: &[
        first("mobilenet_v2-b0353104.pth", 71.878),
        second("mobilenet_v2-7ebf99e0.pth", 72.154),
    ],
    embedded: None,
}];

/// Batch-norm epsilon of the whole network.
const EPS: f32 = 1e-5;

/// Of each stage: expansion, channels, number of blocks, stride of the first block.
const STAGES: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

/// MobileNetV2.
fn mobilenet_v2(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = centred(3).stride(2);
    let mut x = normalised(&mut net, "features.0", x, stem, 3, 32);
    let mut channels = 32;
    let mut numbers = 1..;
    for [expansion, outputs, repeats, stride] in STAGES {
        for repeat in 0..repeats {
            let path = format!("features.{}", numbers.next().expect("endless"));
            let stride = if repeat == 0 { stride } else { 1 };
            x = block(&mut net, &path, x, [channels, outputs], expansion, stride);
            channels = outputs;
        }
    }
    let x = normalised(&mut net, "features.18", x, centred(1), channels, 1280);
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("classifier.0", x, 0.2);
    let x = net.linear("classifier.1", x, 1280, classes, true);
    net.ending_at(x)
}

/// Convolution, batch-norm and ReLU6.
fn normalised(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    conv: Conv2d,
    inputs: usize,
    outputs: usize,
) -> NodeId {
    let x = net.conv2d(&format!("{path}.0"), x, conv, inputs, outputs, false);
    let x = net.batch_norm(&format!("{path}.1"), x, outputs, EPS);
    net.activation(&format!("{path}.2"), x, Activation::Relu6)
}

/// Expand by 1×1, filter each channel, project by 1×1; with a shortcut where shapes allow it.
fn block(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    [inputs, outputs]: [usize; 2],
    expansion: usize,
    stride: usize,
) -> NodeId {
    let wide = inputs * expansion;
    let mut layers = (0..).map(|i| format!("{path}.conv.{i}"));
    let mut layer = || layers.next().expect("endless");
    let mut y = x;
    if expansion > 1 {
        y = normalised(net, &layer(), y, centred(1), inputs, wide);
    }
    let depthwise = centred(3).stride(stride).groups(wide);
    y = normalised(net, &layer(), y, depthwise, wide, wide);
    y = net.conv2d(&layer(), y, centred(1), wide, outputs, false);
    y = net.batch_norm(&layer(), y, outputs, EPS);
    if stride == 1 && inputs == outputs {
        y = net.add(&format!("{path}.add"), y, x);
    }
    y
}

/// The name here of a parameter of timm's `mobilenetv2_100`: `blocks.2.1.conv_dw.weight`.
fn from_timm(name: &str) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "conv_stem" => "features.0.0".into(),
        "bn1" => "features.0.1".into(),
        "conv_head" => "features.18.0".into(),
        "bn2" => "features.18.1".into(),
        "classifier" => "classifier.1".into(),
        _ => {
            let mut path = layer.strip_prefix("blocks.")?.splitn(3, '.');
            let stage: usize = path.next()?.parse().ok()?;
            let repeat: usize = path.next()?.parse().ok()?;
            let [expansion, _, repeats, _] = *STAGES.get(stage)?;
            let before: usize = STAGES[..stage].iter().map(|s| s[2]).sum();
            // The first block does not expand, and timm names its projection like an expansion.
            let layer = match (path.next()?, expansion > 1) {
                ("conv_pw", true) | ("conv_dw", false) => "0.0",
                ("bn1", _) => "0.1",
                ("conv_dw", true) => "1.0",
                ("bn2", true) => "1.1",
                ("conv_pwl", true) => "2",
                ("bn3", true) => "3",
                ("conv_pw", false) => "1",
                ("bn2", false) => "2",
                _ => return None,
            };
            (repeat < repeats).then(|| format!("features.{}.conv.{layer}", 1 + before + repeat))?
        }
    };
    Some(format!("{here}.{value}"))
}
