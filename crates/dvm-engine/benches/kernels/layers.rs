//! The layers that are timed: each kind of kernel at the shapes of ResNet18, VGG16 and
//! EfficientNet-Lite0 for pictures of 224 pixels.

use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;

/// A layer with the feature map it works on.
pub struct Layer {
    /// Which kernel it needs.
    pub kind: &'static str,
    /// The network that has it.
    pub network: &'static str,
    /// Channels and side of its input.
    pub input: (usize, usize),
    /// What it does.
    pub op: LayerOp,
}

pub enum LayerOp {
    /// With this number of output channels.
    Conv(Conv2d, usize),
    Pool(Pool),
    /// With this number of outputs.
    Linear(usize),
}

const RESNET: &str = "resnet18";
const VGG: &str = "vgg16";
const LITE: &str = "efficientnet_lite0";

/// A convolution that keeps the size of its input at stride 1.
fn conv(kernel: usize, stride: usize) -> Conv2d {
    let padding = Padding::Fixed(Border::all(kernel / 2));
    Conv2d::square(kernel).stride(stride).padding(padding)
}

/// All layers, by kind. Those that a network has twice are listed once.
pub fn all() -> Vec<Layer> {
    let mut all = Vec::new();
    let mut add = |kind, network, input, op| {
        all.push(Layer {
            kind,
            network,
            input,
            op,
        });
    };
    for (network, channels, side, outputs) in [
        (RESNET, 64, 56, 64),
        (RESNET, 128, 28, 128),
        (RESNET, 256, 14, 256),
        (RESNET, 512, 7, 512),
        (VGG, 3, 224, 64),
        (VGG, 64, 224, 64),
        (VGG, 64, 112, 128),
        (VGG, 128, 112, 128),
        (VGG, 128, 56, 256),
        (VGG, 256, 56, 256),
        (VGG, 256, 28, 512),
        (VGG, 512, 28, 512),
        (VGG, 512, 14, 512),
    ] {
        let op = LayerOp::Conv(conv(3, 1), outputs);
        add("3x3", network, (channels, side), op);
    }
    for (channels, side, outputs) in [
        (32, 112, 16),
        (16, 112, 96),
        (24, 56, 144),
        (240, 28, 40),
        (80, 14, 480),
        (672, 14, 112),
        (1152, 7, 192),
        (320, 7, 1280),
    ] {
        let op = LayerOp::Conv(conv(1, 1), outputs);
        add("1x1", LITE, (channels, side), op);
    }
    for (network, kernel, channels, side, outputs) in [
        (RESNET, 7, 3, 224, 64),
        (RESNET, 3, 64, 56, 128),
        (RESNET, 3, 128, 28, 256),
        (RESNET, 3, 256, 14, 512),
        (RESNET, 1, 64, 56, 128),
        (LITE, 3, 3, 224, 32),
    ] {
        let op = LayerOp::Conv(conv(kernel, 2), outputs);
        let kind = match kernel {
            1 => "1x1-stride-2",
            3 => "3x3-stride-2",
            _ => "7x7-stride-2",
        };
        add(kind, network, (channels, side), op);
    }
    for (kernel, stride, channels, side) in [
        (3, 1, 32, 112),
        (3, 2, 96, 112),
        (3, 1, 144, 56),
        (3, 1, 480, 14),
        (3, 1, 1152, 7),
        (5, 2, 144, 56),
        (5, 1, 240, 28),
        (5, 1, 672, 14),
        (5, 1, 1152, 7),
    ] {
        let op = LayerOp::Conv(conv(kernel, stride).groups(channels), channels);
        let kind = match (kernel, stride) {
            (3, 1) => "depthwise-3x3",
            (3, _) => "depthwise-3x3-stride-2",
            (_, 1) => "depthwise-5x5",
            _ => "depthwise-5x5-stride-2",
        };
        add(kind, LITE, (channels, side), op);
    }
    for (network, channels, side, pool) in [
        (RESNET, 64, 112, Pool::max(3, 2, 1, false)),
        (VGG, 64, 224, Pool::max(2, 2, 0, false)),
        (VGG, 512, 28, Pool::max(2, 2, 0, false)),
        (RESNET, 512, 7, Pool::global_mean()),
        (LITE, 1280, 7, Pool::global_mean()),
    ] {
        add("pool", network, (channels, side), LayerOp::Pool(pool));
    }
    for (network, inputs, outputs) in [
        (RESNET, 512, 1000),
        (LITE, 1280, 1000),
        (VGG, 25088, 4096),
        (VGG, 4096, 4096),
    ] {
        add("linear", network, (inputs, 1), LayerOp::Linear(outputs));
    }
    all
}
