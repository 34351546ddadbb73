//! GoogLeNet: "Going Deeper with Convolutions", Szegedy et al. 2014, arXiv 1409.4842, with
//! batch-norms and with 3×3 convolutions where the paper has 5×5, as torchvision builds it.
//!
//! Its published weights come from TensorFlow and were trained on values from −1 to 1. As in torchvision,
//! preprocessing is the same as for other networks, and the first node converts the values.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser, NodeId};

use super::{Architecture, Paper, centred, first, initialised};

/// GoogLeNet.
pub static ALL: [Architecture; 1] = [Architecture {
    name: "googlenet",
    timm: &[],
    paper: Paper {
        title: "Going Deeper with Convolutions",
        arxiv: "1409.4842",
    },
    build: googlenet,
    head: "fc",
    // As torchvision. Its truncation at 200 standard deviations has no effect.
    initialisation: initialised(Initialiser::Normal(0.01), Initialiser::Normal(0.01)),
    other_names: None,
    // The file also has parameters of the auxiliary heads, but they are not trained.
    published: &[first("googlenet-1378be20.pth", 69.778)],
    embedded: None,
}];

/// Weight of the loss of each auxiliary head, from the paper.
const AUXILIARY_WEIGHT: f32 = 0.3;

/// The inception modules: names, and channels in the order of the paper's table: 1×1, reduced before 3×3, 3×3,
/// reduced before 5×5, 5×5, after the pool.
const MODULES: [(&str, [usize; 6]); 9] = [
    ("inception3a", [64, 96, 128, 16, 32, 32]),
    ("inception3b", [128, 128, 192, 32, 96, 64]),
    ("inception4a", [192, 96, 208, 16, 48, 64]),
    ("inception4b", [160, 112, 224, 24, 64, 64]),
    ("inception4c", [128, 128, 256, 24, 64, 64]),
    ("inception4d", [112, 144, 288, 32, 64, 64]),
    ("inception4e", [256, 160, 320, 32, 128, 128]),
    ("inception5a", [256, 160, 320, 32, 128, 128]),
    ("inception5b", [384, 192, 384, 48, 128, 128]),
];

/// GoogLeNet.
fn googlenet(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = transform_input(&mut net, x);
    let x = basic_conv(&mut net, "conv1", x, centred(7).stride(2), 3, 64);
    let x = net.pool("maxpool1", x, Pool::max(3, 2, 0, true));
    let x = basic_conv(&mut net, "conv2", x, Conv2d::square(1), 64, 64);
    let x = basic_conv(&mut net, "conv3", x, centred(3), 64, 192);
    let mut x = net.pool("maxpool2", x, Pool::max(3, 2, 0, true));
    let mut inputs = 192;
    for (name, channels) in MODULES {
        (x, inputs) = module(&mut net, name, x, inputs, channels);
        match name {
            "inception3b" => x = net.pool("maxpool3", x, Pool::max(3, 2, 0, true)),
            "inception4a" => auxiliary(&mut net, "aux1", x, inputs, classes),
            "inception4d" => auxiliary(&mut net, "aux2", x, inputs, classes),
            "inception4e" => x = net.pool("maxpool4", x, Pool::max(2, 2, 0, true)),
            _ => {}
        }
    }
    let x = net.pool("avgpool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.2);
    let x = net.linear("fc", x, inputs, classes, true);
    net.ending_at(x)
}

/// Four branches side by side; the node and its number of channels.
fn module(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    inputs: usize,
    [one_by_one, reduced_three, three, reduced_five, five, pooled]: [usize; 6],
) -> (NodeId, usize) {
    let name = |layer: &str| format!("{path}.{layer}");
    let one = Conv2d::square(1);
    let mut conv = |layer: &str, x, conv: &Conv2d, inputs, outputs| {
        basic_conv(net, &name(layer), x, conv.clone(), inputs, outputs)
    };
    let first = conv("branch1", x, &one, inputs, one_by_one);
    let second = conv("branch2.0", x, &one, inputs, reduced_three);
    let second = conv("branch2.1", second, &centred(3), reduced_three, three);
    let third = conv("branch3.0", x, &one, inputs, reduced_five);
    let third = conv("branch3.1", third, &centred(3), reduced_five, five);
    let fourth = net.pool(&name("branch4.0"), x, Pool::max(3, 1, 1, true));
    let fourth = basic_conv(net, &name("branch4.1"), fourth, one, inputs, pooled);
    let all = net.concat(&name("concat"), &[first, second, third, fourth]);
    (all, one_by_one + three + five + pooled)
}

/// An auxiliary head for training.
fn auxiliary(net: &mut Blueprint, path: &str, x: NodeId, inputs: usize, classes: usize) {
    let name = |layer: &str| format!("{path}.{layer}");
    let x = net.pool(&name("avgpool"), x, Pool::mean_to(4));
    let x = basic_conv(net, &name("conv"), x, Conv2d::square(1), inputs, 128);
    let x = net.flatten(&name("flatten"), x);
    let x = net.linear(&name("fc1"), x, 128 * 4 * 4, 1024, true);
    let x = net.activation(&name("relu"), x, Activation::Relu);
    let x = net.dropout(&name("dropout"), x, 0.7);
    let x = net.linear(&name("fc2"), x, 1024, classes, true);
    net.auxiliary(x, AUXILIARY_WEIGHT);
}

/// Converts values normalised with ImageNet's means and deviations to `2p − 1` for a pixel `p` from 0 to 1, as
/// torchvision's `transform_input`.
///
/// torchvision uses it only with published weights. Here it is always part of the network, so trained weights
/// need no flag.
pub(super) fn transform_input(net: &mut Blueprint, x: NodeId) -> NodeId {
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let op = ChannelAffine {
        factor: deviation.map(|d: f64| (d / 0.5) as f32).to_vec(),
        shift: mean.map(|m: f64| ((m - 0.5) / 0.5) as f32).to_vec(),
    };
    net.node("transform_input", op, &[x], &[])
}

/// Convolution, batch-norm and ReLU: torchvision's `BasicConv2d`.
pub(super) fn basic_conv(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    conv: Conv2d,
    inputs: usize,
    outputs: usize,
) -> NodeId {
    let x = net.conv2d(&format!("{path}.conv"), x, conv, inputs, outputs, false);
    let x = net.batch_norm(&format!("{path}.bn"), x, outputs, 1e-3);
    net.activation(&format!("{path}.relu"), x, Activation::Relu)
}
