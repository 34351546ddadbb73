//! Names of a file against names of a network.

use dvm_engine::weights::{Mismatch, Weights};

use super::{read, safetensors, tiny, wanted};

fn matches_tiny(weights: Weights) {
    let mut expected = tiny();
    expected.remove("bn.num_batches_tracked");
    assert_eq!(weights.matched(&wanted()).unwrap(), expected);
}

#[test]
fn wrappers_and_prefixes_are_stripped() {
    matches_tiny(read("zip.pth"));
    matches_tiny(read("state_dict.pth"));
    matches_tiny(read("model_and_optimiser.pth"));
    let mut wanted = wanted();
    wanted.push(("bn.running_var".into(), vec![2]));
    assert_eq!(read("data_parallel.pth").matched(&wanted).unwrap().len(), 5);
}

fn mismatch(arrays: &[(&str, &[usize])]) -> Mismatch {
    Weights::from_safetensors(&safetensors(arrays), "w.safetensors")
        .unwrap()
        .matched(&wanted())
        .unwrap_err()
}

#[test]
fn counters_are_neither_missing_nor_unexpected() {
    let mut with_counter = wanted();
    with_counter.push(("bn.num_batches_tracked".into(), vec![]));
    let found = read("zip.pth").matched(&with_counter).unwrap();
    assert!(found.contains_key("bn.num_batches_tracked"));
    let without = read("tar.pth").matched(&with_counter).unwrap();
    assert_eq!(without.len(), 4);
}

#[test]
fn a_prefix_on_some_names_leaves_the_others() {
    let bytes = safetensors(&[
        ("backbone.conv.weight", &[2, 3, 2, 2]),
        ("backbone.bn.running_mean", &[2]),
        ("fc.weight", &[3, 2]),
        ("fc.bias", &[3]),
    ]);
    let weights = Weights::from_safetensors(&bytes, "w").unwrap();
    assert_eq!(weights.matched(&wanted()).unwrap().len(), 4);
}

#[test]
fn a_model_goes_before_its_moving_average() {
    let shape: &[usize] = &[1];
    let mut bytes = safetensors(&[("ema.a", shape), ("model.a", shape)]);
    let length = bytes.len();
    bytes[length - 4..].copy_from_slice(&1.0f32.to_le_bytes());
    let weights = Weights::from_safetensors(&bytes, "w").unwrap();
    let found = weights.matched(&[("a".into(), vec![1])]).unwrap();
    assert_eq!(found["a"].values, [1.0]);
}

#[test]
fn names_left_over_beside_a_prefix_are_unexpected() {
    let mismatch = mismatch(&[
        ("module.conv.weight", &[2, 3, 2, 2]),
        ("module.bn.running_mean", &[2]),
        ("module.fc.weight", &[3, 2]),
        ("module.fc.bias", &[3]),
        ("module.aux.weight", &[1]),
        ("fc.bias", &[3]),
    ]);
    assert_eq!(mismatch.unexpected, ["aux.weight", "fc.bias"]);
    assert!(mismatch.missing.is_empty() && mismatch.misshapen.is_empty());
}

#[test]
fn another_number_of_classes_is_called_by_its_name() {
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
         2 of another shape: fc.weight is [5, 2], wanted [3, 2], fc.bias is [5], wanted [3]\n\
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
         1 of another shape: fc.bias is [4], wanted [3]\n\
         2 missing: bn.running_mean, fc.weight\n\
         12 unexpected: extra.10, extra.11, extra.12, extra.13, extra.14, extra.15, extra.16, \
         extra.17, extra.18, extra.19, … and 2 more"
    );
}

#[test]
fn another_architecture_is_shown_by_names_of_both() {
    let mismatch = mismatch(&[("stem.0.weight", &[1]), ("stem.0.bias", &[1])]);
    assert_eq!(
        mismatch.to_string(),
        "w.safetensors: weights of another architecture: none of the 4 names the network wants \
         is among the 2 in the file. The network wants conv.weight, bn.running_mean, fc.weight, \
         …; the file has stem.0.bias, stem.0.weight. Build the network these weights were \
         trained for"
    );
}

#[test]
fn a_flattened_array_takes_the_shape_wanted_and_a_transposed_one_does_not() {
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
