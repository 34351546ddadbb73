//! The architectures, one file each. A new one is a file here, a line in [`ALL`] and a case in
//! `references/networks.py`; see `docs/adding-a-model.md`.

mod efficientnet_lite;
mod resnet;
mod squeezenet;
mod vgg;

use dvm_engine::{Blueprint, Initialisation};
use dvm_image::{Interpolation, Preprocess, Resize};

/// An architecture and the facts about its published weights.
pub struct Architecture {
    /// The name to ask for it by: torchvision's or timm's.
    pub name: &'static str,
    /// Title and arXiv id of the paper.
    pub paper: Paper,
    /// Writes the network down for a number of classes.
    pub build: fn(classes: usize) -> Blueprint,
    /// The layer whose outputs are the classes: the first dimension of `<head>.weight` is their
    /// number.
    pub head: &'static str,
    /// How its weights begin when nothing is learnt yet.
    pub initialisation: Initialisation,
    /// What another port of the network, whose weight files people have, calls a parameter: from
    /// its name there to the name here.
    pub other_names: Option<fn(&str) -> Option<String>>,
    /// The weights that its authors or torchvision published.
    pub published: Published,
    /// A weight file that this crate carries: safetensors with metadata.
    pub embedded: Option<&'static [u8]>,
}

/// Where an architecture was described.
pub struct Paper {
    /// Its title.
    pub title: &'static str,
    /// Its arXiv id.
    pub arxiv: &'static str,
}

/// Facts about published ImageNet weights.
pub struct Published {
    /// The file's name; what follows the last dash are the first digits of its SHA-256.
    pub file: &'static str,
    /// Top-1 accuracy on ImageNet's validation set in percent, by its publishers' figures.
    pub top1: f32,
    /// How pictures are prepared for it.
    pub preprocess: fn() -> Preprocess,
    /// Licence of the weights.
    pub licence: &'static str,
}

/// All architectures, by family.
pub static ALL: &[Architecture] = &[
    Architecture {
        name: "efficientnet_lite0",
        paper: EFFICIENTNET,
        build: efficientnet_lite::efficientnet_lite0,
        head: "classifier",
        initialisation: efficientnet_lite::INITIALISATION,
        other_names: Some(efficientnet_lite::from_efficientnet_pytorch),
        published: Published {
            file: "tf_efficientnet_lite0-0aa007d2.pth",
            top1: 75.1,
            preprocess: efficientnet_lite0_preprocess,
            licence: "Apache-2.0",
        },
        embedded: Some(include_bytes!(
            "../../embedded/efficientnet_lite0.safetensors"
        )),
    },
    Architecture {
        name: "squeezenet1_1",
        paper: Paper {
            title: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
            arxiv: "1602.07360",
        },
        build: squeezenet::squeezenet1_1,
        head: "classifier.1",
        initialisation: squeezenet::INITIALISATION,
        other_names: None,
        published: Published {
            file: "squeezenet1_1-b8a52dc0.pth",
            top1: 58.178,
            preprocess: Preprocess::imagenet,
            licence: "BSD-3-Clause (torchvision)",
        },
        embedded: Some(include_bytes!("../../embedded/squeezenet1_1.safetensors")),
    },
    resnet(
        "resnet18",
        resnet::resnet18,
        "resnet18-f37072fd.pth",
        69.758,
    ),
    resnet(
        "resnet34",
        resnet::resnet34,
        "resnet34-b627a593.pth",
        73.314,
    ),
    resnet("resnet50", resnet::resnet50, "resnet50-0676ba61.pth", 76.13),
    resnet(
        "resnet101",
        resnet::resnet101,
        "resnet101-63fe2227.pth",
        77.374,
    ),
    resnet(
        "resnet152",
        resnet::resnet152,
        "resnet152-394f9c45.pth",
        78.312,
    ),
    vgg("vgg11", vgg::vgg11, "vgg11-8a719046.pth", 69.02),
    vgg("vgg11_bn", vgg::vgg11_bn, "vgg11_bn-6002323d.pth", 70.37),
    vgg("vgg13", vgg::vgg13, "vgg13-19584684.pth", 69.928),
    vgg("vgg13_bn", vgg::vgg13_bn, "vgg13_bn-abd245e5.pth", 71.586),
    vgg("vgg16", vgg::vgg16, "vgg16-397923af.pth", 71.592),
    vgg("vgg16_bn", vgg::vgg16_bn, "vgg16_bn-6c64b313.pth", 73.36),
    vgg("vgg19", vgg::vgg19, "vgg19-dcbb9e9d.pth", 72.376),
    vgg("vgg19_bn", vgg::vgg19_bn, "vgg19_bn-c79401a0.pth", 74.218),
];

const EFFICIENTNET: Paper = Paper {
    title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    arxiv: "1905.11946",
};

const fn resnet(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    file: &'static str,
    top1: f32,
) -> Architecture {
    let paper = Paper {
        title: "Deep Residual Learning for Image Recognition",
        arxiv: "1512.03385",
    };
    let initialisation = resnet::INITIALISATION;
    torchvision(name, paper, build, ("fc", initialisation), file, top1)
}

const fn vgg(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    file: &'static str,
    top1: f32,
) -> Architecture {
    let paper = Paper {
        title: "Very Deep Convolutional Networks for Large-Scale Image Recognition",
        arxiv: "1409.1556",
    };
    let initialisation = vgg::INITIALISATION;
    torchvision(
        name,
        paper,
        build,
        ("classifier.6", initialisation),
        file,
        top1,
    )
}

/// An architecture whose first ImageNet weights torchvision published.
const fn torchvision(
    name: &'static str,
    paper: Paper,
    build: fn(usize) -> Blueprint,
    (head, initialisation): (&'static str, Initialisation),
    file: &'static str,
    top1: f32,
) -> Architecture {
    Architecture {
        name,
        paper,
        build,
        head,
        initialisation,
        other_names: None,
        published: Published {
            file,
            top1,
            preprocess: Preprocess::imagenet,
            licence: "BSD-3-Clause (torchvision)",
        },
        embedded: None,
    }
}

/// `(p − 127) / 128` of 224 pixels, the central 7/8 of the picture, bicubic: the TensorFlow
/// original's evaluation.
fn efficientnet_lite0_preprocess() -> Preprocess {
    Preprocess {
        resize: Resize::ShortSide(256),
        interpolation: Interpolation::Bicubic,
        crop: (224, 224),
        mean: [127.0 / 255.0; 3],
        std: [128.0 / 255.0; 3],
    }
}
