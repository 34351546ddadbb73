//! Names of a file against names of a network.

use std::collections::{BTreeMap, BTreeSet};

use dvm_engine::weights::{Array, Mismatch, Part, Weights};

use super::{read, safetensors, tiny, wanted};

/// The arrays that a network needs, of the part of the file that fits it best.
fn matched(
    weights: Weights,
    wanted: &[(String, Vec<usize>)],
) -> Result<BTreeMap<String, Array>, Mismatch> {
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| &name[..]).collect();
    let parts = weights.parts(wanted, None);
    let (weights, _) = weights.take(&parts.nearest, &parts, &names, false);
    weights.matched(wanted)
}

fn matches_tiny(weights: Weights) {
    let mut expected = tiny();
    expected.remove("bn.num_batches_tracked");
    assert_eq!(matched(weights, &wanted()).unwrap(), expected);
}

#[test]
fn wrappers_and_prefixes_are_stripped() {
    matches_tiny(read("zip.pth"));
    matches_tiny(read("state_dict.pth"));
    matches_tiny(read("model_and_optimiser.pth"));
    let mut wanted = wanted();
    wanted.push(("bn.running_var".into(), vec![2]));
    let found = matched(read("data_parallel.pth"), &wanted).unwrap();
    assert_eq!(found.len(), 5);
}

fn zeros(arrays: &[(&str, &[usize])]) -> Weights {
    Weights::from_safetensors(&safetensors(arrays), "w.safetensors").unwrap()
}

fn mismatch(arrays: &[(&str, &[usize])]) -> Mismatch {
    matched(zeros(arrays), &wanted()).unwrap_err()
}

/// The names of [`wanted`] with a prefix.
fn behind(prefix: &str) -> Vec<(String, Vec<usize>)> {
    let names = wanted().into_iter();
    names
        .map(|(name, shape)| (format!("{prefix}{name}"), shape))
        .collect()
}

fn holding(names: &[(String, Vec<usize>)]) -> Weights {
    let names: Vec<(&str, &[usize])> = names.iter().map(|(n, s)| (&n[..], &s[..])).collect();
    zeros(&names)
}

fn names(parts: &[Part]) -> Vec<String> {
    parts.iter().map(Part::name).collect()
}

#[test]
fn any_prefix_that_all_names_share_is_found() {
    for prefix in [
        "resnet.",
        "model.backbone.",
        "net.module.",
        "_orig_mod.",
        "a.b.c.d.e.",
    ] {
        let found = matched(holding(&behind(prefix)), &wanted());
        assert_eq!(found.unwrap().len(), 4, "{prefix}");
    }
}

#[test]
fn every_network_of_a_file_is_found() {
    let all = [behind(""), behind("ema.module."), behind("teacher.")].concat();
    let parts = holding(&all).parts(&wanted(), None);
    assert_eq!(names(&parts.complete), ["root", "teacher", "ema.module"]);
}

#[test]
fn an_average_without_all_names_is_incomplete() {
    let all = [behind(""), behind("ema.")[..3].to_vec()].concat();
    let parts = holding(&all).parts(&wanted(), None);
    assert_eq!(names(&parts.complete), ["root"]);
    let [(part, count)] = &parts.incomplete[..] else {
        panic!("{:?}", parts.incomplete);
    };
    assert_eq!((part.name(), *count), ("ema".to_owned(), 3));
}

#[test]
fn tensors_of_training_are_not_part_of_a_network() {
    let mut all = behind("resnet.");
    all.push(("criterion.weight".into(), vec![3]));
    all.push(("resnet.train_acc.total".into(), vec![]));
    all.push(("n_averaged".into(), vec![]));
    let weights = holding(&all);
    let parts = weights.parts(&wanted(), None);
    let wanted = wanted();
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| &name[..]).collect();
    let (weights, beside) = weights.take(&parts.nearest, &parts, &names, false);
    let expected = ["criterion.weight", "n_averaged", "resnet.train_acc.total"];
    assert_eq!(beside.of_training, expected);
    assert!(weights.matched(&wanted).is_ok());
}

#[test]
fn a_layer_outside_of_the_prefix_is_kept_unless_the_prefix_is_given() {
    let mut all = behind("resnet.");
    all.push(("head.weight".into(), vec![2, 3]));
    let weights = holding(&all);
    let wanted = wanted();
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| &name[..]).collect();
    let parts = weights.parts(&wanted, None);
    let (unasked, _) = weights.clone().take(&parts.nearest, &parts, &names, false);
    assert_eq!(
        unasked.matched(&wanted).unwrap_err().unexpected,
        ["head.weight"]
    );
    let (asked, _) = weights.take(&parts.nearest, &parts, &names, true);
    assert!(asked.matched(&wanted).is_ok());
}

#[test]
fn other_networks_beside_the_one_that_fits_are_named() {
    let mut all = behind("discriminator.");
    all.push(("generator.up.weight".into(), vec![2]));
    all.push(("generator.up.bias".into(), vec![2]));
    let weights = holding(&all);
    let wanted = wanted();
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| &name[..]).collect();
    let parts = weights.parts(&wanted, None);
    let (weights, beside) = weights.take(&parts.nearest, &parts, &names, false);
    assert_eq!(
        beside.networks,
        BTreeMap::from([("generator".to_owned(), 2)])
    );
    assert!(weights.matched(&wanted).is_ok());
}

#[test]
fn counters_are_neither_missing_nor_unexpected() {
    let mut with_counter = wanted();
    with_counter.push(("bn.num_batches_tracked".into(), vec![]));
    let found = matched(read("zip.pth"), &with_counter).unwrap();
    assert!(found.contains_key("bn.num_batches_tracked"));
    let without = matched(read("tar.pth"), &with_counter).unwrap();
    assert_eq!(without.len(), 4);
}

#[test]
fn a_prefix_on_some_names_leaves_the_others() {
    let weights = zeros(&[
        ("backbone.conv.weight", &[2, 3, 2, 2]),
        ("backbone.bn.running_mean", &[2]),
        ("backbone.fc.bias", &[3]),
        ("fc.weight", &[3, 2]),
    ]);
    assert_eq!(matched(weights, &wanted()).unwrap().len(), 4);
}

#[test]
fn unmatched_names_beside_a_prefix_are_unexpected() {
    let mismatch = mismatch(&[
        ("module.conv.weight", &[2, 3, 2, 2]),
        ("module.bn.running_mean", &[2]),
        ("module.fc.weight", &[3, 2]),
        ("module.fc.bias", &[3]),
        ("module.aux.weight", &[1]),
        ("fc.bias", &[3]),
    ]);
    let expected = ["aux.weight", "fc.bias without the prefix"];
    assert_eq!(mismatch.unexpected, expected);
    assert!(mismatch.missing.is_empty() && mismatch.misshapen.is_empty());
}

#[test]
fn another_number_of_classes_is_named() {
    let mismatch = mismatch(&[
        ("conv.weight", &[2, 3, 2, 2]),
        ("bn.running_mean", &[2]),
        ("fc.weight", &[5, 2]),
        ("fc.bias", &[5]),
    ]);
    assert_eq!(mismatch.classes(), Some(5));
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: 2 of the network's 4 weights fit\n\
         2 with another shape: fc.weight has shape [5, 2], expected [3, 2], fc.bias has shape [5], expected [3]\n\
         only the last layer differs: the file was trained for 5 classes; build the network for \
         5 classes"
    );
}

#[test]
fn the_shortest_list_comes_first_and_long_ones_are_cut() {
    let names: Vec<String> = (10..22).map(|i| format!("extra.{i}")).collect();
    let mut arrays: Vec<(&str, &[usize])> = vec![("conv.weight", &[2, 3, 2, 2]), ("fc.bias", &[4])];
    arrays.extend(names.iter().map(|name| (&name[..], &[1][..])));
    let mismatch = mismatch(&arrays);
    assert_eq!(mismatch.classes(), None);
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: 1 of the network's 4 weights fit\n\
         1 with another shape: fc.bias has shape [4], expected [3]\n\
         2 missing: bn.running_mean, fc.weight\n\
         12 unexpected: extra.10, extra.11, extra.12, extra.13, extra.14, extra.15, extra.16, \
         extra.17, extra.18, extra.19, … and 2 more"
    );
}

#[test]
fn an_error_about_another_architecture_shows_names_of_both() {
    let mismatch = mismatch(&[("stem.0.weight", &[1]), ("stem.0.bias", &[1])]);
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: weights of another architecture: the file has 2 tensors, but no name matches the \
         network's 4. The network has conv.weight, bn.running_mean, fc.weight, …; the file has stem.0.bias, \
         stem.0.weight. Name the model that these weights were trained for, or export that network as ONNX: \
         torch.onnx.export(model.eval(), torch.randn(1, 3, 224, 224), \"model.onnx\")"
    );
}

#[test]
fn a_flattened_array_gets_the_wanted_shape_and_a_transposed_one_does_not() {
    let bytes = safetensors(&[
        ("conv.weight", &[2, 12]),
        ("bn.running_mean", &[2, 1, 1]),
        ("fc.weight", &[2, 3]),
        ("fc.bias", &[3]),
    ]);
    let weights = Weights::from_safetensors(&bytes, "w").unwrap();
    let mismatch = weights.shaped_like(&wanted()).matched(&wanted());
    let misshapen = mismatch.unwrap_err().misshapen;
    assert_eq!(misshapen, [("fc.weight".into(), vec![3, 2], vec![2, 3])]);
}
