//! Metrics that cover more and more of a picture against Quantus and a slow second implementation, as
//! `references/metrics_covering.py` stored them.

use dvm_attribution::metrics::{Candidate, registry};
use dvm_attribution::{Attribution, Settings};
use dvm_engine::{Network, Stopwatch, Walk, seeded};
use dvm_image::Preprocess;
use dvm_testing::networks;
use serde::Deserialize;

use crate::given;
use crate::prepared::{self, Prepared, arrays};

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
    #[serde(flatten)]
    network: prepared::Described,
    steps: usize,
    patch: usize,
    regions: usize,
}

impl DescribedNetwork {
    fn given(&self, map: Vec<f32>) -> Attribution {
        given(map, self.network.size, self.network.target)
    }

    fn settings(&self, score: &str) -> Settings {
        Settings::new()
            .with("score", score)
            .with("steps", self.steps)
            .with("patch", self.patch)
            .with("regions", self.regions)
    }
}

/// Compares all stored curves and values of a network.
fn compare(name: &str) {
    let described: Described = prepared::described("metrics_covering");
    let references = arrays("metrics_covering");
    let stored = |key: &str| references.get(key).unwrap().values.clone();
    let mut networks = described.networks.iter();
    let own = networks.find(|own| own.network.name == name).unwrap();
    let network = Network::new(networks::of_reference(name));
    let prepared = Prepared::described(network, &own.network);
    let baselines = &described.baselines;
    let mut wrong = Vec::new();
    for incremental in [true, false] {
        let subject = prepared.subject().incremental(incremental);
        for (map, score) in ["noise", "spot"]
            .into_iter()
            .flat_map(|map| ["probability", "logit"].map(|score| (map, score)))
        {
            let attribution = own.given(stored(&format!("{name}.{map}.map")));
            let candidate = Candidate::new(&subject, &attribution).unwrap();
            for (metric, baseline) in [
                ("deletion", &baselines.deletion),
                ("insertion", &baselines.insertion),
                ("symmetric-relevance-gain", &baselines.deletion),
                ("pixel-flipping", &baselines.pixel_flipping),
                ("region-perturbation", &baselines.region_perturbation),
            ] {
                let settings = own.settings(score).with("baseline", baseline);
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

tests! {
    resnet18_as_quantus_has_it: compare("resnet18");
    metrics_of_mobilenet_match_quantus: compare("mobilenet_v2");
    metrics_of_an_imported_convolutional_network_match_quantus: compare("cnn_script_17");
    metrics_of_an_imported_transformer_match_quantus: compare("vit_script_17");
}

/// The scores of each curve of a map, and the multiply-adds of incremental walks and of full walks.
fn walked(
    own: &DescribedNetwork,
    map: &[f32],
    metric: &str,
    incremental: bool,
) -> (Vec<f64>, u64, u64) {
    let stopwatch = Stopwatch::default();
    let network = Network::new(networks::of_reference(&own.network.name));
    let network = network.with_stopwatch(stopwatch.clone());
    let prepared = Prepared::described(network, &own.network);
    let subject = prepared.subject().incremental(incremental);
    let attribution = own.given(map.to_vec());
    let candidate = Candidate::new(&subject, &attribution).unwrap();
    let settings = own.settings("logit");
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
        let Preprocess { mean, std, .. } = Preprocess::imagenet();
        let own = DescribedNetwork {
            network: prepared::Described {
                name: name.into(),
                size: (side, side),
                mean,
                std,
                target: 3,
            },
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
