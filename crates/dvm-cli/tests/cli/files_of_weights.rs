//! Weight files of PyTorch: state dicts, and files with several networks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dvm::engine::weights::{to_safetensors, to_torch};
use dvm::engine::{Tensor, seeded};

use crate::train::colours;
use crate::{COFFEE, dvm, explain, record, text};

/// SqueezeNet for two classes, once per prefix, with values multiplied by the factor.
fn state_dict(parts: &[(&str, f32)]) -> Vec<(String, Tensor)> {
    let architecture = dvm::models::find("squeezenet1_1").unwrap();
    let graph = seeded::graph((architecture.build)(2));
    let named = graph.parameters().iter().zip(graph.values());
    let all = parts.iter().flat_map(|&(prefix, factor)| {
        named.clone().map(move |(parameter, value)| {
            let mut scaled = value.clone();
            scaled.data_mut().iter_mut().for_each(|v| *v *= factor);
            (format!("{prefix}{}", parameter.name), scaled)
        })
    });
    all.collect()
}

fn bare(folder: &Path) -> PathBuf {
    let tensors = state_dict(&[("", 1.0)]);
    let path = folder.join("bare.pth");
    let tensors = tensors.iter().map(|(name, value)| (name.clone(), value));
    fs::write(&path, to_torch(tensors, &BTreeMap::new())).unwrap();
    path
}

fn two(folder: &Path, names: [&str; 2]) -> PathBuf {
    let tensors = state_dict(&[(names[0], 1.0), (names[1], 0.5)]);
    let path = folder.join("two.safetensors");
    let tensors = tensors.iter().map(|(name, value)| (name.clone(), value));
    fs::write(&path, to_safetensors(tensors, &BTreeMap::new())).unwrap();
    path
}

#[test]
fn a_bare_state_dict_is_evaluated() {
    let home = tempfile::tempdir().unwrap();
    let (set, weights) = (colours(home.path()), bare(home.path()));
    let (set, weights) = (text(&set), text(&weights));
    let names = home.path().join("names.txt");
    fs::write(&names, "blue\nred\n").unwrap();
    let names = ["--classes", text(&names)];
    let given = dvm(&[&["evaluate", weights, set, "--json"], &names[..]].concat()).exits(0);
    given.does_not_say("alphabetical");
    let guessed = dvm(&["evaluate", weights, set, "--json --model squeezenet1_1"]);
    guessed.says("alphabetical order: `blue`, `red`");
    assert_eq!(given.json()["accuracy"], guessed.json()["accuracy"]);
    let options = ["--model squeezenet1_1 --weights", weights];
    let last = dvm(&[&["evaluate", set, "--json"], &options[..], &names[..]].concat());
    assert_eq!(last.json(), given.json());
}

#[test]
fn the_order_of_class_names_matters() {
    let home = tempfile::tempdir().unwrap();
    let (set, weights) = (colours(home.path()), bare(home.path()));
    let accuracy = |order: &str| {
        let names = home.path().join("names.txt");
        fs::write(&names, order).unwrap();
        let evaluate = [
            "evaluate",
            text(&weights),
            text(&set),
            "--json --classes",
            text(&names),
        ];
        dvm(&evaluate).json()["accuracy"].as_f64().unwrap()
    };
    let sum = accuracy("blue\nred\n") + accuracy("red\nblue\n");
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[test]
fn evaluate_without_a_network_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    dvm(&["evaluate", text(&colours(home.path()))])
        .exits(2)
        .says("CHECKPOINT DATA");
}

#[test]
fn averaged_weights_are_used_with_a_warning_and_recorded() {
    let home = tempfile::tempdir().unwrap();
    let weights = two(home.path(), ["state_dict.", "state_dict_ema."]);
    let explained = |more: &[&str]| {
        let out = home.path().join("maps");
        let model = [COFFEE, "--method gradient --model", text(&weights)];
        let run = explain(&out, &[&model[..], more].concat()).exits(0);
        let record = record(&out.join("coffee"));
        (run.stderr, record["model"]["weights_part"].clone())
    };
    let (message, part) = explained(&[]);
    assert!(
        message.contains("`state_dict_ema` (choose one with --part)"),
        "{message}"
    );
    assert_eq!(part, "state_dict_ema");
    let (message, part) = explained(&["--part raw"]);
    assert!(!message.contains("--part"), "{message}");
    assert_eq!(part, "state_dict");
}

#[test]
fn one_of_two_networks_is_chosen_and_converted() {
    let home = tempfile::tempdir().unwrap();
    let weights = two(home.path(), ["model_a.", "model_b."]);
    let out = home.path().join("b.pth");
    let convert = ["models", "convert", text(&weights), text(&out)];
    let refused = dvm(&convert).exits(2);
    for word in ["`model_a` and `model_b`", "--part NAME"] {
        refused.says(word);
    }
    let run = dvm(&[&convert[..], &["--part model_b --json"]].concat()).exits(0);
    assert_eq!(run.json()["part"], "model_b");
    let shown = dvm(&["models", "show", text(&out), "--json"]);
    assert_eq!(shown.json()["weights"]["part"], "model_b");
}
