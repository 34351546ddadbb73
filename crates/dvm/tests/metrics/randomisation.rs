//! Agreement of maps against SciPy and scikit-image, and randomisation tests against Quantus, as
//! `references/metrics_randomisation.py` stored them; and their results for known methods on photographs.

use dvm_attribution::metrics::agreement::Agreement;
use dvm_attribution::metrics::{Candidate, Measurement, Metric, registry as metrics};
use dvm_attribution::{Attribution, Error, Method, Subject};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Graph, seeded};
use dvm_testing::{networks, repository};
use serde::Deserialize;

use crate::prepared::{self, Prepared, exact, map_of, settings};

/// Absolute tolerance of f32 against the references' f64; all values are about 1. The error is at most 1e-6, unless
/// two pixels of the map change their order.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Described {
    seed: u64,
    samples: usize,
    noise: f64,
    bins: usize,
    agreement: Vec<DescribedAgreement>,
    networks: Vec<DescribedNetwork>,
}

#[derive(Deserialize)]
struct DescribedAgreement {
    size: (usize, usize),
    kind: String,
    rank: f64,
    absolute_rank: f64,
    linear: f64,
    ssim: f64,
}

#[derive(Deserialize)]
struct DescribedNetwork {
    #[serde(flatten)]
    network: prepared::Described,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    method: String,
    top_down: Vec<Step>,
    independent: Vec<Step>,
    smooth: Vec<Step>,
    efficient: f64,
    random_logit: f64,
    other_class: usize,
}

/// The results of Quantus after randomising a layer.
#[derive(Deserialize)]
struct Step {
    layer: String,
    /// Rank correlation.
    score: f64,
    #[serde(default)]
    ssim: f64,
}

fn described() -> Described {
    prepared::described("metrics_randomisation")
}

fn prepared(graph: Graph, name: &str, size: (usize, usize)) -> Prepared {
    Prepared::of_noise(exact(graph), name, size)
}

fn small() -> Prepared {
    prepared(networks::small(), "small", (32, 28))
}

fn named(metric: &str, options: &[(&str, &str)]) -> Box<dyn Metric> {
    let entry = metrics::find(metric).unwrap();
    entry.metric(&settings(options)).unwrap()
}

/// A map of a class and the method that made it.
struct Explained<'a> {
    subject: Subject<'a>,
    method: Box<dyn Method>,
    map: Attribution,
}

impl<'a> Explained<'a> {
    fn new(subject: Subject<'a>, name: &str, options: &[(&str, &str)], class: usize) -> Self {
        let method = prepared::method(name, &settings(options));
        let map = map_of(&*method, &subject, class);
        Self {
            subject,
            method,
            map,
        }
    }

    fn measure(&self, metric: &str, options: &[(&str, &str)]) -> Result<Measurement, Error> {
        let candidate = Candidate::new(&self.subject, &self.map).unwrap();
        named(metric, options).measure(&candidate.made_by(&*self.method))
    }

    fn measured(&self, metric: &str, options: &[(&str, &str)]) -> Measurement {
        self.measure(metric, options).unwrap()
    }
}

fn figure(measurement: &Measurement, name: &str) -> f64 {
    let mut figures = measurement.figures.iter();
    let found = figures.find(|figure| figure.name == name);
    let Some(found) = found else {
        panic!("no figure `{name}`: {measurement:?}")
    };
    found.value
}

/// Whether the finding contains these words.
fn says(measurement: &Measurement, words: &str) -> bool {
    let finding = measurement.finding.as_ref();
    finding.is_some_and(|finding| finding.contains(words))
}

fn assert_near(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs();
    println!("{what}: {found:.6}, off by {error:.1e}");
    assert!(error <= TOLERANCE, "{what}: {found} is not {expected}");
}

#[test]
fn agreement_of_maps_matches_scipy_and_scikit_image() {
    for case in described().agreement {
        let (height, width) = case.size;
        let name = format!("agreement.{height}x{width}");
        let first = seeded::uniform(&format!("{name}.first"), height * width, -1.0, 1.0);
        let other = seeded::uniform(&format!("{name}.second"), height * width, -1.0, 1.0);
        let mixed = first.iter().zip(other).map(|(a, b)| 0.5 * a + 0.75 * b);
        let (mut first, mut second) = (first.clone(), mixed.collect::<Vec<f32>>());
        if case.kind == "ties" {
            let coarse = |v: f32| (v * 4.0).round_ties_even();
            first.iter_mut().for_each(|v| *v = coarse(*v).max(0.0));
            second.iter_mut().for_each(|v| *v = coarse(*v));
        }
        let found = Agreement::of(&first, &second, case.size);
        for (found, expected) in [
            (found.rank, case.rank),
            (found.absolute_rank, case.absolute_rank),
            (found.linear, case.linear),
            (found.ssim, case.ssim),
        ] {
            assert!(
                (found - expected).abs() < 1e-9,
                "{name} {}: {found} is not {expected}",
                case.kind
            );
        }
    }
}

/// Compares all tests of all methods' maps of a network whose layers are randomised in these groups.
fn compare(name: &str, layers: &str) {
    let all = described();
    let mut networks = all.networks.iter();
    let own = networks.find(|own| own.network.name == name).unwrap();
    let graph = networks::of_reference(name);
    let prepared = Prepared::described(exact(graph), &own.network);
    let (seed, samples) = (all.seed.to_string(), all.samples.to_string());
    let (noise, bins) = (all.noise.to_string(), all.bins.to_string());
    for case in &own.cases {
        let channels = match &case.method[..] {
            "gradient" => "max-abs",
            _ => "sum",
        };
        let (options, target) = ([("channels", channels)], own.network.target);
        let explained = Explained::new(prepared.subject(), &case.method, &options, target);
        let usual = [("seed", &seed[..]), ("weights", "pytorch")];
        let usual = [&usual[..], &[("layers", layers)]].concat();
        let smooth = [&usual[..], &[("samples", &samples), ("noise", &noise)]].concat();
        for (order, options, steps) in [
            ("top-down", &usual[..], &case.top_down),
            ("independent", &usual[..], &case.independent),
            ("top-down", &smooth[..], &case.smooth),
        ] {
            if order == "independent" && layers != "single" {
                continue;
            }
            let options = [options, &[("order", order)]].concat();
            let found = explained.measured("model-randomisation", &options);
            let of = |kind: &str| {
                let figures = found.figures.iter();
                let figures = figures
                    .filter_map(|figure| Some((figure.name.strip_prefix(kind)?, figure.value)));
                figures.collect::<Vec<_>>()
            };
            let (ranks, similarities) = (of("rank correlation: "), of("SSIM: "));
            assert!(
                ranks.len() >= 3 && ranks.len() == similarities.len(),
                "{found:?}"
            );
            for ((group, rank), (_, ssim)) in ranks.into_iter().zip(similarities) {
                // Quantus has the same state after randomising the first layer of the group.
                let layer = group.split(" … ").next().unwrap();
                let step = steps.iter().find(|step| step.layer == layer).unwrap();
                let what = format!("{name} {} {options:?} {group}", case.method);
                assert_near(rank, step.score, &what);
                if step.ssim != 0.0 {
                    assert_near(ssim, step.ssim, &format!("{what}, SSIM"));
                }
            }
            if order == "top-down" {
                assert_near(found.value, steps.last().unwrap().score, "all layers");
                let curve = &found.curves[0].points;
                assert_eq!(
                    (curve[0], curve[curve.len() - 1].1),
                    ((0.0, 1.0), found.value)
                );
            }
        }
        let options = [("seed", &seed[..]), ("bins", &bins), ("weights", "pytorch")];
        let found = explained.measured("efficient-model-randomisation", &options);
        let what = format!("{name} {}", case.method);
        assert_near(found.value, case.efficient, &format!("{what} efficient"));
        let found = explained.measured("random-logit", &[("seed", &seed)]);
        assert_eq!(figure(&found, "other class"), case.other_class as f64);
        let what = format!("{what} random logit");
        assert_near(found.value, case.random_logit, &what);
    }
}

tests! {
    randomising_a_small_network_matches_quantus: compare("small", "single");
    resnet18_is_randomised_as_quantus_does_it: compare("resnet18", "stages");
}

#[test]
fn a_random_copy_does_not_change_the_network_or_its_outputs() {
    let case = small();
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    let answers = || {
        let graphs = [
            case.network.graph(),
            case.network.folded(),
            case.network.fused(),
        ];
        graphs.map(|graph| bits(graph.logits(case.subject().picture()).unwrap().data()))
    };
    let parameters = || -> Vec<Vec<u32>> {
        let values = case.network.graph().values().iter();
        values.map(|value| bits(value.data())).collect()
    };
    let explained = Explained::new(case.subject(), "gradient", &[], 3);
    let before = (answers(), parameters());
    for order in ["top-down", "bottom-up", "independent"] {
        let options = [("layers", "single"), ("order", order), ("samples", "2")];
        explained.measured("model-randomisation", &options);
    }
    assert_eq!((answers(), parameters()), before);
    let again = map_of(&*explained.method, &case.subject(), 3);
    assert_eq!(bits(&again.map), bits(&explained.map.map));
}

#[test]
fn orders_of_layers_end_at_the_same_random_network() {
    let case = small();
    let explained = Explained::new(case.subject(), "gradient", &[], 3);
    let value = |layers: &str, order: &str| {
        let options = [("layers", layers), ("order", order)];
        explained.measured("model-randomisation", &options).value
    };
    let whole = value("whole", "top-down");
    for layers in ["stages", "blocks", "single"] {
        for order in ["top-down", "bottom-up"] {
            let found = value(layers, order);
            assert_eq!(found.to_bits(), whole.to_bits(), "{layers}");
        }
    }
    assert!(whole < 0.9, "{whole}");
}

#[test]
fn all_layers_of_imported_networks_are_randomised() {
    // A convolutional network, and a transformer with positions and a class token.
    for (name, size) in [("cnn_script_17", (18, 14)), ("vit_script_17", (12, 12))] {
        let graph = networks::of_reference(name);
        let case = prepared(graph, name, size);
        let explained = Explained::new(case.subject(), "gradient", &[], 1);
        for weights in ["pytorch", "he"] {
            let options = [("layers", "single"), ("weights", weights)];
            let found = explained.measured("model-randomisation", &options);
            assert!(found.value < 0.9, "{name}: {found:?}");
            let figures = found.figures.iter();
            let steps = figures.filter(|figure| figure.name.starts_with("SSIM: "));
            let steps = steps.count();
            let layers = case.network.graph().nodes().iter();
            let layers = layers.filter(|node| {
                node.op_as::<Conv2d>().is_some() || node.op_as::<Linear>().is_some()
            });
            assert!(steps >= layers.count(), "{name}: {steps} steps");
        }
    }
}

#[test]
fn a_network_without_parameters_is_an_error() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let case = prepared(seeded::graph(net.ending_at(x)), "small", (8, 6));
    let explained = Explained::new(case.subject(), "input-x-gradient", &[], 1);
    let error = explained.measure("model-randomisation", &[]).unwrap_err();
    assert!(error.to_string().contains("no parameters"), "{error}");
}

#[test]
fn a_constant_map_and_a_map_without_a_method_are_errors() {
    let case = small();
    let explained = Explained::new(case.subject(), "gradient", &[], 3);
    let mut plain = Explained::new(case.subject(), "gradient", &[], 3);
    plain.map.map.fill(0.5);
    for name in [
        "model-randomisation",
        "efficient-model-randomisation",
        "random-logit",
    ] {
        let error = plain.measure(name, &[]).unwrap_err().to_string();
        assert!(error.contains("same value at every pixel"), "{error}");
        let alone = Candidate::new(&explained.subject, &explained.map).unwrap();
        assert!(named(name, &[]).measure(&alone).is_err(), "{name}");
    }
}

#[test]
fn a_network_with_zero_output_is_reported_after_trying_other_seeds() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(3), 3, 4, true);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 4, 5, true);
    let x = net.activation("relu", x, Activation::Relu);
    let case = prepared(seeded::graph(net.ending_at(x)), "shut", (9, 9));
    let numbers = case.subject().numbers().unwrap();
    let open = (0..5).find(|&class| numbers[class] > 0.0).unwrap();
    let explained = Explained::new(case.subject(), "gradient", &[], open);
    let (mut shut, mut retried) = (0, 0);
    for seed in 0..40 {
        let options = [("seed", &seed.to_string()[..])];
        let found = explained.measured("model-randomisation", &options);
        let after = figure(&found, "seed") as u64 - seed;
        assert!(found.value.is_finite() && after <= 3);
        let is_told = says(&found, "cannot tell");
        assert_eq!(is_told, found.value == 0.0);
        shut += u32::from(is_told);
        retried += u32::from(after > 0);
    }
    // Half of the networks have zero output, one in sixteen four times in a row.
    assert!((5..=35).contains(&retried) && shut < 12, "{retried} {shut}");
}

/// On photographs, with the embedded weights.
#[test]
fn guided_backprop_of_a_photograph_fails_where_gradient_and_grad_cam_pass() {
    let pretrained = dvm_zoo::find("squeezenet1_1").unwrap().embedded().unwrap();
    for picture in ["chelsea", "coffee"] {
        let path = repository::root().join(format!("assets/samples/{picture}.png"));
        let picture = dvm_image::read(&path, &dvm_image::Limits::default()).unwrap();
        let input = pretrained.preprocess.apply(picture).unwrap();
        let subject = Subject::new(&pretrained.network, &input, &pretrained.preprocess);
        let numbers = subject.numbers().unwrap();
        let top = (0..numbers.len())
            .max_by(|&a, &b| numbers[a].total_cmp(&numbers[b]))
            .unwrap();
        for (name, hardly_changes) in [
            ("guided-backprop", true),
            ("gradient", false),
            ("grad-cam", false),
        ] {
            let subject = Subject::new(&pretrained.network, &input, &pretrained.preprocess);
            let explained = Explained::new(subject, name, &[], top);
            let found = explained.measured("model-randomisation", &[]);
            let told = says(&found, "hardly changes");
            assert_eq!(told, hardly_changes, "{name}: {found:?}");
            assert_eq!(found.finding.is_some(), hardly_changes, "{name}: {found:?}");
            // Guided backprop hardly depends on the class: with another class, 0.69 to 0.96.
            let found = explained.measured("random-logit", &[]);
            let told = says(&found, "hardly depends");
            assert_eq!(told, hardly_changes, "{name}: {found:?}");
        }
    }
}
