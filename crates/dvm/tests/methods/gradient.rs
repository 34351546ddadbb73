//! Path, noise and DeepLIFT attributions against Captum, PAIR's saliency and a slow second
//! implementation, as `references/gradient_methods.py` stored them.

use dvm_attribution::{Settings, Subject, Target, registry};
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Network};
use dvm_image::{Input, Preprocess, Resize};
use dvm_testing::{networks, references};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Tolerance of f32 against the references' f64, relative to the largest value. The error of most arrays is 1e-6 to
/// 1e-5.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Described {
    /// Options by method.
    settings: Map<String, Value>,
    /// The baselines of DeepSHAP.
    several: String,
    networks: Vec<DescribedNetwork>,
}

#[derive(Deserialize)]
struct DescribedNetwork {
    name: String,
    /// Rows and columns of the picture.
    size: (usize, usize),
    mean: [f32; 3],
    std: [f32; 3],
    target: usize,
    /// The step between stored values.
    sample_stride: usize,
}

/// A picture of noise, normalised with this `mean` and `std`.
fn prepared(
    name: &str,
    size: (usize, usize),
    mean: [f32; 3],
    std: [f32; 3],
) -> (Input, Preprocess) {
    let preprocess = Preprocess {
        resize: Resize::None,
        crop: size,
        mean,
        std,
        ..Preprocess::imagenet()
    };
    let input = preprocess.apply(networks::picture_of_reference(name, size));
    (input.unwrap(), preprocess)
}

/// Compares all stored arrays of a network, relative to the largest value; `loosely` has the tolerance of arrays with
/// larger rounding errors.
fn compare(name: &str, loosely: &[(&str, f32)]) {
    let json = std::fs::read(references::path("dvm", "gradient_methods.json")).unwrap();
    let described: Described = serde_json::from_slice(&json).unwrap();
    let references =
        Weights::read(&references::path("dvm", "gradient_methods.safetensors")).unwrap();
    let of_name = |network: &&DescribedNetwork| network.name == name;
    let own = described.networks.iter().find(of_name).unwrap();
    let (input, preprocess) = prepared(name, own.size, own.mean, own.std);
    // Direct sums: rounding of reordered sums would flip some rectifiers.
    let network = Network::new(networks::of_reference(name)).with_arithmetic(Arithmetic::Exact);
    let subject = Subject::new(&network, &input, &preprocess);
    let mut wrong = Vec::new();
    for (case, more) in [
        ("integrated-gradients", None),
        ("expected-gradients", None),
        ("smoothgrad.mean", Some(("statistic", "mean"))),
        ("smoothgrad.square", Some(("statistic", "square"))),
        ("smoothgrad.variance", Some(("statistic", "variance"))),
        ("blur-ig", None),
        ("guided-ig", None),
        ("deeplift", None),
        (
            "deeplift.several",
            Some(("baseline", &described.several[..])),
        ),
    ] {
        let method = case.split('.').next().unwrap();
        let mut settings = Settings::new();
        for (option, value) in described.settings[method].as_object().unwrap() {
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            settings = settings.with(option, text);
        }
        if let Some((option, value)) = more {
            settings = settings.with(option, value);
        }
        let method = registry::find(method).unwrap().method(&settings).unwrap();
        let target = [Target::Class(own.target)];
        let map = method.attribute(&subject, &target).unwrap().remove(0);
        let found = map.raw().values.iter().step_by(own.sample_stride);
        let expected = &references.get(&format!("{name}.{case}")).unwrap().values;
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let off = found
            .zip(expected)
            .fold(0.0f32, |most, (f, e)| most.max((f - e).abs()))
            / largest;
        let allowed = loosely.iter().find(|(loose, _)| *loose == case);
        let allowed = allowed.map_or(TOLERANCE, |(_, tolerance)| *tolerance);
        println!("{name} {case}: off by {off:e}");
        if off > allowed || off.is_nan() {
            wrong.push(format!("{case} is off by {off:e}"));
        }
    }
    assert!(wrong.is_empty(), "{name}: {}", wrong.join(", "));
}

#[test]
fn resnet18_as_captum_and_pair_have_it() {
    compare("resnet18", &[]);
}

#[test]
fn vgg11_as_captum_and_pair_have_it() {
    // If the path starts at a uniform colour, all values under a max-pool are equal except for rounding: PyTorch's
    // f32 differs by 8e-4 in L2. Without batch-norm the input is large, and rectifiers near zero flip.
    let loosely = [("integrated-gradients", 1e-2), ("expected-gradients", 1e-2)];
    compare("vgg11", &loosely);
}

#[test]
fn maps_of_efficientnet_match_captum_and_pair() {
    compare("efficientnet_b0", &[]);
}

#[test]
fn maps_of_convnext_match_captum_and_pair() {
    compare("convnext_tiny", &[]);
}

#[test]
fn maps_of_a_vision_transformer_match_captum_and_pair() {
    // The order in which values move depends on gradients that are nearly equal: PyTorch's f32 differs by 1e-3.
    compare("deit_tiny_patch16_224", &[("guided-ig", 2e-3)]);
}

#[test]
fn maps_of_an_imported_convolutional_network_match_captum_and_pair() {
    compare("cnn_script_17", &[]);
}

#[test]
fn maps_of_an_imported_transformer_match_captum_and_pair() {
    compare("vit_script_17", &[]);
}

#[test]
fn deeplift_is_complete_on_every_kind_of_architecture() {
    for (name, side) in [
        ("alexnet", 127),
        ("densenet121", 64),
        ("googlenet", 96),
        ("inception_v3", 107),
        ("mobilenet_v2", 64),
        ("mobilenet_v3_small", 64),
        ("shufflenet_v2_x0_5", 64),
        ("squeezenet1_1", 96),
        ("swin_t", 64),
    ] {
        let usual = Preprocess::imagenet();
        let (input, preprocess) = prepared(name, (side, side), usual.mean, usual.std);
        let network = Network::new(networks::of_reference(name));
        let subject = Subject::new(&network, &input, &preprocess);
        let settings = Settings::new().with("baseline", "noise");
        let method = registry::find("deeplift")
            .unwrap()
            .method(&settings)
            .unwrap();
        let map = method
            .attribute(&subject, &[Target::Class(3)])
            .unwrap()
            .remove(0);
        let size: f64 = map.raw().values.iter().map(|v| f64::from(v.abs())).sum();
        let gap = map.checks[0].value.abs() / size;
        println!("{name}: {gap:e}");
        assert!(gap < 1e-4, "{name}: {gap:e}");
    }
}
