//! AlexNet: "One weird trick for parallelizing convolutional neural networks", Krizhevsky 2014,
//! arXiv 1404.5997: the network of 2012 in one column, as torchvision builds it.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Initialiser};

use super::{Architecture, Paper, centred, first, initialised};

/// AlexNet.
pub static ALL: [Architecture; 1] = [Architecture {
    name: "alexnet",
    timm: &[],
    paper: Paper {
        title: "One weird trick for parallelizing convolutional neural networks",
        arxiv: "1404.5997",
    },
    build: alexnet,
    head: "classifier.6",
    // PyTorch's defaults, as in torchvision.
    initialisation: initialised(Initialiser::UniformFanIn, Initialiser::UniformFanIn),
    other_names: None,
    published: &[first("alexnet-owt-7be5be79.pth", 56.522)],
    embedded: None,
}];

/// AlexNet: five convolutions, three linear layers.
fn alexnet(classes: usize) -> Blueprint {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let stem = Conv2d::square(11)
        .stride(4)
        .padding(Padding::Fixed(Border::all(2)));
    let x = net.conv2d("features.0", x, stem, 3, 64, true);
    let x = net.activation("features.1", x, Activation::Relu);
    let x = net.pool("features.2", x, Pool::max(3, 2, 0, false));
    let x = net.conv2d("features.3", x, centred(5), 64, 192, true);
    let x = net.activation("features.4", x, Activation::Relu);
    let x = net.pool("features.5", x, Pool::max(3, 2, 0, false));
    let x = net.conv2d("features.6", x, centred(3), 192, 384, true);
    let x = net.activation("features.7", x, Activation::Relu);
    let x = net.conv2d("features.8", x, centred(3), 384, 256, true);
    let x = net.activation("features.9", x, Activation::Relu);
    let x = net.conv2d("features.10", x, centred(3), 256, 256, true);
    let x = net.activation("features.11", x, Activation::Relu);
    let x = net.pool("features.12", x, Pool::max(3, 2, 0, false));
    // Inputs of 224 pixels are already 6×6 here; other sizes are pooled to 6×6.
    let x = net.pool("avgpool", x, Pool::mean_to(6));
    let x = net.flatten("flatten", x);
    let x = net.dropout("classifier.0", x, 0.5);
    let x = net.linear("classifier.1", x, 256 * 6 * 6, 4096, true);
    let x = net.activation("classifier.2", x, Activation::Relu);
    let x = net.dropout("classifier.3", x, 0.5);
    let x = net.linear("classifier.4", x, 4096, 4096, true);
    let x = net.activation("classifier.5", x, Activation::Relu);
    let x = net.linear("classifier.6", x, 4096, classes, true);
    net.ending_at(x)
}
