//! ShuffleNetV2: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", Ma et al.
//! 2018, arXiv 1807.11164, as torchvision builds it.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::slice::Slice;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Family, Paper, centred, first, initialised, only};

/// The ShuffleNetV2s.
#[rustfmt::skip]
pub static ALL: [Architecture; 4] = [
    FAMILY.network("shufflenet_v2_x0_5", |classes| shufflenet([48, 96, 192, 1024], classes), &[
        first("shufflenetv2_x0.5-f707e7126e.pth", 60.552),
    ]),
    FAMILY.network("shufflenet_v2_x1_0", |classes| shufflenet([116, 232, 464, 1024], classes), &[
        first("shufflenetv2_x1-5666bf0f80.pth", 69.362),
    ]),
    FAMILY.network("shufflenet_v2_x1_5", |classes| shufflenet([176, 352, 704, 1024], classes), &[
        only("shufflenetv2_x1_5-3c479a10.pth", 72.996),
    ]),
    FAMILY.network("shufflenet_v2_x2_0", |classes| shufflenet([244, 488, 976, 2048], classes), &[
        only("shufflenetv2_x2_0-8be3c8ee.pth", 76.23),
    ]),
];

const FAMILY: Family = Family {
    paper: Paper {
        title: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
        arxiv: "1807.11164",
    },
    head: "fc",
    // PyTorch's defaults, as in torchvision.
    initialisation: initialised(Initialiser::UniformFanIn, Initialiser::UniformFanIn),
    other_names: None,
};

/// Batch-norm epsilon of the whole network.
const EPS: f32 = 1e-5;

/// Blocks of stages 2, 3 and 4.
const REPEATS: [usize; 3] = [4, 8, 4];

/// `channels` are the outputs of stages 2, 3, 4 and of the last convolution.
fn shufflenet(channels: [usize; 4], classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = centred(3).stride(2);
    let x = normalised(&mut net, ["conv1.0", "conv1.1"], x, stem, [3, 24]);
    let x = net.activation("conv1.2", x, Activation::Relu);
    let mut x = net.pool("maxpool", x, Pool::max(3, 2, 1, false));
    let mut inputs = 24;
    for ((stage, repeats), outputs) in (2..).zip(REPEATS).zip(channels) {
        x = halving(&mut net, &format!("stage{stage}.0"), x, inputs, outputs);
        for repeat in 1..repeats {
            x = keeping(&mut net, &format!("stage{stage}.{repeat}"), x, outputs);
        }
        inputs = outputs;
    }
    let last = channels[3];
    let x = normalised(
        &mut net,
        ["conv5.0", "conv5.1"],
        x,
        centred(1),
        [inputs, last],
    );
    let x = net.activation("conv5.2", x, Activation::Relu);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, last, classes, true);
    net.ending_at(x)
}

/// Convolution and batch-norm with these names.
fn normalised(
    net: &mut Blueprint,
    [conv_name, norm_name]: [&str; 2],
    x: NodeId,
    conv: Conv2d,
    [inputs, outputs]: [usize; 2],
) -> NodeId {
    let x = net.conv2d(conv_name, x, conv, inputs, outputs, false);
    net.batch_norm(norm_name, x, outputs, EPS)
}

/// A block at half the resolution: both branches see all channels.
fn halving(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize, outputs: usize) -> NodeId {
    let half = outputs / 2;
    let name = |layer: usize| format!("{path}.branch1.{layer}");
    let depthwise = centred(3).stride(2).groups(inputs);
    let names = [&name(0)[..], &name(1)];
    let one = normalised(net, names, x, depthwise, [inputs, inputs]);
    let names = [&name(2)[..], &name(3)];
    let one = normalised(net, names, one, centred(1), [inputs, half]);
    let one = net.activation(&name(4), one, Activation::Relu);
    let two = branch(net, path, x, [inputs, half], 2);
    shuffled(net, path, one, two)
}

/// A block that keeps the resolution: half the channels pass unchanged.
fn keeping(net: &mut Blueprint, path: &str, x: NodeId, channels: usize) -> NodeId {
    let half = channels / 2;
    let mut part = |name: &str, first| {
        let slice = Slice::channels(first, half);
        net.node(&format!("{path}.{name}"), slice, &[x], &[])
    };
    let (one, two) = (part("kept", 0), part("changed", half));
    let two = branch(net, path, two, [half, half], 1);
    shuffled(net, path, one, two)
}

/// 1×1, depthwise 3×3, 1×1.
fn branch(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    [inputs, outputs]: [usize; 2],
    stride: usize,
) -> NodeId {
    let name = |layer: usize| format!("{path}.branch2.{layer}");
    let names = [&name(0)[..], &name(1)];
    let x = normalised(net, names, x, centred(1), [inputs, outputs]);
    let x = net.activation(&name(2), x, Activation::Relu);
    let depthwise = centred(3).stride(stride).groups(outputs);
    let names = [&name(3)[..], &name(4)];
    let x = normalised(net, names, x, depthwise, [outputs, outputs]);
    let names = [&name(5)[..], &name(6)];
    let x = normalised(net, names, x, centred(1), [outputs, outputs]);
    net.activation(&name(7), x, Activation::Relu)
}

/// Interleaves the channels of both branches.
fn shuffled(net: &mut Blueprint, path: &str, one: NodeId, two: NodeId) -> NodeId {
    let x = net.concat(&format!("{path}.concat"), &[one, two]);
    let shuffle = ChannelShuffle { groups: 2 };
    net.node(&format!("{path}.shuffle"), shuffle, &[x], &[])
}
