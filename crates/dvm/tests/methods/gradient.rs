//! Path, noise and DeepLIFT attributions against Captum, PAIR's saliency and a slow second
//! implementation, as `references/gradient_methods.py` stored them.

use dvm_attribution::Settings;
use dvm_engine::Network;
use dvm_testing::networks;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::prepared::{self, Prepared, arrays, exact, map_of, method, relative_error};

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
    #[serde(flatten)]
    network: prepared::Described,
    /// The step between stored values.
    sample_stride: usize,
}

/// Compares all stored arrays of a network, relative to the largest value; `loosely` has the tolerance of arrays with
/// larger rounding errors.
fn compare(name: &str, loosely: &[(&str, f32)]) {
    let described: Described = prepared::described("gradient_methods");
    let references = arrays("gradient_methods");
    let mut networks = described.networks.iter();
    let own = networks.find(|own| own.network.name == name).unwrap();
    let graph = networks::of_reference(name);
    let prepared = Prepared::described(exact(graph), &own.network);
    let subject = prepared.subject();
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
        let name_of = case.split('.').next().unwrap();
        let mut settings = Settings::new();
        for (option, value) in described.settings[name_of].as_object().unwrap() {
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            settings = settings.with(option, text);
        }
        if let Some((option, value)) = more {
            settings = settings.with(option, value);
        }
        let map = map_of(&*method(name_of, &settings), &subject, own.network.target);
        let found = map.raw().values.iter().step_by(own.sample_stride);
        let expected = &references.get(&format!("{name}.{case}")).unwrap().values;
        let off = relative_error(&found.copied().collect::<Vec<f32>>(), expected);
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

tests! {
    maps_of_efficientnet_match_captum_and_pair: compare("efficientnet_b0", &[]);
    maps_of_convnext_match_captum_and_pair: compare("convnext_tiny", &[]);
    // The order in which values move depends on gradients that are nearly equal: PyTorch's f32 differs by 1e-3.
    maps_of_a_vision_transformer_match_captum_and_pair: compare("deit_tiny_patch16_224", &[("guided-ig", 2e-3)]);
    maps_of_an_imported_convolutional_network_match_captum_and_pair: compare("cnn_script_17", &[]);
    maps_of_an_imported_transformer_match_captum_and_pair: compare("vit_script_17", &[]);
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
        let network = Network::new(networks::of_reference(name));
        let prepared = Prepared::of_noise(network, name, (side, side));
        let method = method("deeplift", &Settings::new().with("baseline", "noise"));
        let map = map_of(&*method, &prepared.subject(), 3);
        let size: f64 = map.raw().values.iter().map(|v| f64::from(v.abs())).sum();
        let gap = map.checks[0].value.abs() / size;
        println!("{name}: {gap:e}");
        assert!(gap < 1e-4, "{name}: {gap:e}");
    }
}
