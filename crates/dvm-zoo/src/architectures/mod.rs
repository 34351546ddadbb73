//! The architectures, one file per family. A new family is a file here, a line in [`FAMILIES`] and a case in
//! `references/networks.py`; see `docs/adding-a-model.md`.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
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
use dvm_engine::{Blueprint, Initialisation, Initialiser};
use dvm_image::{Interpolation, Preprocess, Resize};

/// An architecture and its published weights.
pub struct Architecture {
    /// Its name: torchvision's if torchvision has it, else timm's.
    pub name: &'static str,
    /// Other names of the same network in timm.
    pub timm: &'static [&'static str],
    /// Its paper.
    pub paper: Paper,
    /// Builds the network for a number of classes.
    pub build: fn(classes: usize) -> Blueprint,
    /// The layer whose outputs are the classes. The first dimension of `<head>.weight` is their number.
    pub head: &'static str,
    /// The initialisation of its weights.
    pub initialisation: Initialisation,
    /// Converts a parameter's name in another port of the network to the name here.
    pub other_names: Option<fn(&str) -> Option<String>>,
    /// Weights published by its authors, torchvision or timm. The first are the default.
    pub published: &'static [Published],
    /// An embedded weight file: safetensors with metadata.
    pub embedded: Option<&'static [u8]>,
}

impl Architecture {
    /// The default published weights.
    pub fn usual(&self) -> &'static Published {
        &self.published[0]
    }

    /// Height and width of the input for these weights, in pixels.
    pub fn input_size(&self) -> (usize, usize) {
        self.usual().preprocess.crop
    }
}

/// The paper of an architecture.
#[derive(Clone, Copy)]
pub struct Paper {
    /// Its title.
    pub title: &'static str,
    /// Its arXiv id.
    pub arxiv: &'static str,
}

/// Published ImageNet weights.
pub struct Published {
    /// The publisher's name of them: `IMAGENET1K_V1`.
    pub tag: &'static str,
    /// The file.
    pub source: Source,
    /// Top-1 accuracy on ImageNet's validation set in percent, as published.
    pub top1: f32,
    /// The preprocessing for them.
    pub preprocess: Preprocess,
    /// Their licence.
    pub licence: &'static str,
}

/// The file of published weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of torchvision.
    Torchvision {
        /// Its name. After the last dash are the first digits of its SHA-256.
        file: &'static str,
    },
    /// A file of timm on GitHub, older than the Hugging Face hub.
    Timm {
        /// Its name. After the last dash are the first digits of its SHA-256.
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

impl Architecture {
    /// The same with these other names in timm.
    const fn in_timm(self, timm: &'static [&'static str]) -> Self {
        Self { timm, ..self }
    }
}

impl Published {
    /// Weights of torchvision.
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

    /// Weights in a repository of the Hugging Face hub, with timm's file name.
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

/// What the networks of a family share.
struct Family {
    paper: Paper,
    head: &'static str,
    initialisation: Initialisation,
    other_names: Option<fn(&str) -> Option<String>>,
}

impl Family {
    /// A network of the family.
    const fn network(
        &self,
        name: &'static str,
        build: fn(usize) -> Blueprint,
        published: &'static [Published],
    ) -> Architecture {
        Architecture {
            name,
            timm: &[],
            paper: self.paper,
            build,
            head: self.head,
            initialisation: self.initialisation,
            other_names: self.other_names,
            published,
            embedded: None,
        }
    }
}

/// The initialisation of convolutions and of linear layers, including the last.
const fn initialised(convolutions: Initialiser, linear: Initialiser) -> Initialisation {
    Initialisation {
        convolutions,
        linear,
        head: linear,
        others: &[],
    }
}

/// The first weights of torchvision: short side 256, centre of 224.
const fn first(file: &'static str, top1: f32) -> Published {
    Published::torchvision("IMAGENET1K_V1", file, top1, Preprocess::imagenet())
}

/// The second weights of torchvision, from a newer training recipe: short side 232, centre of 224.
const fn second(file: &'static str, top1: f32) -> Published {
    let preprocess = imagenet(232, 224, Interpolation::Bilinear);
    Published::torchvision("IMAGENET1K_V2", file, top1, preprocess)
}

/// The only weights of torchvision for a network, trained with the recipe of the [`second`].
const fn only(file: &'static str, top1: f32) -> Published {
    Published {
        tag: "IMAGENET1K_V1",
        ..second(file, top1)
    }
}

/// Weights of the Hugging Face hub for ImageNet's means and deviations and bicubic interpolation.
const fn timm(
    tag: &'static str,
    repository: &'static str,
    top1: f32,
    short_side: usize,
    crop: usize,
) -> Published {
    let preprocess = imagenet(short_side, crop, Interpolation::Bicubic);
    Published::hub(tag, repository, top1, preprocess, "Apache-2.0")
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

/// The same with values from −1 to 1.
const fn symmetric(short_side: usize, crop: usize, interpolation: Interpolation) -> Preprocess {
    Preprocess {
        mean: [0.5; 3],
        std: [0.5; 3],
        ..imagenet(short_side, crop, interpolation)
    }
}

/// A square convolution with an odd kernel, padded to keep the size of its input (at stride 1).
fn centred(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

/// All architectures, by family.
pub static FAMILIES: &[&[Architecture]] = &[
    &efficientnet::lite::ALL,
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
    &efficientnet::torchvision::ALL,
    &efficientnet::tensorflow::ALL,
    &convnext::ALL,
    &vision_transformer::ALL,
    &vit_timm::ALL,
    &swin::ALL,
];
