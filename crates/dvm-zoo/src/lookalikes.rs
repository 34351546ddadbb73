//! Networks with the parameter names and shapes of a known architecture, but other computations.

use dvm_engine::weights::Weights;

use crate::Architecture;

/// Words in the names of such networks, and the difference.
const DIFFERENCES: &[(&[&str], &str)] = &[
    (
        &["blur"],
        "it blurs feature maps before it downsamples them",
    ),
    (
        &["dilated", "deeplab", "deeplabv3", "fcn", "pspnet"],
        "its last stages are dilated instead of strided",
    ),
    (
        &["caffe", "msra", "detectron"],
        "its strides are in the 1×1 convolutions, and its input is BGR",
    ),
    (&["tf"], "it pads as TensorFlow does"),
    (
        &["keras"],
        "its padding and preprocessing are those of Keras",
    ),
    (&["hnf"], "its last norm is in another place"),
    (
        &["aa"],
        "it averages feature maps before it downsamples them",
    ),
];

/// Keys of the architecture in checkpoints of training scripts.
const KEYS: &[&str] = &[
    "arch",
    "architecture",
    "model_name",
    "model_arch",
    "backbone_name",
    "args.arch",
    "args.model",
    "args.model_name",
    "opt.model",
    "config.arch",
    "config.architecture",
    "config.model_name",
    "hyper_parameters.arch",
    "hyper_parameters.architecture",
    "hyper_parameters.model_name",
    "hyper_parameters.model",
];

/// The names of architectures in a file's metadata, or in the arguments of its training script.
pub(crate) fn said(weights: &Weights) -> Vec<String> {
    let (notes, metadata) = (weights.notes(), weights.metadata());
    let found = |key: &&str| notes.get(*key).or_else(|| metadata.get(*key));
    KEYS.iter().filter_map(found).cloned().collect()
}

/// The difference of the network with this name from the architecture with the same parameters; `None` if it is
/// the architecture's name, or not the name of a network.
pub(crate) fn difference(name: &str, architecture: &Architecture) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = words(&name);
    let own = || std::iter::once(architecture.name).chain(architecture.timm.iter().copied());
    let own_words: Vec<&str> = own().flat_map(self::words).collect();
    let family = family(architecture.name);
    let foreign: Vec<&&str> = words
        .iter()
        .filter(|word| !own_words.contains(word))
        .collect();
    // `resnetblur18`, `resnet50dilated`, `resnet50_caffe`, but not `blur` among other words.
    let about = words.iter().any(|word| word.contains(family));
    let differences = DIFFERENCES.iter();
    for (word, what) in differences.flat_map(|(words, what)| words.iter().map(move |w| (w, what))) {
        let is_whole = foreign.iter().any(|found| **found == *word);
        let is_within = |found: &&&&str| {
            found.contains(family) && found.replace(family, " ").contains(word) && word.len() > 2
        };
        if about && (is_whole || foreign.iter().any(|found| is_within(&found))) {
            return Some((*what).to_owned());
        }
    }
    let is_there = own().any(|own| {
        let own = self::words(own);
        words.windows(own.len()).any(|part| part == own)
    });
    let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let other = foreign
        .iter()
        .find(|word| word.contains(family) && has_digit(word));
    let squashed: String = words.concat();
    let is_there = is_there || own().any(|own| squashed == self::words(own).concat());
    match other {
        Some(other) if !is_there => Some(format!("`{other}` is the name of another network")),
        _ => None,
    }
}

/// The message if a file's training arguments show that its network has smaller strides than usual.
pub(crate) fn output_stride(weights: &Weights) -> Option<String> {
    let mut notes = weights.notes().iter();
    let (key, value) = notes.find(|(key, value)| {
        key.rsplit('.').next() == Some("output_stride") && matches!(&value[..], "8" | "16")
    })?;
    Some(format!(
        "its `{key}` is {value}: its last stages are dilated instead of strided"
    ))
}

fn words(name: &str) -> Vec<&str> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect()
}

/// The letters that the names of a family share: `resnet` of `wide_resnet50_2`.
fn family(name: &str) -> &str {
    const FAMILIES: [&str; 13] = [
        "resnext",
        "resnet",
        "efficientnet",
        "mobilenet",
        "densenet",
        "convnext",
        "inception",
        "googlenet",
        "shufflenet",
        "squeezenet",
        "alexnet",
        "swin",
        "vgg",
    ];
    let known = FAMILIES.iter().find(|family| name.contains(**family));
    known
        .copied()
        .unwrap_or_else(|| name.split('_').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(name: &str, architecture: &str) -> bool {
        difference(name, crate::find(architecture).unwrap()).is_some()
    }

    #[test]
    fn names_of_look_alikes_are_noticed() {
        for (name, architecture) in [
            ("resnetblur18-84f4748f", "resnet18"),
            ("resnetblur50", "resnet50"),
            ("resnet50dilated", "resnet50"),
            ("fcn_resnet50_coco-1167a1af", "resnet50"),
            ("resnet50_caffe", "resnet50"),
            ("tf_mobilenetv3_large_100", "mobilenet_v3_large"),
            ("convnext_tiny_hnf", "convnext_tiny"),
            ("seresnet50", "resnet50"),
            ("resnet50d", "resnet50"),
        ] {
            assert!(differs(name, architecture), "{name}");
        }
    }

    #[test]
    fn names_of_the_architecture_and_of_anything_else_are_not() {
        for (name, architecture) in [
            ("resnet18", "resnet18"),
            ("resnet18-f37072fd", "resnet18"),
            ("resnet18_flowers_v2", "resnet18"),
            ("my-resnet18.best", "resnet18"),
            ("tv_resnet50", "resnet50"),
            ("resnet50.a1_in1k", "resnet50"),
            ("resnet_best_2024", "resnet18"),
            ("ResNet", "resnet18"),
            ("best_model_17", "resnet18"),
            ("blurred_photos", "resnet18"),
            ("tf_efficientnet_b0_ns-c0e6a31c", "tf_efficientnet_b0"),
            ("efficientnetb0", "efficientnet_b0"),
            ("mobilenetv2_100", "mobilenet_v2"),
            ("wide_resnet50_2-95faca4d", "wide_resnet50_2"),
        ] {
            assert!(!differs(name, architecture), "{name}");
        }
    }
}
