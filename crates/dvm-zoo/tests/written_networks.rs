//! Networks written in each format are read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::weights::{Weights, to_safetensors};
use dvm_engine::{Blueprint, Graph, Parameter, Tensor, seeded};
use dvm_image::Preprocess;
use dvm_onnx::{Export, to_onnx};
use dvm_testing::graphs::seeded_tensor;
use dvm_zoo::{FileFormat, GRAPH_KEY, Origin, Pretrained, find};
use tempfile::TempDir;

const FORMATS: [(FileFormat, &str); 3] = [
    (FileFormat::Safetensors, "net.safetensors"),
    (FileFormat::Torch, "net.pth"),
    (FileFormat::Onnx, "net.onnx"),
];

fn written(network: &Pretrained, format: FileFormat, name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, network.to_bytes(format).unwrap()).unwrap();
    (folder, path)
}

fn read(path: &Path) -> Pretrained {
    Pretrained::read(path, None).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(path: &Path) -> String {
    match Pretrained::read(path, None) {
        Ok(_) => panic!("{} was read", path.display()),
        Err(error) => error.to_string(),
    }
}

/// Values by name, because the order in files differs.
fn values(graph: &Graph) -> BTreeMap<&str, Vec<f32>> {
    let names = graph.parameters().iter().map(|p| &p.name[..]);
    names
        .zip(graph.values().iter().map(Tensor::to_nchw))
        .collect()
}

/// A known architecture with unusual metadata.
fn of_the_zoo(name: &str) -> Pretrained {
    let classes = (0..3).map(|index| format!("kind {index}")).collect();
    let seeded =
        |p: &Parameter, _: bool| Tensor::from_nchw(&p.shape, &seeded::parameter(&p.name, &p.shape));
    let mut network = find(name).unwrap().untrained(classes, seeded);
    network.preprocess = Preprocess {
        crop: (96, 64),
        mean: [0.25; 3],
        ..Preprocess::imagenet()
    };
    network.source = Some("a garden".into());
    network.licence = Some("MIT".into());
    network
}

#[test]
fn an_architecture_is_the_same_in_every_format() {
    for name in ["squeezenet1_1", "resnet18", "efficientnet_lite0"] {
        let network = of_the_zoo(name);
        for (format, file) in FORMATS {
            let (_folder, path) = written(&network, format, file);
            let again = read(&path);
            assert_eq!(
                again.origin.architecture().map(|a| a.name),
                Some(name),
                "{file}"
            );
            assert_eq!(again.classes, network.classes);
            assert_eq!(again.preprocess, network.preprocess);
            assert_eq!(again.source, network.source);
            assert_eq!(again.licence, network.licence);
            let graphs = [again.network.graph(), network.network.graph()];
            assert_eq!(values(graphs[0]), values(graphs[1]), "{name} from {file}");
        }
    }
}

#[test]
fn auxiliary_heads_are_in_all_formats_except_onnx() {
    let network = of_the_zoo("googlenet");
    assert_eq!(network.network.whole().auxiliaries().len(), 2);
    for (format, file) in FORMATS {
        let (_folder, path) = written(&network, format, file);
        let again = read(&path);
        assert_eq!(again.origin.name(), "googlenet");
        let has_heads = !again.network.whole().auxiliaries().is_empty();
        assert_eq!(has_heads, format != FileFormat::Onnx, "{file}");
        let graphs = [again.network.graph(), network.network.graph()];
        assert_eq!(values(graphs[0]), values(graphs[1]), "{file}");
    }
}

/// A small network that is not a known architecture.
fn loose() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("stem.conv", x, Conv2d::square(3).stride(2), 3, 8, false);
    let x = net.batch_norm("stem.norm", x, 8, 1e-5);
    let x = net.activation("stem.act", x, Activation::Gelu);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flat", x);
    let x = net.linear("head", x, 8, 3, true);
    seeded::graph(net.ending_at(x))
}

/// Its ONNX file with this metadata.
fn loose_file(folder: &Path, metadata: &[(&str, &str)]) -> PathBuf {
    let metadata = metadata
        .iter()
        .map(|&(key, value)| (key.into(), value.into()));
    let export = Export {
        name: "loose",
        size: (16, 12),
        metadata: &metadata.collect(),
    };
    let path = folder.join("classifier.onnx");
    std::fs::write(&path, to_onnx(&loose(), &export).unwrap()).unwrap();
    path
}

/// Whether it has the graph of [`loose_file`].
fn is_classifier(network: &Pretrained) -> bool {
    matches!(&network.origin, Origin::Onnx { name } if name == "classifier")
}

fn logits(network: &Pretrained) -> Tensor {
    let picture = seeded_tensor("picture", &[1, 3, 16, 12]);
    network.network.fused().logits(&picture).unwrap()
}

#[test]
fn a_file_whose_names_do_not_match_its_metadata_is_read_as_a_graph() {
    let folder = tempfile::tempdir().unwrap();
    let said = [("dvm.architecture", "resnet18")];
    let network = read(&loose_file(folder.path(), &said));
    assert!(is_classifier(&network));
}

#[test]
fn a_network_from_onnx_is_saved_with_its_graph() {
    let folder = tempfile::tempdir().unwrap();
    let first = read(&loose_file(
        folder.path(),
        &[("dvm.classes", r#"["a", "b", "c"]"#)],
    ));
    let mut from = first;
    for (format, file) in [FORMATS[0], FORMATS[2], FORMATS[0]] {
        let (_folder, path) = written(&from, format, file);
        let again = read(&path);
        assert!(is_classifier(&again), "{file}");
        assert_eq!(again.classes, ["a", "b", "c"]);
        assert_eq!(again.preprocess, from.preprocess);
        assert_eq!(values(again.network.graph()), values(from.network.graph()));
        assert_eq!(logits(&again), logits(&from), "{file}");
        from = again;
    }
}

#[test]
fn it_is_saved_with_the_new_graph_after_its_classes_change() {
    let folder = tempfile::tempdir().unwrap();
    let first = read(&loose_file(folder.path(), &[]));
    let (_folder, path) = written(&first, FileFormat::Safetensors, "best.safetensors");
    let classes: Vec<String> = ["daisy", "rose"].map(String::from).into();
    let ones = |parameter: &Parameter| Tensor::full(&parameter.shape, 1.0);
    let tuned = read(&path).for_classes(classes.clone(), ones).unwrap();
    let (_folder, path) = written(&tuned, FileFormat::Safetensors, "best.safetensors");
    let again = read(&path);
    assert_eq!(again.classes, classes);
    assert_eq!(logits(&again), logits(&tuned));
    assert_eq!(logits(&again).shape(), [1, 2]);
}

#[test]
fn its_state_dict_has_the_names_of_the_file_and_no_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let network = read(&loose_file(folder.path(), &[]));
    let (_folder, path) = written(&network, FileFormat::Torch, "net.pth");
    let weights = Weights::read(&path).unwrap();
    let mut names: Vec<String> = loose()
        .parameters()
        .iter()
        .map(|p| p.name.clone())
        .collect();
    names.sort();
    assert_eq!(weights.names().collect::<Vec<_>>(), names);
    assert!(!weights.metadata().contains_key("dvm.architecture"));
}

/// A changed checkpoint of the small network.
fn damaged(
    change: impl Fn(&mut BTreeMap<String, Tensor>, &mut BTreeMap<String, String>),
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let network = read(&loose_file(folder.path(), &[]));
    let graph = network.network.graph();
    let names = graph.parameters().iter().map(|p| p.name.clone());
    let mut tensors = names.zip(graph.values().iter().cloned()).collect();
    let mut metadata = network.metadata().unwrap();
    change(&mut tensors, &mut metadata);
    let path = folder.path().join("net.safetensors");
    let named = tensors.iter().map(|(name, tensor)| (name.clone(), tensor));
    std::fs::write(&path, to_safetensors(named, &metadata)).unwrap();
    refusal(&path)
}

#[test]
fn a_checkpoint_with_a_damaged_graph_is_an_error() {
    let words = damaged(|_, metadata| {
        metadata.insert(GRAPH_KEY.into(), "?".into());
    });
    assert!(
        words.contains(GRAPH_KEY) && words.contains("Base64"),
        "{words}"
    );
    let words = damaged(|_, metadata| {
        metadata.insert(GRAPH_KEY.into(), "AAAA".into());
    });
    assert!(words.contains("structure"), "{words}");
}

#[test]
fn the_error_names_a_weight_that_does_not_match_the_graph() {
    let words = damaged(|tensors, _| {
        tensors.remove("head.bias");
    });
    assert!(words.contains("`head.bias` of shape [3]"), "{words}");
    let words = damaged(|tensors, _| {
        tensors.insert("head.bias".into(), Tensor::zeros(&[4]));
    });
    assert!(words.contains("`head.bias` of shape [3]"), "{words}");
    let words = damaged(|tensors, _| {
        tensors.insert("stranger".into(), Tensor::zeros(&[1]));
    });
    assert!(words.contains("`stranger`"), "{words}");
}
