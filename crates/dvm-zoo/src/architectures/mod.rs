//! The architectures, one file for each family. A new one is a file here with its entries, a line in
//! [`FAMILIES`] and a case in `references/networks.py`; see `docs/adding-a-model.md`.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
mod efficientnet_tensorflow;
mod googlenet;
mod inception_v3;
mod mobilenet_v2;
mod mobilenet_v3;
mod resnet;
mod shufflenet_v2;
mod squeezenet;
mod swin;
mod vgg;
mod vision_transformer;
mod vit_timm;

use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::{Blueprint, Initialisation};
use dvm_image::{Interpolation, Preprocess, Resize};

/// An architecture and the facts about its published weights.
pub struct Architecture {
    /// The name to ask for it by: torchvision's where torchvision has it, else timm's.
    pub name: &'static str,
    /// What timm calls the same network, where it has another name there.
    pub timm: &'static [&'static str],
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
    /// The weights that its authors, torchvision or timm published; the first are the usual ones.
    pub published: &'static [Published],
    /// A weight file that this crate carries: safetensors with metadata.
    pub embedded: Option<&'static [u8]>,
}

impl Architecture {
    /// The published weights that are meant where nobody says which.
    pub fn usual(&self) -> &'static Published {
        &self.published[0]
    }

    /// Height and width of the pictures that those weights take, in pixels.
    pub fn input_size(&self) -> (usize, usize) {
        self.usual().preprocess.crop
    }
}

/// Where an architecture was described.
#[derive(Clone, Copy)]
pub struct Paper {
    /// Its title.
    pub title: &'static str,
    /// Its arXiv id.
    pub arxiv: &'static str,
}

/// Facts about published ImageNet weights.
pub struct Published {
    /// What their publisher calls them: `IMAGENET1K_V1`.
    pub tag: &'static str,
    /// Where they are.
    pub source: Source,
    /// Top-1 accuracy on ImageNet's validation set in percent, by its publishers' figures.
    pub top1: f32,
    /// How pictures are prepared for them.
    pub preprocess: Preprocess,
    /// Their licence.
    pub licence: &'static str,
}

/// Where published weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of torchvision's.
    Torchvision {
        /// Its name; what follows the last dash are the first digits of its SHA-256.
        file: &'static str,
    },
    /// A file of timm's on GitHub, from before there was a hub.
    Timm {
        /// Its name; what follows the last dash are the first digits of its SHA-256.
        file: &'static str,
    },
    /// A file in a repository of the Hugging Face hub.
    HuggingFace {
        /// Owner and name, such as `timm/vit_small_patch16_224.augreg_in21k_ft_in1k`.
        repository: &'static str,
        /// The file's name there.
        file: &'static str,
    },
}

impl Source {
    /// The file's name.
    pub fn file(&self) -> &'static str {
        match *self {
            Self::Torchvision { file } | Self::Timm { file } | Self::HuggingFace { file, .. } => {
                file
            }
        }
    }
}

impl Published {
    /// Weights of torchvision's.
    const fn torchvision(
        tag: &'static str,
        file: &'static str,
        top1: f32,
        preprocess: Preprocess,
    ) -> Self {
        Self {
            tag,
            source: Source::Torchvision { file },
            top1,
            preprocess,
            licence: "BSD-3-Clause (torchvision)",
        }
    }

    /// Weights in a repository of the Hugging Face hub, as timm keeps them.
    const fn hub(
        tag: &'static str,
        repository: &'static str,
        top1: f32,
        preprocess: Preprocess,
        licence: &'static str,
    ) -> Self {
        Self {
            tag,
            source: Source::HuggingFace {
                repository,
                file: "model.safetensors",
            },
            top1,
            preprocess,
            licence,
        }
    }
}

/// The first weights of torchvision: short side 256, centre of 224.
const fn first(file: &'static str, top1: f32) -> Published {
    Published::torchvision("IMAGENET1K_V1", file, top1, Preprocess::imagenet())
}

/// The second weights of torchvision, where they were trained anew: short side 232, centre of 224.
const fn second(file: &'static str, top1: f32) -> Published {
    let preprocess = imagenet(232, 224, Interpolation::Bilinear);
    Published::torchvision("IMAGENET1K_V2", file, top1, preprocess)
}

/// ImageNet's means and deviations, with another size.
const fn imagenet(short_side: usize, crop: usize, interpolation: Interpolation) -> Preprocess {
    Preprocess {
        resize: Resize::ShortSide(short_side),
        interpolation,
        crop: (crop, crop),
        ..Preprocess::imagenet()
    }
}

/// A square convolution of an odd kernel, padded so that it keeps the size of its input (at stride 1).
fn centred(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

/// All architectures, by family.
pub static FAMILIES: &[&[Architecture]] = &[
    &efficientnet_lite::ALL,
    &squeezenet::ALL,
    &resnet::ALL,
    &vgg::ALL,
    &alexnet::ALL,
    &densenet::ALL,
    &googlenet::ALL,
    &inception_v3::ALL,
    &mobilenet_v2::ALL,
    &mobilenet_v3::ALL,
    &shufflenet_v2::ALL,
    &efficientnet::ALL,
    &efficientnet_tensorflow::ALL,
    &convnext::ALL,
    &vision_transformer::ALL,
    &vit_timm::ALL,
    &swin::ALL,
];
