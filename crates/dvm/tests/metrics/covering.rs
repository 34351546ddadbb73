//! Metrics that cover more and more of a picture against Quantus and a slow second implementation, as
//! `references/metrics_covering.py` stored them.

use std::path::{Path, PathBuf};

use dvm_attribution::metrics::{Candidate, registry};
use dvm_attribution::{Array, Attribution, Nature, Settings, Subject, Target};
use dvm_engine::weights::Weights;
use dvm_engine::{Graph, Network, Stopwatch, Walk, seeded};
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

/// Every curve's scores of a map, and the products of incremental walks and of all.
fn walked(
    own: &DescribedNetwork,
    map: &[f32],
    metric: &str,
    incremental: bool,
) -> (Vec<f64>, u64, u64) {
    let preprocess = preprocess(own);
    let input = preprocess.apply(picture(own)).unwrap();
    let stopwatch = Stopwatch::default();
    let network = Network::new(graph(&own.name)).with_stopwatch(stopwatch.clone());
    let subject = Subject::new(&network, &input, &preprocess).incremental(incremental);
    let attribution = given(own, map.to_vec());
    let candidate = Candidate::new(&subject, &attribution).unwrap();
    let settings = Settings::new()
        .with("score", "logit")
        .with("steps", own.steps)
        .with("patch", own.patch)
        .with("regions", own.regions);
    let made = registry::find(metric).unwrap().metric(&settings).unwrap();
    let found = made.measure(&candidate).unwrap();
    let points = found.curves.iter().flat_map(|curve| &curve.points);
    let products = |walk: Walk| -> u64 {
        let laps = stopwatch.laps().into_iter();
        let laps = laps.filter(|lap| lap.walk == walk);
        laps.map(|lap| lap.multiply_adds).sum()
    };
    (
        points.map(|point| point.1).collect(),
        products(Walk::Incremental),
        products(Walk::Incremental) + products(Walk::Forward),
    )
}

#[test]
fn steps_on_top_of_each_other_give_what_whole_pictures_give() {
    for (name, side, patch) in [("squeezenet1_1", 128, 16), ("resnet18", 160, 20)] {
        let own = DescribedNetwork {
            name: name.into(),
            size: (side, side),
            mean: Preprocess::imagenet().mean,
            std: Preprocess::imagenet().std,
            target: 3,
            steps: 20,
            patch,
            regions: 10,
        };
        let places = (0..side * side).map(|at| ((at / side) as f32, (at % side) as f32));
        let spot = places.map(|(y, x)| -(y - 70.3).powi(2) - (x - 60.9).powi(2));
        let spot: Vec<f32> = spot.collect();
        let noise = seeded::uniform("noise", side * side, -1.0, 1.0);
        // The last is the part of the products of whole pictures that is enough. Most steps of the gain reach the
        // whole picture; what its first ones save is about what the walks over the picture itself cost.
        for (metric, map, enough) in [
            ("pixel-flipping", &noise, 0.6),
            ("region-perturbation", &spot, 0.65),
            ("symmetric-relevance-gain", &spot, 1.05),
        ] {
            let (found, some, few) = walked(&own, map, metric, true);
            let (expected, none, many) = walked(&own, map, metric, false);
            let part = few as f64 / many as f64;
            println!("{name} {metric}: {part:.2} of the products");
            assert!(
                none == 0 && some > 0 && part <= enough,
                "{name} {metric}: {part}"
            );
            let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                let off = (found - expected).abs() / largest;
                assert!(off <= 1e-5, "{name} {metric}: off by {off:e}");
            }
        }
    }
}
