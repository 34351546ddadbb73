//! What networks of ONNX files answer beside ONNX Runtime (`references/onnx_outputs.py`): their outputs are
//! understood, whatever the file ends with.

use std::path::{Path, PathBuf};

use dvm_engine::weights::Weights;
use dvm_engine::{Output, Tensor};
use dvm_zoo::Pretrained;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/references/outputs")
        .join(name)
}

fn read(name: &str) -> Pretrained {
    let path = file(&format!("{name}.onnx"));
    Pretrained::read(&path, None).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn expected() -> Weights {
    Weights::read(&file("expected.safetensors")).unwrap()
}

/// The network's numbers for each picture of the references.
fn answers(network: &Pretrained) -> Vec<Vec<f32>> {
    let weights = expected();
    let pictures = weights.get("pictures").unwrap();
    let pictures = Tensor::from_nchw(&pictures.shape, &pictures.values);
    let outputs = network.network.fused().logits(&pictures).unwrap();
    let count = outputs.len() / 2;
    outputs
        .data()
        .chunks_exact(count)
        .map(<[f32]>::to_vec)
        .collect()
}

/// The probabilities of the network's classes are what `expected` makes of the file's output by ONNX Runtime.
#[track_caller]
fn compare(name: &str, output: Output, expected_from: fn(&[f32]) -> Vec<f32>) {
    let network = read(name);
    assert_eq!(network.network.output(), output, "{name}");
    let weights = expected();
    let wanted = weights.get(name).unwrap();
    let wanted = wanted.values.chunks_exact(wanted.values.len() / 2);
    for (answer, wanted) in answers(&network).iter().zip(wanted) {
        let found = output.probabilities(answer);
        let wanted = expected_from(wanted);
        assert_eq!(found.len(), wanted.len(), "{name}");
        assert_eq!(found.len(), network.classes.len(), "{name}");
        for (f, w) in found.iter().zip(&wanted) {
            assert!((f - w).abs() < 1e-5, "{name}: {found:?} for {wanted:?}");
        }
        output.check(answer).unwrap();
    }
}

fn same(output: &[f32]) -> Vec<f32> {
    output.to_vec()
}

fn softmax(output: &[f32]) -> Vec<f32> {
    let sum: f32 = output.iter().map(|v| v.exp()).sum();
    output.iter().map(|v| v.exp() / sum).collect()
}

fn exp(output: &[f32]) -> Vec<f32> {
    output.iter().map(|v| v.exp()).collect()
}

fn no_and_yes(output: &[f32]) -> Vec<f32> {
    vec![1.0 - output[0], output[0]]
}

fn no_and_yes_of_logit(output: &[f32]) -> Vec<f32> {
    no_and_yes(&[1.0 / (1.0 + (-output[0]).exp())])
}

#[test]
fn logits_get_a_softmax_and_that_is_told() {
    compare("logits", Output::Logits, softmax);
    assert!(read("logits").remarks.output.unwrap().contains("4 numbers"));
}

#[test]
fn a_last_softmax_is_computed_once() {
    compare("softmax", Output::Logits, same);
    compare("log_softmax", Output::Logits, exp);
    assert_eq!(read("softmax").remarks.output, None);
}

#[test]
fn a_softmax_of_a_softmax_is_what_the_file_computes() {
    compare("softmax_of_softmax", Output::Logits, same);
}

#[test]
fn probabilities_without_a_last_softmax_are_left_as_they_are() {
    for name in [
        "clipped_softmax",
        "softmax_by_hand",
        "mean_of_softmaxes",
        "no_beside_yes",
    ] {
        compare(name, Output::Probabilities, same);
        let remarks = read(name).remarks;
        assert_eq!(remarks.output, None, "{name}");
        assert!(remarks.notes.join("\n").contains("probabilities"), "{name}");
    }
    compare("log_of_clipped", Output::LogProbabilities, exp);
}

#[test]
fn sigmoids_are_labels_with_probabilities_of_their_own() {
    compare("sigmoids", Output::LabelLogits, same);
    compare("clipped_sigmoids", Output::LabelProbabilities, same);
}

#[test]
fn a_single_number_is_a_no_and_a_yes() {
    compare("one_logit", Output::LabelLogits, no_and_yes_of_logit);
    compare("one_sigmoid", Output::LabelLogits, no_and_yes);
    compare(
        "one_clipped_sigmoid",
        Output::LabelProbabilities,
        no_and_yes,
    );
    compare("one_squeezed", Output::LabelLogits, no_and_yes);
    assert!(read("one_logit").remarks.output.is_some());
    assert_eq!(read("one_sigmoid").remarks.output, None);
    assert_eq!(read("one_sigmoid").classes, ["no", "yes"]);
}

#[test]
fn an_output_without_the_axis_of_pictures_is_that_of_one_picture() {
    compare("squeezed", Output::Logits, softmax);
    compare("first_of_batch", Output::Logits, same);
    compare("reshaped_to_row", Output::Logits, same);
}

#[test]
fn a_file_for_huge_pictures_takes_no_memory_to_be_understood() {
    let remarks = read("huge").remarks;
    assert!(remarks.output.unwrap().contains("4 numbers"));
}

#[test]
fn a_user_says_what_the_output_means_and_a_softmax_that_was_left_out_stays_so() {
    let meant = |name: &str, asked| read(name).with_output(asked).map(|n| n.network.output());
    assert_eq!(
        meant("logits", Output::LabelLogits).unwrap(),
        Output::LabelLogits
    );
    assert_eq!(
        meant("logits", Output::Probabilities).unwrap(),
        Output::Probabilities
    );
    assert_eq!(
        meant("softmax", Output::Probabilities).unwrap(),
        Output::Logits
    );
    assert_eq!(
        meant("sigmoids", Output::LabelProbabilities).unwrap(),
        Output::LabelLogits
    );
    // Exactly one is right, whatever the sigmoids say.
    assert_eq!(meant("sigmoids", Output::Logits).unwrap(), Output::Logits);
    // `labels` on numbers that are probabilities already.
    let labels = meant("clipped_sigmoids", Output::LabelLogits).unwrap();
    assert_eq!(labels, Output::LabelProbabilities);
    assert_eq!(
        read("logits")
            .with_output(Output::Logits)
            .unwrap()
            .remarks
            .output,
        None
    );
    let refused = |name, asked| meant(name, asked).unwrap_err().to_string();
    assert!(refused("softmax", Output::LabelLogits).contains("ends with a softmax"));
    assert!(refused("sigmoids", Output::Probabilities).contains("ends with a sigmoid"));
}

#[test]
fn what_an_output_means_is_saved_with_the_network() {
    let folder = tempfile::tempdir().unwrap();
    for (name, output) in [
        ("sigmoids", Output::LabelLogits),
        ("mean_of_softmaxes", Output::Probabilities),
        ("one_sigmoid", Output::LabelLogits),
    ] {
        for format in ["safetensors", "onnx"] {
            let path = folder.path().join(format!("{name}.{format}"));
            let kind = dvm_zoo::FileFormat::of(&path).unwrap();
            std::fs::write(&path, read(name).to_bytes(kind).unwrap()).unwrap();
            let again = Pretrained::read(&path, None).unwrap();
            assert_eq!(again.network.output(), output, "{name}.{format}");
            assert_eq!(again.classes, read(name).classes, "{name}.{format}");
            assert_eq!(again.remarks.output, None);
            assert_eq!(answers(&again), answers(&read(name)), "{name}.{format}");
        }
    }
}

#[test]
fn what_is_assumed_stays_so_when_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["logits", "one_logit"] {
        for format in ["safetensors", "onnx"] {
            let path = folder.path().join(format!("{name}.{format}"));
            let kind = dvm_zoo::FileFormat::of(&path).unwrap();
            let save =
                |network: &Pretrained| std::fs::write(&path, network.to_bytes(kind).unwrap());
            save(&read(name)).unwrap();
            let again = Pretrained::read(&path, None).unwrap();
            assert!(again.remarks.output.is_some(), "{name}.{format}");
            let output = again.network.output();
            save(&again.with_output(output).unwrap()).unwrap();
            let settled = Pretrained::read(&path, None).unwrap();
            assert_eq!(settled.remarks.output, None, "{name}.{format}");
        }
    }
}

#[test]
fn training_needs_logits() {
    let classes: Vec<String> = ["a", "b"].map(String::from).to_vec();
    let trained = |name| read(name).for_classes(classes.clone(), |p| Tensor::zeros(&p.shape));
    for name in ["logits", "softmax", "sigmoids", "one_logit"] {
        let network = trained(name).unwrap();
        assert_eq!(network.network.output(), Output::Logits, "{name}");
        assert_eq!(answers(&network)[0].len(), 2, "{name}");
    }
    for name in ["clipped_softmax", "clipped_sigmoids"] {
        let error = trained(name).err().unwrap().to_string();
        assert!(error.contains("training needs logits"), "{name}: {error}");
    }
}
