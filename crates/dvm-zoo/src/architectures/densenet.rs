//! DenseNet: "Densely Connected Convolutional Networks", Huang et al. 2016, arXiv 1608.06993, with
//! bottlenecks and compression (DenseNet-BC), as torchvision and timm build it.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Family, Paper, centred, first, initialised};

/// The DenseNets.
#[rustfmt::skip]
pub static ALL: [Architecture; 4] = [
    FAMILY.network("densenet121", |classes| densenet(64, 32, [6, 12, 24, 16], classes), &[
        first("densenet121-a639ec97.pth", 74.434),
    ]).in_timm(&["tv_densenet121"]),
    FAMILY.network("densenet161", |classes| densenet(96, 48, [6, 12, 36, 24], classes), &[
        first("densenet161-8d451a50.pth", 77.138),
    ]),
    FAMILY.network("densenet169", |classes| densenet(64, 32, [6, 12, 32, 32], classes), &[
        first("densenet169-b2777c0a.pth", 75.6),
    ]),
    FAMILY.network("densenet201", |classes| densenet(64, 32, [6, 12, 48, 32], classes), &[
        first("densenet201-c1103571.pth", 76.896),
    ]),
];

const FAMILY: Family = Family {
    paper: Paper {
        title: "Densely Connected Convolutional Networks",
        arxiv: "1608.06993",
    },
    head: "classifier",
    // As torchvision; the last layer has PyTorch's default.
    initialisation: initialised(Initialiser::KaimingNormalFanIn, Initialiser::UniformFanIn),
    other_names: Some(from_published),
};

/// Batch-norm epsilon of every DenseNet.
const EPS: f32 = 1e-5;
/// Channels between the two convolutions of a layer, per channel that it adds.
const BOTTLENECK: usize = 4;

/// The name here of a parameter in torchvision's published files, which still have dots in module names:
/// `denselayer3.norm.1.weight`.
fn from_published(name: &str) -> Option<String> {
    let (path, value) = name.rsplit_once('.')?;
    let (path, number) = path.rsplit_once('.')?;
    let (layer, kind) = path.rsplit_once('.')?;
    let is_inner = layer.contains("denselayer")
        && matches!(kind, "norm" | "conv")
        && matches!(number, "1" | "2");
    is_inner.then(|| format!("{layer}.{kind}{number}.{value}"))
}

/// Four dense blocks of `depths` layers, each of which adds `growth` channels; between them transitions that
/// halve channels, rows and columns.
fn densenet(stem: usize, growth: usize, depths: [usize; 4], classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("features.conv0", x, centred(7).stride(2), 3, stem, false);
    let x = net.batch_norm("features.norm0", x, stem, EPS);
    let x = net.activation("features.relu0", x, Activation::Relu);
    let mut x = net.pool("features.pool0", x, Pool::max(3, 2, 1, false));
    let mut channels = stem;
    for (index, depth) in (1..).zip(depths) {
        let block = format!("features.denseblock{index}");
        for layer in 1..=depth {
            let path = format!("{block}.denselayer{layer}");
            let new = dense_layer(&mut net, &path, x, channels, growth);
            x = net.concat(&format!("{path}.concat"), &[x, new]);
            channels += growth;
        }
        if index < depths.len() {
            let path = format!("features.transition{index}");
            x = transition(&mut net, &path, x, channels);
            channels /= 2;
        }
    }
    let x = net.batch_norm("features.norm5", x, channels, EPS);
    let x = net.activation("relu", x, Activation::Relu);
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("classifier", x, channels, classes, true);
    net.ending_at(x)
}

/// The channels that a layer adds: norm, ReLU, 1×1, norm, ReLU, 3×3.
fn dense_layer(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize, growth: usize) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let wide = BOTTLENECK * growth;
    let x = net.batch_norm(&name("norm1"), x, inputs, EPS);
    let x = net.activation(&name("relu1"), x, Activation::Relu);
    let x = net.conv2d(&name("conv1"), x, Conv2d::square(1), inputs, wide, false);
    let x = net.batch_norm(&name("norm2"), x, wide, EPS);
    let x = net.activation(&name("relu2"), x, Activation::Relu);
    net.conv2d(&name("conv2"), x, centred(3), wide, growth, false)
}

/// Half the channels on half the rows and columns.
fn transition(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize) -> NodeId {
    let name = |layer: &str| format!("{path}.{layer}");
    let x = net.batch_norm(&name("norm"), x, inputs, EPS);
    let x = net.activation(&name("relu"), x, Activation::Relu);
    let one = Conv2d::square(1);
    let x = net.conv2d(&name("conv"), x, one, inputs, inputs / 2, false);
    net.pool(&name("pool"), x, Pool::mean(2, 2, 0))
}
