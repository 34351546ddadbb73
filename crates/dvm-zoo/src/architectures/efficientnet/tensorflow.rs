//! EfficientNet as TensorFlow computes it: padding is `SAME`, and the epsilon of batch-norms is 1e-3. Names
//! as timm's `tf_efficientnet_b0`. Files of timm's `efficientnet_b0`, which pads as torchvision does, have
//! the same names and shapes but are another network.

use dvm_engine::{Blueprint, Initialiser};

use super::super::{Architecture, Family, Published, initialised, timm};
use super::{B, PAPER, Publisher, STAGES};

/// EfficientNet-B0 to B7, with timm's conversions of Google's weights.
#[rustfmt::skip]
pub static ALL: [Architecture; 8] = [
    network("tf_efficientnet_b0", |classes| build(0, classes), |name| renamed(0, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b0.ns_jft_in1k", 78.68, 256, 224),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b0.aa_in1k", 76.882, 256, 224),
    ]),
    network("tf_efficientnet_b1", |classes| build(1, classes), |name| renamed(1, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b1.ns_jft_in1k", 81.388, 272, 240),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b1.aa_in1k", 78.84, 272, 240),
    ]),
    network("tf_efficientnet_b2", |classes| build(2, classes), |name| renamed(2, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b2.ns_jft_in1k", 82.412, 292, 260),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b2.aa_in1k", 80.074, 292, 260),
    ]),
    network("tf_efficientnet_b3", |classes| build(3, classes), |name| renamed(3, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b3.ns_jft_in1k", 84.054, 331, 300),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b3.aa_in1k", 81.648, 331, 300),
    ]),
    network("tf_efficientnet_b4", |classes| build(4, classes), |name| renamed(4, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b4.ns_jft_in1k", 85.156, 412, 380),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b4.aa_in1k", 83.04, 412, 380),
    ]),
    network("tf_efficientnet_b5", |classes| build(5, classes), |name| renamed(5, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b5.ns_jft_in1k", 86.096, 488, 456),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b5.aa_in1k", 83.696, 488, 456),
    ]),
    network("tf_efficientnet_b6", |classes| build(6, classes), |name| renamed(6, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b6.ns_jft_in1k", 86.476, 560, 528),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b6.aa_in1k", 84.124, 560, 528),
    ]),
    network("tf_efficientnet_b7", |classes| build(7, classes), |name| renamed(7, name), &[
        timm(NOISY_STUDENT, "timm/tf_efficientnet_b7.ns_jft_in1k", 86.85, 632, 600),
        timm(AUTO_AUGMENT, "timm/tf_efficientnet_b7.aa_in1k", 84.424, 632, 600),
    ]),
];

/// As the TensorFlow original.
pub(super) const TENSORFLOW: Publisher = Publisher {
    norm: (1e-3, 0.1),
    is_torchvision: false,
    is_lite: false,
};

fn build(index: usize, classes: usize) -> Blueprint {
    TENSORFLOW.network(&B[index], classes)
}

fn renamed(index: usize, name: &str) -> Option<String> {
    from_efficientnet_pytorch(name, TENSORFLOW.depths(&B[index]))
}

/// The tag of weights also trained on 300 million unlabelled pictures (Noisy Student, arXiv 1911.04252).
const NOISY_STUDENT: &str = "ns_jft_in1k";

/// The tag of weights trained on ImageNet only, with AutoAugment (arXiv 1805.09501).
const AUTO_AUGMENT: &str = "aa_in1k";

/// An EfficientNet with timm's names.
pub(super) const fn network(
    name: &'static str,
    build: fn(usize) -> Blueprint,
    other_names: fn(&str) -> Option<String>,
    published: &'static [Published],
) -> Architecture {
    let family = Family {
        paper: PAPER,
        head: "classifier",
        // As timm, after the TensorFlow original. With torchvision's initialisation the variances after depthwise
        // convolutions would be small compared with the epsilon of 1e-3.
        initialisation: initialised(
            Initialiser::KaimingNormalPerGroup,
            Initialiser::UniformByOutputs,
        ),
        other_names: Some(other_names),
    };
    family.network(name, build, published)
}

/// The name here of a parameter in files of the `efficientnet_pytorch` package. They number the blocks of
/// all stages in one sequence and begin each name with an underscore: `_blocks.3._bn0.weight`.
pub(super) fn from_efficientnet_pytorch(name: &str, depths: [usize; 7]) -> Option<String> {
    let (layer, value) = name.rsplit_once('.')?;
    let here = match layer {
        "_conv_stem" => "conv_stem".into(),
        "_bn0" => "bn1".into(),
        "_conv_head" => "conv_head".into(),
        "_bn1" => "bn2".into(),
        "_fc" => "classifier".into(),
        _ => {
            let (number, layer) = layer.strip_prefix("_blocks.")?.split_once('.')?;
            let mut number: usize = number.parse().ok()?;
            let stage = (0..STAGES.len()).find(|&stage| {
                let here = number < depths[stage];
                if !here {
                    number -= depths[stage];
                }
                here
            })?;
            // The first stage does not expand: its norms are numbered one lower here, and its
            // projection is named like an expansion.
            let expands = STAGES[stage].expansion > 1;
            let layer = match (layer, expands) {
                ("_expand_conv", true) | ("_project_conv", false) => "conv_pw",
                ("_depthwise_conv", _) => "conv_dw",
                ("_project_conv", true) => "conv_pwl",
                ("_bn0", true) | ("_bn1", false) => "bn1",
                ("_bn1", true) | ("_bn2", false) => "bn2",
                ("_bn2", true) => "bn3",
                ("_se_reduce", _) => "se.conv_reduce",
                ("_se_expand", _) => "se.conv_expand",
                _ => return None,
            };
            format!("blocks.{stage}.{number}.{layer}")
        }
    };
    Some(format!("{here}.{value}"))
}
