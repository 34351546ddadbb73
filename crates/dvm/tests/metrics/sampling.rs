//! Metrics with random numbers against pytorch-grad-cam, Captum, Quantus and a slow second implementation, all
//! with the same random numbers and maps (`references/metrics_sampling.py`).

use dvm_attribution::Settings;
use dvm_attribution::metrics::{self, Candidate, Measurement};
use dvm_engine::weights::Weights;
use dvm_testing::networks;
use serde::Deserialize;

use crate::given;
use crate::prepared::{self, Prepared, arrays, exact, map_of, method, settings};

/// Tolerance of f32 against the references' f64, relative to the value or to the largest of an array.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Described {
    seed: u64,
    networks: Vec<prepared::Described>,
}

/// A network with its picture, the tested map, and the results of the tools.
struct Case {
    described: prepared::Described,
    seed: u64,
    prepared: Prepared,
    references: Weights,
}

impl Case {
    fn of(name: &str) -> Self {
        let Described { seed, networks } = prepared::described("metrics_sampling");
        let mut networks = networks.into_iter();
        let described = networks.find(|own| own.name == name).unwrap();
        let network = exact(networks::of_reference(name));
        Self {
            seed,
            prepared: Prepared::described(network, &described),
            described,
            references: arrays("metrics_sampling"),
        }
    }

    fn stored(&self, key: &str) -> &[f32] {
        let key = format!("{}.{key}", self.described.name);
        &self.references.get(&key).unwrap().values
    }

    fn expected(&self, key: &str) -> Vec<f64> {
        self.stored(key).iter().map(|&v| f64::from(v)).collect()
    }

    fn settings(&self, metric: &str, options: &[(&str, &str)]) -> Settings {
        let entry = metrics::registry::find(metric).unwrap();
        let seed = entry.takes("seed").then(|| self.seed.to_string());
        let given = settings(options);
        seed.into_iter()
            .fold(given, |all, seed| all.with("seed", seed))
    }

    /// Measures the stored map.
    fn measured(&self, metric: &str, options: &[(&str, &str)]) -> Measurement {
        let map = self.stored("map").to_vec();
        let attribution = given(map, self.described.size, self.described.target);
        let subject = self.prepared.subject();
        let candidate = Candidate::new(&subject, &attribution).unwrap();
        let entry = metrics::registry::find(metric).unwrap();
        let metric = entry.metric(&self.settings(metric, options)).unwrap();
        metric.measure(&candidate).unwrap()
    }

    /// Measures the max-sensitivity of a method.
    fn sensitivity(&self, name: &str, options: &[(&str, &str)]) -> f64 {
        let method = method(name, &settings(options));
        let subject = self.prepared.subject();
        let map = map_of(&*method, &subject, self.described.target);
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
        // The relative error of a square is twice that of its base.
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

tests! {
    metrics_of_a_small_network_match_the_tools: Case::of("small").compare_all();
    metrics_of_resnet18_are_those_of_the_tools: Case::of("resnet18").compare_all();
    metrics_of_an_imported_transformer_match_the_tools: Case::of("vit_script_17").compare_all();
}

#[test]
fn max_sensitivity_adds_noise_for_occlusion() {
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
fn max_sensitivity_adds_noise_for_class_activation_maps() {
    let case = Case::of("small");
    let found = case.sensitivity("grad-cam", &[]);
    case.compare("max-sensitivity.grad-cam", &[found]);
}
