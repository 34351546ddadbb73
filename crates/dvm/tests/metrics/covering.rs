//! Metrics that cover more and more of a picture against Quantus and a slow second implementation, as
//! `references/metrics_covering.py` stored them.

use dvm_attribution::metrics::{Candidate, registry};
use dvm_attribution::{Array, Attribution, Settings, Subject, Target, ValueKind};
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Stopwatch, Walk, seeded};
use dvm_image::{Picture, Preprocess, Resize};
use dvm_testing::{networks, references};
use serde::Deserialize;

/// Tolerance relative to the largest score of a curve.
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

/// The preprocessing of a picture of noise, which is not normalised.
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
    networks::picture_of_reference(&own.name, own.size)
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
        value_kind: ValueKind::Signed,
        warnings: Vec::new(),
        checks: Vec::new(),
    }
}

/// Compares all stored curves and values of a network.
fn compare(name: &str) {
    let json = std::fs::read(references::path("dvm", "metrics_covering.json")).unwrap();
    let described: Described = serde_json::from_slice(&json).unwrap();
    let references =
        Weights::read(&references::path("dvm", "metrics_covering.safetensors")).unwrap();
    let stored = |key: &str| references.get(key).unwrap().values.clone();
    let of_name = |network: &&DescribedNetwork| network.name == name;
    let own = described.networks.iter().find(of_name).unwrap();
    let preprocess = preprocess(own);
    let input = preprocess.apply(picture(own)).unwrap();
    let network = Network::new(networks::of_reference(name));
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
fn metrics_of_mobilenet_match_quantus() {
    compare("mobilenet_v2");
}

#[test]
fn metrics_of_an_imported_convolutional_network_match_quantus() {
    compare("cnn_script_17");
}

#[test]
fn metrics_of_an_imported_transformer_match_quantus() {
    compare("vit_script_17");
}

/// The scores of each curve of a map, and the multiply-adds of incremental walks and of full walks.
fn walked(
    own: &DescribedNetwork,
    map: &[f32],
    metric: &str,
    incremental: bool,
) -> (Vec<f64>, u64, u64) {
    let preprocess = preprocess(own);
    let input = preprocess.apply(picture(own)).unwrap();
    let stopwatch = Stopwatch::default();
    let network = Network::new(networks::of_reference(&own.name)).with_stopwatch(stopwatch.clone());
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
fn incremental_steps_match_full_walks() {
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
        // The last number is the allowed part of the multiply-adds of full walks. Most steps of the gain reach the
        // whole picture; its first steps save about as much as the walks over the picture itself cost.
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
