//! Metrics that cover more and more of a picture against Quantus and a slow second implementation, as
//! `references/metrics_covering.py` stored them.

use std::path::{Path, PathBuf};

use dvm_attribution::metrics::{Candidate, registry};
use dvm_attribution::{Array, Attribution, Nature, Settings, Subject, Target};
use dvm_engine::weights::Weights;
use dvm_engine::{Graph, Network, seeded};
use dvm_image::{Picture, Preprocess, Resize};
use serde::Deserialize;

/// Relative to the largest score of a curve.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Described {
    baselines: Baselines,
    networks: Vec<DescribedNetwork>,
}

#[derive(Deserialize)]
struct Baselines {
    deletion: String,
    insertion: String,
    pixel_flipping: String,
    region_perturbation: String,
}

#[derive(Deserialize)]
struct DescribedNetwork {
    name: String,
    /// Rows and columns of the picture.
    size: (usize, usize),
    mean: [f32; 3],
    std: [f32; 3],
    target: usize,
    steps: usize,
    patch: usize,
    regions: usize,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/references")
        .join(name)
}

fn graph(name: &str) -> Graph {
    if let Some(architecture) = dvm_zoo::find(name) {
        return seeded::graph((architecture.build)(10));
    }
    let onnx = file(&format!("../../../dvm-onnx/tests/references/{name}.onnx"));
    dvm_onnx::read(&onnx, dvm_onnx::Options::default())
        .unwrap()
        .graph
}

/// A picture of noise, taken as it is.
fn preprocess(own: &DescribedNetwork) -> Preprocess {
    Preprocess {
        resize: Resize::None,
        crop: own.size,
        mean: own.mean,
        std: own.std,
        ..Preprocess::imagenet()
    }
}

fn picture(own: &DescribedNetwork) -> Picture {
    let (height, width) = own.size;
    let unit = seeded::unit(&format!("{}.input", own.name), height * width * 3);
    let bytes = unit.iter().map(|u| (u * 256.0) as u8).collect();
    Picture::new(height, width, bytes)
}

fn given(own: &DescribedNetwork, map: Vec<f32>) -> Attribution {
    Attribution {
        target: Target::Class(own.target),
        title: "given".into(),
        quantity: "relevance".into(),
        score: "logit",
        arrays: vec![Array::new(
            Array::RAW,
            &[own.size.0, own.size.1],
            map.clone(),
        )],
        map,
        size: own.size,
        smooth: None,
        nature: Nature::Signed,
        warnings: Vec::new(),
        checks: Vec::new(),
    }
}

/// Compares every curve and figure that is stored of a network.
fn compare(name: &str) {
    let json = std::fs::read(file("metrics_covering.json")).unwrap();
    let described: Described = serde_json::from_slice(&json).unwrap();
    let references = Weights::read(&file("metrics_covering.safetensors")).unwrap();
    let stored = |key: &str| references.get(key).unwrap().values.clone();
    let of_name = |network: &&DescribedNetwork| network.name == name;
    let own = described.networks.iter().find(of_name).unwrap();
    let preprocess = preprocess(own);
    let input = preprocess.apply(picture(own)).unwrap();
    let network = Network::new(graph(name));
    let baselines = &described.baselines;
    let mut wrong = Vec::new();
    for incremental in [true, false] {
        let subject = Subject::new(&network, &input, &preprocess).incremental(incremental);
        for (map, score) in ["noise", "spot"]
            .into_iter()
            .flat_map(|map| ["probability", "logit"].map(|score| (map, score)))
        {
            let attribution = given(own, stored(&format!("{name}.{map}.map")));
            let candidate = Candidate::new(&subject, &attribution).unwrap();
            for (metric, baseline) in [
                ("deletion", &baselines.deletion),
                ("insertion", &baselines.insertion),
                ("symmetric-relevance-gain", &baselines.deletion),
                ("pixel-flipping", &baselines.pixel_flipping),
                ("region-perturbation", &baselines.region_perturbation),
            ] {
                let settings = Settings::new()
                    .with("score", score)
                    .with("baseline", baseline)
                    .with("steps", own.steps)
                    .with("patch", own.patch)
                    .with("regions", own.regions);
                let made = registry::find(metric).unwrap().metric(&settings).unwrap();
                let found = made.measure(&candidate).unwrap();
                let key = format!("{name}.{map}.{score}.{}", metric.replace('-', "_"));
                let figure = f64::from(stored(&format!("{key}.figure"))[0]);
                let curve = references.get(&format!("{key}.curve"));
                let scores = curve.map_or_else(Vec::new, |curve| curve.values.clone());
                let mut largest = figure.abs();
                for &score in &scores {
                    largest = largest.max(f64::from(score).abs());
                }
                if !scores.is_empty() {
                    let points = &found.curves[0].points;
                    assert_eq!(points.len(), scores.len(), "{key}");
                    for (point, &expected) in points.iter().zip(&scores) {
                        let off = (point.1 - f64::from(expected)).abs() / largest;
                        if off > TOLERANCE {
                            wrong.push(format!("{key} is off by {off:e} at {}", point.0));
                        }
                    }
                }
                let off = (found.value - figure).abs() / largest;
                println!("{key}, incremental {incremental}: off by {off:e}");
                if off > TOLERANCE {
                    wrong.push(format!("{key} is {}, not {figure}", found.value));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn resnet18_as_quantus_has_it() {
    compare("resnet18");
}

#[test]
fn mobilenet_as_quantus_has_it() {
    compare("mobilenet_v2");
}

#[test]
fn an_imported_convolutional_network_as_quantus_has_it() {
    compare("cnn_script_17");
}

#[test]
fn an_imported_transformer_as_quantus_has_it() {
    compare("vit_script_17");
}
