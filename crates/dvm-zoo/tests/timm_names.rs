//! timm's names of networks and parameters. `references/timm_names.py` checked that they have the same logits.

use std::collections::HashMap;

use dvm_engine::weights::to_safetensors;
use dvm_engine::{Tensor, seeded};
use dvm_zoo::{Pretrained, find};
use serde_json::Value;

/// A name in timm, the architecture here, and the names of its layers here and in timm; empty if all names are
/// the same.
struct Known {
    timm: String,
    architecture: String,
    layers: HashMap<String, String>,
}

fn known() -> Vec<Known> {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("references/timm_names.json")).expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    all.iter()
        .map(|entry| Known {
            timm: text(&entry["timm"]),
            architecture: text(&entry["architecture"]),
            layers: entry["layers"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|pair| (text(&pair[1]), text(&pair[0])))
                .collect(),
        })
        .collect()
}

/// timm's name of this parameter.
fn there(known: &Known, here: &str) -> String {
    let (layer, value) = here.rsplit_once('.').expect("a layer and a value");
    match known.layers.get(layer) {
        Some(layer) => format!("{layer}.{value}"),
        None => here.to_owned(),
    }
}

#[test]
fn timms_names_are_found_with_and_without_a_tag() {
    for known in known() {
        for name in [known.timm.clone(), format!("{}.some_in1k", known.timm)] {
            let found = find(&name).map(|a| a.name);
            assert_eq!(found, Some(&known.architecture[..]), "{name}");
        }
    }
}

#[test]
fn names_of_other_networks_are_not_accepted() {
    let known = known();
    let of_torchvision = dvm_zoo::all().filter(|a| known.iter().any(|k| k.architecture == a.name));
    for architecture in of_torchvision {
        for name in architecture.timm {
            assert!(known.iter().any(|k| k.timm == *name), "{name}");
        }
    }
    // Another stem, other padding, another input, another stride.
    for other in [
        "resnet50d",
        "tf_mobilenetv3_large_100",
        "inception_v3.gluon_in1k",
        "gluon_inception_v3",
        "mobilenetv2_140",
    ] {
        assert!(find(other).is_none(), "{other}");
    }
    // timm's MobileNetV3 has another epsilon than torchvision's, so it is another architecture.
    let large = find("mobilenetv3_large_100.ra_in1k").unwrap();
    assert_eq!(large.name, "mobilenetv3_large_100");
}

#[test]
fn every_parameter_name_of_timm_is_converted() {
    for known in known() {
        let architecture = find(&known.architecture).unwrap();
        let blueprint = (architecture.build)(10);
        let here = architecture.other_names.unwrap_or(|_| None);
        for parameter in blueprint.parameters() {
            let there = there(&known, &parameter.name);
            let found = here(&there).unwrap_or_else(|| there.clone());
            assert_eq!(found, parameter.name, "{}: {there}", known.timm);
        }
    }
}

#[test]
fn a_file_of_timm_is_recognised_with_any_prefix() {
    let known = known().into_iter().find(|k| k.timm == "mobilenetv2_100");
    let known = known.unwrap();
    let expected = seeded::graph((find("mobilenet_v2").unwrap().build)(5));
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["", "module.", "state_dict.module."] {
        let names = expected.parameters().iter();
        let names = names.map(|p| format!("{prefix}{}", there(&known, &p.name)));
        let bytes = to_safetensors(names.zip(expected.values()), &Default::default());
        let path = folder.path().join("timm.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let read = Pretrained::read(&path, None).unwrap();
        assert_eq!(read.origin.name(), "mobilenet_v2");
        assert_eq!(read.network.graph().values(), expected.values());
    }
}

#[test]
fn linear_layers_that_timm_writes_as_convolutions_are_reshaped() {
    let here = find("vgg16").unwrap().other_names.unwrap();
    let wanted = [("classifier.0.weight".to_owned(), vec![4, 18])];
    let value = Tensor::from_nchw(&[4, 2, 3, 3], &seeded::uniform("fc1", 72, -1.0, 1.0));
    let named = [("pre_logits.fc1.weight".to_owned(), &value)].into_iter();
    let bytes = to_safetensors(named, &Default::default());
    let weights = dvm_engine::weights::Weights::from_safetensors(&bytes, "timm").unwrap();
    let weights = weights.renamed(here).shaped_like(&wanted);
    let mut arrays = weights.matched(&wanted).unwrap();
    let array = arrays.remove("classifier.0.weight").unwrap();
    assert_eq!(array.shape, [4, 18]);
    assert_eq!(array.values, seeded::uniform("fc1", 72, -1.0, 1.0));
}

#[test]
fn densenets_with_dots_in_their_names_load() {
    let here = find("densenet121").unwrap().other_names.unwrap();
    let layer = "features.denseblock2.denselayer11";
    for (there, expected) in [
        ("norm.1.running_var", Some("norm1.running_var")),
        ("conv.2.weight", Some("conv2.weight")),
        ("norm1.weight", None),
        ("conv.3.weight", None),
    ] {
        let expected = expected.map(|name| format!("{layer}.{name}"));
        assert_eq!(here(&format!("{layer}.{there}")), expected, "{there}");
    }
    for name in ["features.conv0.weight", "features.transition1.norm.weight"] {
        assert_eq!(here(name), None, "{name}");
    }
}
