//! SqueezeNet: "AlexNet-level accuracy with 50x fewer parameters", Iandola et al. 2016,
//! arXiv 1602.07360; the paper's and version 1.1 of the authors' repository, as torchvision builds them.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialisation, Initialiser, NodeId};

use super::{Architecture, Family, Paper, centred, first};

/// The SqueezeNets.
#[rustfmt::skip]
pub static ALL: [Architecture; 2] = [
    FAMILY.network("squeezenet1_0", squeezenet1_0, &[first("squeezenet1_0-b66bff10.pth", 58.092)]),
    Architecture {
        embedded: Some(include_bytes!("../../embedded/squeezenet1_1.safetensors")),
        ..FAMILY.network("squeezenet1_1", squeezenet1_1, &[first("squeezenet1_1-b8a52dc0.pth", 58.178)])
    },
];

const FAMILY: Family = Family {
    paper: Paper {
        title: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        arxiv: "1602.07360",
    },
    head: "classifier.1",
    // As torchvision; the last layer is a convolution.
    initialisation: Initialisation {
        convolutions: Initialiser::KaimingUniform,
        linear: Initialiser::UniformFanIn,
        head: Initialiser::Normal(0.01),
        others: &[],
    },
    other_names: None,
};

/// SqueezeNet 1.0.
fn squeezenet1_0(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("features.0", x, Conv2d::square(7).stride(2), 3, 96, true);
    let x = net.activation("features.1", x, Activation::Relu);
    let x = net.pool("features.2", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.3", x, 96, 16, 64);
    let x = fire(&mut net, "features.4", x, 128, 16, 64);
    let x = fire(&mut net, "features.5", x, 128, 32, 128);
    let x = net.pool("features.6", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.7", x, 256, 32, 128);
    let x = fire(&mut net, "features.8", x, 256, 48, 192);
    let x = fire(&mut net, "features.9", x, 384, 48, 192);
    let x = fire(&mut net, "features.10", x, 384, 64, 256);
    let x = net.pool("features.11", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.12", x, 512, 64, 256);
    ending(net, x, classes)
}

/// SqueezeNet 1.1.
fn squeezenet1_1(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("features.0", x, Conv2d::square(3).stride(2), 3, 64, true);
    let x = net.activation("features.1", x, Activation::Relu);
    let x = net.pool("features.2", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.3", x, 64, 16, 64);
    let x = fire(&mut net, "features.4", x, 128, 16, 64);
    let x = net.pool("features.5", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.6", x, 128, 32, 128);
    let x = fire(&mut net, "features.7", x, 256, 32, 128);
    let x = net.pool("features.8", x, Pool::max(3, 2, 0, true));
    let x = fire(&mut net, "features.9", x, 256, 48, 192);
    let x = fire(&mut net, "features.10", x, 384, 48, 192);
    let x = fire(&mut net, "features.11", x, 384, 64, 256);
    let x = fire(&mut net, "features.12", x, 512, 64, 256);
    ending(net, x, classes)
}

/// The classifier of both: a convolution, then the mean of each class.
fn ending(mut net: Blueprint, x: NodeId, classes: usize) -> Blueprint {
    let x = net.dropout("classifier.0", x, 0.5);
    let x = net.conv2d("classifier.1", x, Conv2d::square(1), 512, classes, true);
    let x = net.activation("classifier.2", x, Activation::Relu);
    let x = net.pool("classifier.3", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    net.ending_at(x)
}

/// A fire module: squeeze to few channels, expand by 1×1 and 3×3 in parallel.
fn fire(
    net: &mut Blueprint,
    path: &str,
    x: NodeId,
    inputs: usize,
    squeezed: usize,
    expanded: usize,
) -> NodeId {
    let mut layer = |name: &str, x, conv, inputs, outputs| {
        let x = net.conv2d(&format!("{path}.{name}"), x, conv, inputs, outputs, true);
        net.activation(&format!("{path}.{name}_activation"), x, Activation::Relu)
    };
    let squeeze = layer("squeeze", x, Conv2d::square(1), inputs, squeezed);
    let one = layer("expand1x1", squeeze, Conv2d::square(1), squeezed, expanded);
    let three = layer("expand3x3", squeeze, centred(3), squeezed, expanded);
    net.concat(&format!("{path}.concat"), &[one, three])
}
