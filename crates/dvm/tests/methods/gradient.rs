//! Path, noise and DeepLIFT attributions against Captum, PAIR's saliency and a slow second
//! implementation, as `references/gradient_methods.py` stored them.

use std::path::Path;

use dvm_attribution::{Settings, Subject, Target, registry};
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Graph, Network, seeded};
use dvm_image::{Input, Picture, Preprocess, Resize};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What f32 may be off from the references' f64, relative to the largest value. Most arrays are off by
/// 1e-6 to 1e-5.
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
    /// Every how many values are stored.
    sample_stride: usize,
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/references")
        .join(name)
}

fn graph(name: &str) -> Graph {
    if let Some(architecture) = dvm_zoo::find(name) {
        return seeded::graph((architecture.build)(10));
    }
    let onnx = file(&format!("../../../dvm-onnx/tests/references/{name}.onnx"));
    let imported = dvm_onnx::read(&onnx, dvm_onnx::Options::default());
    imported.unwrap().graph
}

/// A picture of noise, prepared as it is with this `mean` and `std`.
fn prepared(
    name: &str,
    size: (usize, usize),
    mean: [f32; 3],
    std: [f32; 3],
) -> (Input, Preprocess) {
    let unit = seeded::unit(&format!("{name}.input"), size.0 * size.1 * 3);
    let bytes = unit.iter().map(|u| (u * 256.0) as u8).collect();
    let preprocess = Preprocess {
        resize: Resize::None,
        crop: size,
        mean,
        std,
        ..Preprocess::imagenet()
    };
    let input = preprocess.apply(Picture::new(size.0, size.1, bytes));
    (input.unwrap(), preprocess)
}

/// Compares every array stored of a network, relative to its largest value; `loosely` gives the tolerance
/// of those that rounding moves further.
fn compare(name: &str, loosely: &[(&str, f32)]) {
    let json = std::fs::read(file("gradient_methods.json")).unwrap();
    let described: Described = serde_json::from_slice(&json).unwrap();
    let references = Weights::read(&file("gradient_methods.safetensors")).unwrap();
    let of_name = |network: &&DescribedNetwork| network.name == name;
    let own = described.networks.iter().find(of_name).unwrap();
    let (input, preprocess) = prepared(name, own.size, own.mean, own.std);
    // Direct sums: the rounding of reordered ones opens or shuts a rectifier here and there.
    let network = Network::new(graph(name)).with_arithmetic(Arithmetic::Exact);
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
        if !(off <= allowed) {
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
    // Without batch-norm its input is large, and some rectifiers are so near zero that rounding flips them:
    // PyTorch's own f32 is off by up to 1e-3 in L2.
    let flips = ["integrated-gradients", "expected-gradients", "guided-ig"];
    let flips = flips.into_iter().chain([
        "smoothgrad.mean",
        "smoothgrad.square",
        "smoothgrad.variance",
    ]);
    let loosely: Vec<(&str, f32)> = flips.map(|case| (case, 2e-2)).collect();
    compare("vgg11", &loosely);
}

#[test]
fn efficientnet_as_captum_and_pair_have_it() {
    compare("efficientnet_b0", &[]);
}

#[test]
fn convnext_as_captum_and_pair_have_it() {
    compare("convnext_tiny", &[]);
}

#[test]
fn a_vision_transformer_as_captum_and_pair_have_it() {
    // Which values move first is decided between gradients that are all but equal: PyTorch's own f32 is off
    // by 1e-3.
    compare("deit_tiny_patch16_224", &[("guided-ig", 2e-3)]);
}

#[test]
fn an_imported_convolutional_network_as_captum_and_pair_have_it() {
    compare("cnn_script_17", &[]);
}

#[test]
fn an_imported_transformer_as_captum_and_pair_have_it() {
    compare("vit_script_17", &[]);
}

#[test]
fn shares_of_deeplift_add_up_on_every_kind_of_architecture() {
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
        let network = Network::new(graph(name));
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
