//! Methods for the attention of vision transformers, against slow implementations of their papers in
//! f64 (`references/vision_transformers.py`): DeiT of our zoo, and exports of torchvision, timm and
//! transformers.

use std::collections::BTreeMap;

use dvm_attribution::{Attribution, Score, Subject, Target};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::slice::Slice;
use dvm_engine::{Blueprint, Network, Role, seeded};
use dvm_testing::references;
use serde::Deserialize;

use crate::prepared::{self, Prepared, arrays, method, relative_error, settings};

/// A network in `transformers.json`.
#[derive(Deserialize)]
struct Described {
    name: String,
    size: (usize, usize),
    grid: (usize, usize),
    before: usize,
    read: Vec<usize>,
    blocks: usize,
    files: Vec<String>,
}

/// Arrays by name.
type Expected = BTreeMap<String, Vec<f32>>;

fn described() -> Vec<Described> {
    prepared::described("transformers")
}

fn expected() -> Expected {
    let weights = arrays("transformers");
    let all = weights.iter();
    all.map(|(name, array)| (name.to_string(), array.values.to_vec()))
        .collect()
}

/// A network with the picture of its references.
struct Case {
    about: Described,
    /// Its name in messages.
    label: String,
    prepared: Prepared,
}

impl Case {
    fn new(about: Described, label: &str, network: Network) -> Self {
        Self {
            label: label.into(),
            prepared: Prepared::of_noise(network, &about.name, about.size),
            about,
        }
    }

    fn subject(&self) -> Subject<'_> {
        self.prepared.subject()
    }

    fn map(&self, method: &str, options: &[(&str, &str)], target: usize) -> Attribution {
        explained(&self.subject(), method, options, target)
            .unwrap_or_else(|error| panic!("{} {method}: {error}", self.label))
    }

    /// Compares an array with the references.
    fn assert_is(&self, found: &[f32], expected: &Expected, name: &str) {
        let key = format!("{}.{name}", self.about.name);
        let error = relative_error(found, &expected[&key]);
        assert!(error < 1e-4, "{} {name}: {error}", self.label);
    }
}

fn explained(
    subject: &Subject,
    name: &str,
    options: &[(&str, &str)],
    target: usize,
) -> Result<Attribution, dvm_attribution::Error> {
    let method = method(name, &settings(options));
    let targets = [Target::Class(target)];
    Ok(method.attribute(subject, &targets)?.remove(0))
}

fn of_name(name: &str) -> Described {
    described()
        .into_iter()
        .find(|about| about.name == name)
        .unwrap()
}

/// All files of the references.
fn imported() -> Vec<Case> {
    let mut cases = Vec::new();
    for about in described() {
        for file in about.files.clone() {
            let path = references::path("dvm", &format!("transformers/{file}.onnx"));
            let options = dvm_onnx::Options {
                size: Some(about.size),
            };
            let read = dvm_onnx::read(&path, options).unwrap();
            let about = of_name(&about.name);
            cases.push(Case::new(about, &file, Network::new(read.graph)));
        }
    }
    assert!(cases.len() >= 10);
    cases
}

/// DeiT of the zoo, with weights seeded by their names.
fn deit() -> Case {
    let about = of_name("deit_tiny_patch16_224");
    let architecture = dvm_zoo::find("deit_tiny_patch16_224").unwrap();
    let graph = seeded::graph((architecture.build)(10));
    Case::new(about, "deit", Network::new(graph))
}

/// The torchvision network of the references, built as the larger ones of the zoo.
fn as_the_zoo_builds_it() -> Case {
    let (width, eps) = (16, 1e-6);
    let mut net = Blueprint::new(3);
    let picture = net.input();
    let x = net.conv2d(
        "conv_proj",
        picture,
        Conv2d::square(4).stride(4),
        3,
        width,
        true,
    );
    let x = net.tokens("conv_proj.tokens", x);
    let class = net.repeat("class_token", picture, &[1, 1, width]);
    let x = net.concat_along("tokens", 1, &[class, x]);
    let mut x = net.add_parameter("encoder.pos_embedding", x, &[1, 17, width]);
    for block in 0..3 {
        let name = |layer: &str| format!("encoder.layers.encoder_layer_{block}.{layer}");
        let y = net.layer_norm(&name("ln_1"), x, width, eps);
        let parameters: [(&str, &[usize], Role); 2] = [
            ("in_proj_weight", &[3 * width, width], Role::Weight),
            ("in_proj_bias", &[3 * width], Role::Bias),
        ];
        let y = net.node(&name("self_attention"), Linear, &[y], &parameters);
        let y = net.attention(&name("attention"), y, 2);
        let y = net.linear(&name("self_attention.out_proj"), y, width, width, true);
        let sum = net.add(&name("add1"), y, x);
        let y = net.layer_norm(&name("ln_2"), sum, width, eps);
        let y = net.linear(&name("mlp.0"), y, width, width, true);
        let y = net.activation(&name("gelu"), y, Activation::Gelu);
        let y = net.linear(&name("mlp.3"), y, width, width, true);
        x = net.add(&name("add2"), y, sum);
    }
    let x = net.layer_norm("encoder.ln", x, width, eps);
    let first = Slice {
        axis: 1,
        start: 0,
        step: 1,
        count: Some(1),
    };
    let x = net.slice("class", x, first);
    let x = net.flatten("flatten", x);
    let x = net.linear("heads.head", x, width, 5, true);
    let graph = seeded::graph(net.ending_at(x));
    Case::new(
        of_name("torchvision"),
        "as the zoo builds it",
        Network::new(graph),
    )
}

fn all_small() -> Vec<Case> {
    let mut cases = imported();
    cases.push(as_the_zoo_builds_it());
    cases
}

/// The step between stored values of a large network's attention.
const STEP: usize = 97;

fn sample(case: &Case, values: &[f32]) -> Vec<f32> {
    match case.about.size.0 {
        224 => values.iter().copied().step_by(STEP).collect(),
        _ => values.to_vec(),
    }
}

fn assert_attention(case: &Case, expected: &Expected) {
    let subject = case.subject();
    let attentions = subject.attentions().unwrap();
    let about = &case.about;
    assert_eq!(attentions.blocks.len(), about.blocks, "{}", case.label);
    assert_eq!(attentions.grid, about.grid, "{}", case.label);
    assert_eq!(attentions.before, about.before, "{}", case.label);
    assert_eq!(attentions.read, about.read, "{}", case.label);
    let mut order = Vec::new();
    let asked = (&Target::Class(3), Score::Logit);
    let each = &mut |index: usize, probabilities: &[f32], gradients: &[f32]| {
        order.push(index);
        for row in probabilities.chunks_exact(attentions.tokens) {
            let sum: f32 = row.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{} {index}: {sum}", case.label);
        }
        let found = sample(case, probabilities);
        case.assert_is(&found, expected, &format!("attention.{index}"));
        let found = sample(case, gradients);
        case.assert_is(&found, expected, &format!("attention_gradient.3.{index}"));
        Ok(())
    };
    subject
        .attention_gradients(&attentions, asked, each)
        .unwrap();
    assert!(order.into_iter().rev().eq(0..about.blocks));
}

fn assert_maps(case: &Case, expected: &Expected) {
    let rollouts: &[(&str, &str)] = match case.about.size.0 {
        224 => &[("mean", "0"), ("min", "0"), ("max", "0")],
        _ => &[
            ("mean", "0"),
            ("mean", "0.5"),
            ("min", "0"),
            ("max", "0"),
            ("max", "0.9"),
        ],
    };
    for (heads, discard) in rollouts {
        let options = [("heads", *heads), ("discard", *discard)];
        let found = case.map("attention-rollout", &options, 1);
        let part: f32 = discard.parse().unwrap();
        let name = format!("rollout.{heads}.{part:?}");
        case.assert_is(&found.array("tokens").unwrap().values, expected, &name);
    }
    for target in [1, 3] {
        let found = case.map("attention-relevance", &[], target);
        case.assert_is(
            &found.raw().values,
            expected,
            &format!("relevance.{target}"),
        );
        let found = case.map("legrad", &[("score-from", "end")], target);
        case.assert_is(
            &found.raw().values,
            expected,
            &format!("legrad.end.{target}"),
        );
        for pool in ["mean", "read"] {
            let found = case.map("legrad", &[("pool", pool)], target);
            let name = format!("legrad.blocks.{pool}.{target}");
            case.assert_is(&found.raw().values, expected, &name);
            assert_eq!(found.raw().shape, [case.about.grid.0, case.about.grid.1]);
            assert_eq!(found.map.len(), case.about.size.0 * case.about.size.1);
        }
    }
}

fn assert_libra(case: &Case, expected: &Expected) {
    for target in [1, 3] {
        let options = [("attention-rules", "libra")];
        let found = case.map("gradient", &options, target);
        let (height, width) = case.about.size;
        let step = if height == 224 { 4 } else { 1 };
        let values = &found.raw().values;
        let mut kept = Vec::new();
        for row in (0..3 * height).filter(|row| row % height % step == 0) {
            kept.extend(values[row * width..][..width].iter().step_by(step));
        }
        case.assert_is(&kept, expected, &format!("libra_gradient.{target}"));
        let plain = case.map("gradient", &[], target);
        assert!(relative_error(&plain.raw().values, values) > 1e-2);
    }
}

fn for_every_export(compare: fn(&Case, &Expected)) {
    let expected = expected();
    for case in all_small() {
        compare(&case, &expected);
    }
}

tests! {
    attention_and_its_gradients_are_found_in_every_export: for_every_export(assert_attention);
    maps_of_every_export_match_the_papers: for_every_export(assert_maps);
    gradients_by_the_rules_of_libragrad_match_the_paper: for_every_export(assert_libra);
}

#[test]
fn attention_and_maps_of_deit_of_the_zoo_match_timm() {
    let (case, expected) = (deit(), expected());
    assert_attention(&case, &expected);
    assert_maps(&case, &expected);
    assert_libra(&case, &expected);
}

#[test]
fn maps_do_not_depend_on_memory() {
    for case in [as_the_zoo_builds_it(), imported().remove(0)] {
        for method in ["attention-rollout", "attention-relevance", "legrad"] {
            let usual = case.map(method, &[], 3);
            let little = case.subject().with_memory(1);
            let found = explained(&little, method, &[], 3).unwrap();
            assert_eq!(found.map, usual.map, "{} {method}", case.label);
        }
    }
}

#[test]
fn a_map_has_the_positions_of_its_tokens() {
    // Four pixels per token: the mean of a token's pixels is closest to its own value.
    let case = imported()
        .into_iter()
        .find(|case| case.about.name == "timm")
        .unwrap();
    let found = case.map("attention-relevance", &[], 1);
    let ((rows, columns), (_, width)) = (case.about.grid, case.about.size);
    let raw = &found.raw().values;
    let at = |row: usize, column: usize| {
        let pixel = |(y, x): (usize, usize)| found.map[(4 * row + y) * width + 4 * column + x];
        let inner = [(1, 1), (1, 2), (2, 1), (2, 2)].map(pixel);
        inner.iter().sum::<f32>() / 4.0
    };
    let largest = (0..rows * columns)
        .max_by(|&a, &b| raw[a].total_cmp(&raw[b]))
        .unwrap();
    let peak = (0..rows * columns)
        .max_by(|&a, &b| at(a / columns, a % columns).total_cmp(&at(b / columns, b % columns)));
    assert_eq!(peak, Some(largest));
    // A corner outside the outermost centres has its token's value.
    assert_eq!(found.map[0], raw[0]);
    assert_eq!(found.map.last(), raw.last());
}

#[test]
fn networks_without_a_class_token_or_with_two_get_a_warning() {
    for case in imported() {
        let warnings = case.map("attention-relevance", &[], 1).warnings.join("\n");
        let wanted = match &case.about.name[..] {
            "pooled" | "pooled_beside_class" => {
                "the mean of 12 patch tokens, not from a class token"
            }
            "distilled" | "transformers_distilled" => "2 tokens that are no patches",
            _ => {
                assert_eq!(warnings, "", "{}", case.label);
                continue;
            }
        };
        assert!(warnings.contains(wanted), "{}: {warnings}", case.label);
    }
}

#[test]
fn networks_without_global_attention_are_errors() {
    for (name, wanted) in [
        ("swin_t", "attends only within windows"),
        ("resnet18", "has no self-attention"),
    ] {
        let graph = seeded::graph((dvm_zoo::find(name).unwrap().build)(10));
        let about = Described {
            name: name.into(),
            size: (64, 64),
            ..of_name("timm")
        };
        let case = Case::new(about, name, Network::new(graph));
        for method in ["attention-rollout", "attention-relevance", "legrad"] {
            let error = explained(&case.subject(), method, &[], 1)
                .unwrap_err()
                .to_string();
            assert!(error.contains(wanted), "{name} {method}: {error}");
            assert!(error.contains("choose a gradient"), "{error}");
        }
    }
}

#[test]
fn a_class_that_does_not_exist_is_an_error() {
    let case = as_the_zoo_builds_it();
    for method in ["attention-rollout", "attention-relevance", "legrad"] {
        let error = explained(&case.subject(), method, &[], 5)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "class 5 does not exist: the network has 5 classes (0 to 4)"
        );
    }
}
