//! ResNet: "Deep Residual Learning for Image Recognition", He et al. 2015, arXiv 1512.03385; with
//! grouped convolutions ResNeXt: "Aggregated Residual Transformations for Deep Neural Networks",
//! Xie et al. 2016, arXiv 1611.05431; with more channels within a block, "Wide Residual Networks",
//! Zagoruyko and Komodakis 2016, arXiv 1605.07146.
//!
//! As torchvision builds them: the stride of a bottleneck is in its 3×3 convolution.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Family, Paper, centred, first, initialised, only, second};

/// The ResNets, ResNeXts and wide ResNets.
#[rustfmt::skip]
pub static ALL: [Architecture; 10] = [
    RESNET.network("resnet18", |classes| resnet(Block::Basic, [2, 2, 2, 2], classes), &[
        first("resnet18-f37072fd.pth", 69.758),
    ]),
    RESNET.network("resnet34", |classes| resnet(Block::Basic, [3, 4, 6, 3], classes), &[
        first("resnet34-b627a593.pth", 73.314),
    ]).in_timm(&["tv_resnet34"]),
    RESNET.network("resnet50", |classes| resnet(BOTTLENECK, [3, 4, 6, 3], classes), &[
        first("resnet50-0676ba61.pth", 76.13),
        second("resnet50-11ad3fa6.pth", 80.858),
    ]).in_timm(&["tv_resnet50"]),
    RESNET.network("resnet101", |classes| resnet(BOTTLENECK, [3, 4, 23, 3], classes), &[
        first("resnet101-63fe2227.pth", 77.374),
        second("resnet101-cd907fc2.pth", 81.886),
    ]).in_timm(&["tv_resnet101"]),
    RESNET.network("resnet152", |classes| resnet(BOTTLENECK, [3, 8, 36, 3], classes), &[
        first("resnet152-394f9c45.pth", 78.312),
        second("resnet152-f82ba261.pth", 82.284),
    ]).in_timm(&["tv_resnet152"]),
    RESNEXT.network("resnext50_32x4d", |classes| resnet(grouped(32, 4), [3, 4, 6, 3], classes), &[
        first("resnext50_32x4d-7cdf4587.pth", 77.618),
        second("resnext50_32x4d-1a0047aa.pth", 81.198),
    ]).in_timm(&["tv_resnext50_32x4d"]),
    RESNEXT.network("resnext101_32x8d", |classes| resnet(grouped(32, 8), [3, 4, 23, 3], classes), &[
        first("resnext101_32x8d-8ba56ff5.pth", 79.312),
        second("resnext101_32x8d-110c445d.pth", 82.834),
    ]),
    RESNEXT.network("resnext101_64x4d", |classes| resnet(grouped(64, 4), [3, 4, 23, 3], classes), &[
        only("resnext101_64x4d-173b62eb.pth", 83.246),
    ]),
    WIDE_RESNET.network("wide_resnet50_2", |classes| resnet(grouped(1, 128), [3, 4, 6, 3], classes), &[
        first("wide_resnet50_2-95faca4d.pth", 78.468),
        second("wide_resnet50_2-9ba9bcbe.pth", 81.602),
    ]),
    WIDE_RESNET.network("wide_resnet101_2", |classes| resnet(grouped(1, 128), [3, 4, 23, 3], classes), &[
        first("wide_resnet101_2-32ee1156.pth", 78.848),
        second("wide_resnet101_2-d733dc28.pth", 82.51),
    ]),
];

const RESNET: Family = Family {
    paper: Paper {
        title: "Deep Residual Learning for Image Recognition",
        arxiv: "1512.03385",
    },
    head: "fc",
    // As torchvision; the last layer has PyTorch's default.
    initialisation: initialised(Initialiser::KaimingNormal, Initialiser::UniformFanIn),
    other_names: None,
};
const RESNEXT: Family = Family {
    paper: Paper {
        title: "Aggregated Residual Transformations for Deep Neural Networks",
        arxiv: "1611.05431",
    },
    ..RESNET
};
const WIDE_RESNET: Family = Family {
    paper: Paper {
        title: "Wide Residual Networks",
        arxiv: "1605.07146",
    },
    ..RESNET
};

/// Batch-norm epsilon of every ResNet.
const EPS: f32 = 1e-5;

/// The kind of residual block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1 with four times the channels at the end.
    Bottleneck {
        /// Groups of the 3×3 convolution.
        groups: usize,
        /// Channels of each group in the first stage; doubled in each following stage.
        group_width: usize,
    },
}

/// The bottleneck of the ResNets.
const BOTTLENECK: Block = Block::Bottleneck {
    groups: 1,
    group_width: 64,
};

const fn grouped(groups: usize, group_width: usize) -> Block {
    Block::Bottleneck {
        groups,
        group_width,
    }
}

fn resnet(block: Block, depths: [usize; 4], classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, centred(7).stride(2), 3, 64, false);
    let x = net.batch_norm("bn1", x, 64, EPS);
    let x = net.activation("relu", x, Activation::Relu);
    let mut x = net.pool("maxpool", x, Pool::max(3, 2, 1, false));
    let mut channels = 64;
    for (stage, depth) in depths.into_iter().enumerate() {
        for index in 0..depth {
            let path = format!("layer{}.{index}", stage + 1);
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            (x, channels) = residual(&mut net, &path, block, x, channels, stage, stride);
        }
    }
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, channels, classes, true);
    net.ending_at(x)
}

/// `relu(branch(x) + shortcut(x))`; returns the node and its number of channels.
fn residual(
    net: &mut Blueprint,
    path: &str,
    block: Block,
    x: NodeId,
    inputs: usize,
    stage: usize,
    stride: usize,
) -> (NodeId, usize) {
    let (width, convolutions) = match block {
        Block::Basic => (64 << stage, vec![centred(3).stride(stride), centred(3)]),
        Block::Bottleneck {
            groups,
            group_width,
        } => (
            (groups * group_width) << stage,
            vec![
                centred(1),
                centred(3).stride(stride).groups(groups),
                centred(1),
            ],
        ),
    };
    let outputs = match block {
        Block::Basic => width,
        Block::Bottleneck { .. } => 256 << stage,
    };
    let (mut y, mut channels) = (x, inputs);
    let count = convolutions.len();
    for (i, conv) in (1..).zip(convolutions) {
        let next = if i == count { outputs } else { width };
        y = net.conv2d(&format!("{path}.conv{i}"), y, conv, channels, next, false);
        y = net.batch_norm(&format!("{path}.bn{i}"), y, next, EPS);
        if i < count {
            y = net.activation(&format!("{path}.relu{i}"), y, Activation::Relu);
        }
        channels = next;
    }
    let mut shortcut = x;
    if stride != 1 || inputs != outputs {
        let name = format!("{path}.downsample");
        let conv = Conv2d::square(1).stride(stride);
        shortcut = net.conv2d(&format!("{name}.0"), shortcut, conv, inputs, outputs, false);
        shortcut = net.batch_norm(&format!("{name}.1"), shortcut, outputs, EPS);
    }
    let sum = net.add(&format!("{path}.add"), y, shortcut);
    let last = format!("{path}.relu{count}");
    (net.activation(&last, sum, Activation::Relu), outputs)
}
