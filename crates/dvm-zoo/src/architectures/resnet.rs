//! ResNet: "Deep Residual Learning for Image Recognition", He et al. 2015, arXiv 1512.03385.
//!
//! As torchvision builds it: the stride of a bottleneck is in its 3×3 convolution.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, NodeId, Spread};

use super::{Architecture, Paper, Published, first, second};

/// The ResNets.
pub static ALL: [Architecture; 5] = [
    network(
        "resnet18",
        resnet18,
        &[first("resnet18-f37072fd.pth", 69.758)],
    ),
    network(
        "resnet34",
        resnet34,
        &[first("resnet34-b627a593.pth", 73.314)],
    ),
    network(
        "resnet50",
        resnet50,
        &[
            first("resnet50-0676ba61.pth", 76.13),
            second("resnet50-11ad3fa6.pth", 80.858),
        ],
    ),
    network(
        "resnet101",
        resnet101,
        &[
            first("resnet101-63fe2227.pth", 77.374),
            second("resnet101-cd907fc2.pth", 81.886),
        ],
    ),
    network(
        "resnet152",
        resnet152,
        &[
            first("resnet152-394f9c45.pth", 78.312),
            second("resnet152-f82ba261.pth", 82.284),
        ],
    ),
];

const fn network(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    published: &'static [Published],
) -> Architecture {
    Architecture {
        name,
        timm: &[],
        paper: Paper {
            title: "Deep Residual Learning for Image Recognition",
            arxiv: "1512.03385",
        },
        build,
        head: "fc",
        initialisation: INITIALISATION,
        other_names: None,
        published,
        embedded: None,
    }
}

/// As torchvision; it leaves the last layer to PyTorch.
const INITIALISATION: Initialisation = Initialisation {
    convolutions: Spread::KaimingNormal,
    linear: Spread::UniformByInputs,
    head: Spread::UniformByInputs,
};

/// Batch-norm epsilon of every ResNet.
const EPS: f32 = 1e-5;

/// Which residual block a ResNet is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1 with four times the channels at the end.
    Bottleneck,
}

/// ResNet-18.
fn resnet18(classes: usize) -> Blueprint {
    resnet(Block::Basic, [2, 2, 2, 2], classes)
}

/// ResNet-34.
fn resnet34(classes: usize) -> Blueprint {
    resnet(Block::Basic, [3, 4, 6, 3], classes)
}

/// ResNet-50.
fn resnet50(classes: usize) -> Blueprint {
    resnet(Block::Bottleneck, [3, 4, 6, 3], classes)
}

/// ResNet-101.
fn resnet101(classes: usize) -> Blueprint {
    resnet(Block::Bottleneck, [3, 4, 23, 3], classes)
}

/// ResNet-152.
fn resnet152(classes: usize) -> Blueprint {
    resnet(Block::Bottleneck, [3, 8, 36, 3], classes)
}

fn resnet(block: Block, depths: [usize; 4], classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = convolution(7).stride(2);
    let x = net.conv2d("conv1", x, stem, 3, 64, false);
    let x = net.batch_norm("bn1", x, 64, EPS);
    let x = net.activation("relu", x, Activation::Relu);
    let mut x = net.pool("maxpool", x, Pool::max(3, 2, 1, false));
    let mut channels = 64;
    for (stage, depth) in depths.into_iter().enumerate() {
        let width = 64 << stage;
        for index in 0..depth {
            let path = format!("layer{}.{index}", stage + 1);
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            (x, channels) = residual(&mut net, &path, block, x, channels, width, stride);
        }
    }
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, channels, classes, true);
    net.ending_at(x)
}

/// A square convolution that keeps the size of its input (at stride 1).
fn convolution(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

/// `relu(branch(x) + shortcut(x))`; returns the node and its number of channels.
fn residual(
    net: &mut Blueprint,
    path: &str,
    block: Block,
    x: NodeId,
    inputs: usize,
    width: usize,
    stride: usize,
) -> (NodeId, usize) {
    let (kernels, strides, outputs): (&[usize], &[usize], usize) = match block {
        Block::Basic => (&[3, 3], &[stride, 1], width),
        Block::Bottleneck => (&[1, 3, 1], &[1, stride, 1], 4 * width),
    };
    let (mut y, mut channels) = (x, inputs);
    for (i, (&kernel, &stride)) in kernels.iter().zip(strides).enumerate() {
        let i = i + 1;
        let last = i == kernels.len();
        let next = if last { outputs } else { width };
        let conv = convolution(kernel).stride(stride);
        y = net.conv2d(&format!("{path}.conv{i}"), y, conv, channels, next, false);
        y = net.batch_norm(&format!("{path}.bn{i}"), y, next, EPS);
        if !last {
            y = net.activation(&format!("{path}.relu{i}"), y, Activation::Relu);
        }
        channels = next;
    }
    let mut shortcut = x;
    if stride != 1 || inputs != outputs {
        let name = format!("{path}.downsample");
        let conv = convolution(1).stride(stride);
        shortcut = net.conv2d(&format!("{name}.0"), shortcut, conv, inputs, outputs, false);
        shortcut = net.batch_norm(&format!("{name}.1"), shortcut, outputs, EPS);
    }
    let sum = net.add(&format!("{path}.add"), y, shortcut);
    let last = format!("{path}.relu{}", kernels.len());
    (net.activation(&last, sum, Activation::Relu), outputs)
}
