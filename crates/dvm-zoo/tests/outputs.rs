//! The outputs of networks of ONNX files, compared with ONNX Runtime (`references/onnx_outputs.py`).

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

/// The network's outputs for each picture of the references.
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

/// Checks that the class probabilities are `expected` of ONNX Runtime's output.
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
fn logits_get_a_softmax_and_a_remark() {
    compare("logits", Output::Logits, softmax);
    assert!(read("logits").remarks.output.unwrap().contains("4 outputs"));
}

#[test]
fn a_final_softmax_is_not_applied_twice() {
    compare("softmax", Output::Logits, same);
    compare("log_softmax", Output::Logits, exp);
    assert_eq!(read("softmax").remarks.output, None);
}

#[test]
fn two_softmaxes_in_the_file_are_both_computed() {
    compare("softmax_of_softmax", Output::Logits, same);
}

#[test]
fn probabilities_without_a_final_softmax_are_not_changed() {
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
fn sigmoids_are_labels_with_separate_probabilities() {
    compare("sigmoids", Output::LabelLogits, same);
    compare("clipped_sigmoids", Output::LabelProbabilities, same);
}

#[test]
fn a_single_output_is_two_classes_no_and_yes() {
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
fn an_output_without_a_batch_axis_is_for_one_picture() {
    compare("squeezed", Output::Logits, softmax);
    compare("first_of_batch", Output::Logits, same);
    compare("reshaped_to_row", Output::Logits, same);
}

#[test]
fn the_output_of_a_file_for_huge_pictures_is_assumed_without_a_test() {
    let remarks = read("huge").remarks;
    assert!(remarks.output.unwrap().contains("4 outputs"));
}

#[test]
fn the_user_sets_the_output_and_a_removed_softmax_stays_removed() {
    let meant = |name: &str, asked| read(name).with_output(asked).map(|n| n.network.output());
    use Output::{LabelLogits, LabelProbabilities, Logits, Probabilities};
    for (name, asked, expected) in [
        ("logits", LabelLogits, LabelLogits),
        ("logits", Probabilities, Probabilities),
        ("softmax", Probabilities, Logits),
        ("sigmoids", LabelProbabilities, LabelLogits),
        // Exactly one class is right, although the file ends with sigmoids.
        ("sigmoids", Logits, Logits),
        // `labels` for outputs that are already probabilities.
        ("clipped_sigmoids", LabelLogits, LabelProbabilities),
    ] {
        assert_eq!(meant(name, asked).unwrap(), expected, "{name}");
    }
    let told = read("logits").with_output(Logits).unwrap();
    assert_eq!(told.remarks.output, None);
    let refused = |name, asked| meant(name, asked).unwrap_err().to_string();
    assert!(refused("softmax", LabelLogits).contains("ends with a softmax"));
    assert!(refused("sigmoids", Probabilities).contains("ends with a sigmoid"));
}

/// A network written to a file of this format and read again.
fn saved(network: &Pretrained, format: &str) -> Pretrained {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("network.{format}"));
    let kind = dvm_zoo::FileFormat::of(&path).unwrap();
    std::fs::write(&path, network.to_bytes(kind).unwrap()).unwrap();
    Pretrained::read(&path, None).unwrap()
}

#[test]
fn the_output_is_saved_with_the_network() {
    for (name, output) in [
        ("sigmoids", Output::LabelLogits),
        ("mean_of_softmaxes", Output::Probabilities),
        ("one_sigmoid", Output::LabelLogits),
    ] {
        for format in ["safetensors", "onnx"] {
            let again = saved(&read(name), format);
            assert_eq!(again.network.output(), output, "{name}.{format}");
            assert_eq!(again.classes, read(name).classes, "{name}.{format}");
            assert_eq!(again.remarks.output, None);
            assert_eq!(answers(&again), answers(&read(name)), "{name}.{format}");
        }
    }
}

#[test]
fn an_assumed_output_stays_assumed_when_it_is_saved() {
    for name in ["logits", "one_logit"] {
        for format in ["safetensors", "onnx"] {
            let again = saved(&read(name), format);
            assert!(again.remarks.output.is_some(), "{name}.{format}");
            let output = again.network.output();
            let settled = saved(&again.with_output(output).unwrap(), format);
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
