//! VGG: "Very Deep Convolutional Networks for Large-Scale Image Recognition", Simonyan and Zisserman
//! 2014, arXiv 1409.1556: configurations A, B, D and E, and the same with batch-norms, as torchvision
//! builds and names them.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser};

use super::{Architecture, Family, Paper, centred, first, initialised};

/// The VGGs.
#[rustfmt::skip]
pub static ALL: [Architecture; 8] = [
    FAMILY.network("vgg11", |classes| vgg([1, 1, 2, 2, 2], false, classes), &[
        first("vgg11-8a719046.pth", 69.02),
    ]),
    FAMILY.network("vgg11_bn", |classes| vgg([1, 1, 2, 2, 2], true, classes), &[
        first("vgg11_bn-6002323d.pth", 70.37),
    ]),
    FAMILY.network("vgg13", |classes| vgg([2, 2, 2, 2, 2], false, classes), &[
        first("vgg13-19584684.pth", 69.928),
    ]),
    FAMILY.network("vgg13_bn", |classes| vgg([2, 2, 2, 2, 2], true, classes), &[
        first("vgg13_bn-abd245e5.pth", 71.586),
    ]),
    FAMILY.network("vgg16", |classes| vgg([2, 2, 3, 3, 3], false, classes), &[
        first("vgg16-397923af.pth", 71.592),
    ]),
    FAMILY.network("vgg16_bn", |classes| vgg([2, 2, 3, 3, 3], true, classes), &[
        first("vgg16_bn-6c64b313.pth", 73.36),
    ]),
    FAMILY.network("vgg19", |classes| vgg([2, 2, 4, 4, 4], false, classes), &[
        first("vgg19-dcbb9e9d.pth", 72.376),
    ]),
    FAMILY.network("vgg19_bn", |classes| vgg([2, 2, 4, 4, 4], true, classes), &[
        first("vgg19_bn-c79401a0.pth", 74.218),
    ]),
];

const FAMILY: Family = Family {
    paper: Paper {
        title: "Very Deep Convolutional Networks for Large-Scale Image Recognition",
        arxiv: "1409.1556",
    },
    head: "classifier.6",
    // As torchvision.
    initialisation: initialised(Initialiser::KaimingNormal, Initialiser::Normal(0.01)),
    other_names: Some(from_timm),
};

/// Channels of the five stages; a max-pool halves the map after each.
const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
/// Batch-norm epsilon of the variants that have any.
const EPS: f32 = 1e-5;

/// `depths` 3×3 convolutions per stage, then three linear layers.
fn vgg(depths: [usize; 5], normalised: bool, classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let mut x = net.input();
    let mut inputs = 3;
    // torchvision numbers all layers in one sequence, including those without parameters.
    let mut numbers = 0..;
    let mut feature = || format!("features.{}", numbers.next().expect("endless"));
    for (depth, channels) in depths.into_iter().zip(CHANNELS) {
        for _ in 0..depth {
            x = net.conv2d(&feature(), x, centred(3), inputs, channels, true);
            if normalised {
                x = net.batch_norm(&feature(), x, channels, EPS);
            }
            x = net.activation(&feature(), x, Activation::Relu);
            inputs = channels;
        }
        x = net.pool(&feature(), x, Pool::max(2, 2, 0, false));
    }
    // Inputs of 224 pixels are already 7×7 here; other sizes are pooled to 7×7.
    x = net.pool("avgpool", x, Pool::mean_to(7));
    x = net.flatten("flatten", x);
    x = net.linear("classifier.0", x, 512 * 7 * 7, 4096, true);
    x = net.activation("classifier.1", x, Activation::Relu);
    x = net.dropout("classifier.2", x, 0.5);
    x = net.linear("classifier.3", x, 4096, 4096, true);
    x = net.activation("classifier.4", x, Activation::Relu);
    x = net.dropout("classifier.5", x, 0.5);
    x = net.linear("classifier.6", x, 4096, classes, true);
    net.ending_at(x)
}

/// The name here of a parameter of timm's VGGs, whose linear layers are convolutions with the same number of
/// weights.
fn from_timm(name: &str) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "pre_logits.fc1" => "classifier.0",
        "pre_logits.fc2" => "classifier.3",
        "head.fc" => "classifier.6",
        _ => return None,
    };
    Some(format!("{here}.{value}"))
}
