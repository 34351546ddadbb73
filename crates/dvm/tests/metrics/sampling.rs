//! Metrics that draw at random against pytorch-grad-cam, Captum, Quantus and a slow second implementation, all
//! with the same draws and the same maps (`references/metrics_sampling.py`).

use std::path::Path;

use dvm_attribution::metrics::{self, Candidate, Measurement};
use dvm_attribution::{Attribution, Nature, Settings, Subject, Target, registry};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Blueprint, Graph, Network, seeded};
use dvm_image::{Input, Picture, Preprocess, Resize};
use serde::Deserialize;

/// What f32 may be off from the references' f64, relative to the value, or to the largest of an array.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Described {
    seed: u64,
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
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/references")
        .join(name)
}

/// conv1 3→8, relu1, max-pool, conv2 8→16, relu2, mean over the plane, fc 16→5.
fn small_network() -> Graph {
    let same = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, same.clone(), 3, 8, true);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.pool("pool1", x, Pool::max(2, 2, 0, false));
    let x = net.conv2d("conv2", x, same, 8, 16, true);
    let x = net.activation("relu2", x, Activation::Relu);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 16, 5, true);
    seeded::graph(net.ending_at(x))
}

/// A network with its picture, the map that is tested, and what the tools find.
struct Case {
    described: DescribedNetwork,
    seed: u64,
    network: Network,
    preprocess: Preprocess,
    input: Input,
    references: Weights,
}

impl Case {
    fn of(name: &str) -> Self {
        let json = std::fs::read(file("metrics_sampling.json")).unwrap();
        let mut described: Described = serde_json::from_slice(&json).unwrap();
        let at = described.networks.iter().position(|n| n.name == name);
        let own = described.networks.swap_remove(at.unwrap());
        let graph = match (name, dvm_zoo::find(name)) {
            ("small", _) => small_network(),
            (_, Some(architecture)) => seeded::graph((architecture.build)(10)),
            (_, None) => {
                let onnx = file(&format!("../../../dvm-onnx/tests/references/{name}.onnx"));
                let imported = dvm_onnx::read(&onnx, dvm_onnx::Options::default());
                imported.unwrap().graph
            }
        };
        let unit = seeded::unit(&format!("{name}.input"), own.size.0 * own.size.1 * 3);
        let bytes = unit.iter().map(|u| (u * 256.0) as u8).collect();
        let preprocess = Preprocess {
            resize: Resize::None,
            crop: own.size,
            mean: own.mean,
            std: own.std,
            ..Preprocess::imagenet()
        };
        let picture = Picture::new(own.size.0, own.size.1, bytes);
        Self {
            seed: described.seed,
            // Direct sums: the rounding of reordered ones opens or shuts a rectifier here and there.
            network: Network::new(graph).with_arithmetic(Arithmetic::Exact),
            input: preprocess.apply(picture).unwrap(),
            preprocess,
            described: own,
            references: Weights::read(&file("metrics_sampling.safetensors")).unwrap(),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject::new(&self.network, &self.input, &self.preprocess)
    }

    fn expected(&self, key: &str) -> Vec<f64> {
        let array = self
            .references
            .get(&format!("{}.{key}", self.described.name));
        array
            .unwrap()
            .values
            .iter()
            .map(|&v| f64::from(v))
            .collect()
    }

    fn settings(&self, metric: &str, options: &[(&str, &str)]) -> Settings {
        let entry = metrics::registry::find(metric).unwrap();
        let seed = entry.takes("seed").then(|| self.seed.to_string());
        let given = options
            .iter()
            .fold(Settings::new(), |all, (option, value)| {
                all.with(option, value)
            });
        seed.into_iter()
            .fold(given, |all, seed| all.with("seed", seed))
    }

    /// What a metric finds of the stored map.
    fn measured(&self, metric: &str, options: &[(&str, &str)]) -> Measurement {
        let map = &self
            .references
            .get(&format!("{}.map", self.described.name))
            .unwrap()
            .values;
        let attribution = Attribution {
            target: Target::Class(self.described.target),
            title: "stored".into(),
            quantity: "input × gradient".into(),
            score: "logit",
            map: map.clone(),
            size: self.described.size,
            smooth: None,
            arrays: Vec::new(),
            nature: Nature::Signed,
            warnings: Vec::new(),
            checks: Vec::new(),
        };
        let subject = self.subject();
        let candidate = Candidate::new(&subject, &attribution).unwrap();
        let entry = metrics::registry::find(metric).unwrap();
        let metric = entry.metric(&self.settings(metric, options)).unwrap();
        metric.measure(&candidate).unwrap()
    }

    /// What max-sensitivity finds of a method.
    fn sensitivity(&self, method: &str, options: &[(&str, &str)]) -> f64 {
        let given = options
            .iter()
            .fold(Settings::new(), |all, (option, value)| {
                all.with(option, value)
            });
        let method = registry::find(method).unwrap().method(&given).unwrap();
        let subject = self.subject();
        let target = [Target::Class(self.described.target)];
        let map = method.attribute(&subject, &target).unwrap().remove(0);
        let candidate = Candidate::new(&subject, &map).unwrap();
        let candidate = candidate.made_by(&*method);
        let name = "max-sensitivity";
        let entry = metrics::registry::find(name).unwrap();
        let metric = entry.metric(&self.settings(name, &[])).unwrap();
        metric.measure(&candidate).unwrap().value
    }

    fn compare(&self, key: &str, found: &[f64]) {
        let expected = self.expected(key);
        assert_eq!(found.len(), expected.len(), "{key}");
        let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let off = found.iter().zip(&expected);
        let off = off.fold(0.0f64, |most, (f, e)| most.max((f - e).abs())) / largest;
        println!("{} {key}: off by {off:e}", self.described.name);
        // A square of differences is off by twice as much as these.
        let twice = key.starts_with("infidelity");
        let tolerance = if twice { 2.0 * TOLERANCE } else { TOLERANCE };
        assert!(
            off <= tolerance,
            "{} {key}: {found:?} instead of {expected:?}",
            self.described.name
        );
    }

    /// Compares all metrics of the stored map.
    fn compare_all(&self) {
        let road = self.measured("road", &[]);
        self.compare("road", &[road.value]);
        for (key, curve) in ["road.most", "road.least"].iter().zip(&road.curves) {
            let scores: Vec<f64> = curve.points[1..].iter().map(|point| point.1).collect();
            self.compare(key, &scores);
        }
        let fidelity = self.measured("mu-fidelity", &[]);
        self.compare("mu-fidelity", &[fidelity.value]);
        self.compare("mu-fidelity.rank", &[figure(&fidelity, "rank correlation")]);
        for perturbation in ["square", "pixels", "noise"] {
            let found = self.measured("infidelity", &[("perturbation", perturbation)]);
            let key = format!("infidelity.{perturbation}");
            self.compare(&key, &[found.value]);
            let unscaled = figure(&found, "without scaling");
            self.compare(&format!("{key}.unscaled"), &[unscaled]);
        }
        self.compare("complexity", &[self.measured("complexity", &[]).value]);
        self.compare("sparseness", &[self.measured("sparseness", &[]).value]);
        let options = [("channels", "sum")];
        let found = self.sensitivity("input-x-gradient", &options);
        self.compare("max-sensitivity.input-x-gradient", &[found]);
    }
}

fn figure(found: &Measurement, name: &str) -> f64 {
    let figure = found.figures.iter().find(|figure| figure.name == name);
    figure.unwrap().value
}

#[test]
fn metrics_of_a_small_network_are_those_of_the_tools() {
    Case::of("small").compare_all();
}

#[test]
fn metrics_of_resnet18_are_those_of_the_tools() {
    Case::of("resnet18").compare_all();
}

#[test]
fn metrics_of_an_imported_transformer_are_those_of_the_tools() {
    Case::of("vit_script_17").compare_all();
}

#[test]
fn occlusion_sees_the_noise_of_max_sensitivity() {
    let options = [
        ("window", "8x7"),
        ("stride", "8x7"),
        ("fill", "zero"),
        ("score", "logit"),
    ];
    let case = Case::of("small");
    let found = case.sensitivity("occlusion", &options);
    case.compare("max-sensitivity.occlusion", &[found]);
}

#[test]
fn class_activation_maps_see_the_noise_of_max_sensitivity() {
    let case = Case::of("small");
    let found = case.sensitivity("grad-cam", &[]);
    case.compare("max-sensitivity.grad-cam", &[found]);
}
