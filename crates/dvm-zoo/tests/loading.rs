//! Reading weight files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dvm_engine::weights::to_safetensors;
use dvm_engine::{Parameter, Tensor, seeded};
use dvm_testing::closeness::{relative_error, wide};
use dvm_testing::graphs::seeded_tensor;
use dvm_zoo::{ARCHITECTURE_KEY, CLASSES_KEY, FileFormat, PREPROCESS_KEY, Pretrained, find};
use tempfile::TempDir;

/// Checks that an error contains these words.
#[track_caller]
fn says(error: &str, words: &str) {
    assert!(error.contains(words), "{error}");
}

/// A weight file with these tensors and metadata.
fn written(
    folder: &TempDir,
    file: &str,
    tensors: &[(String, Tensor)],
    metadata: &[(&str, &str)],
) -> PathBuf {
    let tensors = tensors.iter().map(|(name, value)| (name.clone(), value));
    let text = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    let bytes = to_safetensors(tensors, &metadata.iter().map(text).collect());
    let path = folder.path().join(file);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The parameters of an architecture, with names and values by these functions.
fn parameters(
    architecture: &str,
    classes: usize,
    rename: impl Fn(&str) -> String,
    value: impl Fn(&Parameter) -> Tensor,
) -> Vec<(String, Tensor)> {
    let blueprint = (find(architecture).unwrap().build)(classes);
    let parameters = blueprint.parameters().iter();
    parameters.map(|p| (rename(&p.name), value(p))).collect()
}

/// SqueezeNet with seeded weights for `classes` classes, with `prefix` before each name.
fn squeezenet(
    folder: &TempDir,
    prefix: &str,
    classes: usize,
    metadata: &[(&str, &str)],
) -> PathBuf {
    let seeded = |p: &Parameter| Tensor::from_nchw(&p.shape, &seeded::parameter(&p.name, &p.shape));
    let prefixed = |name: &str| format!("{prefix}{name}");
    let tensors = parameters("squeezenet1_1", classes, prefixed, seeded);
    written(folder, "network.safetensors", &tensors, metadata)
}

fn failure(path: &Path, architecture: Option<&str>) -> String {
    let architecture = architecture.map(|name| find(name).unwrap());
    match Pretrained::read(path, architecture) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_without_metadata_is_recognised_by_its_names_with_any_prefix() {
    let folder = TempDir::new().unwrap();
    for prefix in ["", "module.", "module.backbone."] {
        let network = Pretrained::read(&squeezenet(&folder, prefix, 5, &[]), None).unwrap();
        assert_eq!(network.origin.name(), "squeezenet1_1");
        assert_eq!(network.classes.len(), 5);
        assert_eq!(network.classes[4], "class 4");
        let expected = network
            .origin
            .architecture()
            .unwrap()
            .usual()
            .preprocess
            .clone();
        assert_eq!(network.preprocess, expected);
    }
}

#[test]
fn metadata_has_architecture_classes_and_preprocessing() {
    let folder = TempDir::new().unwrap();
    let preprocess = r#"{"resize": "none", "interpolation": "bilinear", "crop": [64, 96],
                         "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}"#;
    let metadata = [
        (ARCHITECTURE_KEY, "squeezenet1_1"),
        (CLASSES_KEY, r#"["daisy", "roses"]"#),
        (PREPROCESS_KEY, preprocess),
    ];
    let network = Pretrained::read(&squeezenet(&folder, "", 2, &metadata), None).unwrap();
    assert_eq!(network.classes, ["daisy", "roses"]);
    assert_eq!(network.preprocess.crop, (64, 96));
}

#[test]
fn a_wrong_number_of_class_names_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = squeezenet(&folder, "", 3, &[(CLASSES_KEY, r#"["daisy", "roses"]"#)]);
    let error = failure(&file, None);
    says(&error, "has 2 class names, but the network has 3 classes");
}

#[test]
fn another_architecture_than_in_the_metadata_or_requested_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = squeezenet(&folder, "", 2, &[(ARCHITECTURE_KEY, "vgg99")]);
    says(&failure(&file, None), "architecture `vgg99`, not one of");
    let file = squeezenet(&folder, "", 2, &[(ARCHITECTURE_KEY, "squeezenet1_1")]);
    says(&failure(&file, Some("resnet18")), "not `resnet18`");
    let file = squeezenet(&folder, "", 2, &[]);
    says(&failure(&file, Some("resnet18")), "do not match resnet18");
}

#[test]
fn the_error_for_an_unknown_architecture_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let tensors = [("head.weight".to_owned(), Tensor::zeros(&[1]))];
    let path = written(&folder, "other.safetensors", &tensors, &[]);
    let error = failure(&path, None);
    says(&error, "torch.onnx.export(");
}

#[test]
fn architectures_are_recognised_by_names_and_shapes_of_parameters() {
    let parameters = |architecture: &dvm_zoo::Architecture| -> BTreeSet<(String, Vec<usize>)> {
        let blueprint = (architecture.build)(1);
        let parameters = blueprint.parameters().iter();
        parameters
            .map(|p| (p.name.clone(), p.shape.clone()))
            .collect()
    };
    let all: Vec<_> = dvm_zoo::all().map(|a| (a.name, parameters(a))).collect();
    for (index, (name, one)) in all.iter().enumerate() {
        for (other_name, other) in &all[index + 1..] {
            // A DeiT has the same parameters as a ViT.
            let same = other_name.strip_prefix("deit_").map(|rest| {
                let vit = format!("vit_{rest}");
                *name == vit
            });
            assert_eq!(one == other, same == Some(true), "{name} and {other_name}");
        }
    }
}

/// A file of an architecture for two classes; `rename` changes the names of its parameters.
fn saved(
    folder: &TempDir,
    file: &str,
    architecture: &str,
    rename: impl Fn(&str) -> String,
) -> PathBuf {
    let tensors = parameters(architecture, 2, rename, |p| Tensor::zeros(&p.shape));
    written(folder, file, &tensors, &[])
}

/// A file of SqueezeNets for two classes, one per prefix, with this number as all values.
fn networks(folder: &TempDir, file: &str, parts: &[(&str, f32)], extra: &[&str]) -> PathBuf {
    noted(folder, file, parts, extra, &[])
}

fn noted(
    folder: &TempDir,
    file: &str,
    parts: &[(&str, f32)],
    extra: &[&str],
    metadata: &[(&str, &str)],
) -> PathBuf {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    for (prefix, value) in parts {
        let prefixed = |name: &str| format!("{prefix}{name}");
        let full = |p: &Parameter| Tensor::full(&p.shape, *value);
        tensors.extend(parameters("squeezenet1_1", 2, prefixed, full));
    }
    tensors.extend(
        extra
            .iter()
            .map(|name| (name.to_string(), Tensor::zeros(&[2]))),
    );
    written(folder, file, &tensors, metadata)
}

fn value(network: &Pretrained) -> f32 {
    network.network.graph().values()[0].data()[0]
}

#[test]
fn averaged_weights_and_teachers_are_the_default() {
    let folder = TempDir::new().unwrap();
    for (raw, meant) in [
        ("state_dict.", "state_dict_ema."),
        ("model.", "model_ema."),
        ("model.module.", "ema.module."),
        ("", "ema_model.module."),
        ("state_dict.", "ema_state_dict."),
        ("module.", "module_ema."),
        ("student.", "teacher."),
        ("student.", "ema_student."),
        ("encoder_k.", "encoder_q."),
    ] {
        let path = networks(&folder, "two.safetensors", &[(raw, 1.0), (meant, 2.0)], &[]);
        let network = Pretrained::read(&path, None).unwrap();
        assert_eq!(value(&network), 2.0, "{raw} and {meant}");
        let part = meant.trim_end_matches('.');
        assert_eq!(network.part.as_deref(), Some(part));
        let why = network.remarks.part.unwrap();
        says(&why, &format!("`{part}`"));
    }
}

#[test]
fn the_requested_part_is_used_without_a_warning() {
    let folder = TempDir::new().unwrap();
    let parts = [("state_dict.", 1.0), ("state_dict_ema.", 2.0)];
    let path = networks(&folder, "two.safetensors", &parts, &[]);
    let read = |part: &str| Pretrained::read_part(&path, None, None, Some(part));
    for (part, expected) in [
        ("state_dict", 1.0),
        ("raw", 1.0),
        ("ema", 2.0),
        ("state_dict_ema", 2.0),
    ] {
        let network = read(part).unwrap();
        assert_eq!(value(&network), expected, "{part}");
        assert_eq!(network.remarks.part, None);
    }
    let error = read("teacher").err().unwrap().to_string();
    says(&error, "`state_dict` and `state_dict_ema`");
}

#[test]
fn the_error_names_two_networks_without_a_default() {
    let folder = TempDir::new().unwrap();
    for (one, other) in [
        ("model_a.", "model_b."),
        ("net1.", "net2."),
        ("generator.", "discriminator."),
        ("state_dict.", "model."),
        ("model.", "teacher."),
    ] {
        let path = networks(&folder, "two.safetensors", &[(one, 1.0), (other, 2.0)], &[]);
        let error = failure(&path, None);
        for part in [one, other] {
            says(&error, &format!("`{}`", part.trim_end_matches('.')));
        }
    }
}

#[test]
fn two_copies_of_the_same_weights_are_one_network() {
    let folder = TempDir::new().unwrap();
    let parts = [("state_dict.", 1.0), ("model.", 1.0)];
    let path = networks(&folder, "same.safetensors", &parts, &[]);
    let network = Pretrained::read(&path, None).unwrap();
    assert_eq!((value(&network), network.remarks.part), (1.0, None));
}

#[test]
fn other_networks_in_the_file_are_a_warning() {
    let folder = TempDir::new().unwrap();
    let extra = [
        "generator.up.weight",
        "generator.down.weight",
        "criterion.weight",
    ];
    let path = networks(
        &folder,
        "gan.safetensors",
        &[("discriminator.", 1.0)],
        &extra,
    );
    let network = Pretrained::read(&path, None).unwrap();
    let [warning] = &network.remarks.warnings[..] else {
        panic!("{:?}", network.remarks.warnings);
    };
    says(warning, "`generator` (2 tensors)");
    let [note] = &network.remarks.notes[..] else {
        panic!("{:?}", network.remarks.notes);
    };
    says(note, "criterion.weight");
}

#[test]
fn a_layer_after_the_network_is_not_ignored() {
    let folder = TempDir::new().unwrap();
    let path = networks(
        &folder,
        "more.safetensors",
        &[("net.", 1.0)],
        &["head.weight"],
    );
    let error = failure(&path, None);
    says(&error, "1 unexpected: head.weight");
    let asked = Pretrained::read_part(&path, None, None, Some("net")).unwrap();
    assert_eq!(value(&asked), 1.0);
}

#[test]
fn a_converted_file_keeps_the_name_of_the_part() {
    let folder = TempDir::new().unwrap();
    let parts = [("state_dict.", 1.0), ("state_dict_ema.", 2.0)];
    let network = Pretrained::read(&networks(&folder, "a.safetensors", &parts, &[]), None).unwrap();
    let path = folder.path().join("b.safetensors");
    std::fs::write(&path, network.to_bytes(FileFormat::Safetensors).unwrap()).unwrap();
    let read = Pretrained::read(&path, None).unwrap();
    assert_eq!(read.part.as_deref(), Some("state_dict_ema"));
    assert_eq!(value(&read), 2.0);
}

#[test]
fn a_file_that_names_another_network_than_its_weights_match_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = |said: &str| {
        noted(
            &folder,
            "w.safetensors",
            &[("", 1.0)],
            &[],
            &[("arch", said)],
        )
    };
    let error = failure(&file("squeezenetblur1_1"), None);
    says(&error, "`squeezenetblur1_1`");
    says(&error, "blurs");
    let asked = Pretrained::read(&file("squeezenetblur1_1"), find("squeezenet1_1")).unwrap();
    assert_eq!(asked.remarks.warnings.len(), 1);
    for said in ["squeezenet1_1", "SqueezeNet", "my_model"] {
        let network = Pretrained::read(&file(said), None).unwrap();
        assert!(network.remarks.warnings.is_empty(), "{said}");
    }
}

#[test]
fn a_file_name_of_a_look_alike_is_a_warning() {
    let folder = TempDir::new().unwrap();
    let read = |name: &str| {
        let path = saved(&folder, name, "resnet18", str::to_owned);
        Pretrained::read(&path, None).unwrap().remarks.warnings
    };
    let warnings = read("resnetblur18-84f4748f.safetensors");
    assert!(warnings[0].contains("blurs feature maps"), "{warnings:?}");
    assert!(read("resnet18-f37072fd.safetensors").is_empty());
}

#[test]
fn a_file_that_matches_several_networks_is_recognised_by_its_name_or_an_error() {
    let folder = TempDir::new().unwrap();
    let tiny = |file: &str| saved(&folder, file, "vit_tiny_patch16_224", str::to_owned);
    let error = failure(&tiny("best.safetensors"), None);
    says(&error, "vit_tiny_patch16_224, deit_tiny_patch16_224");
    let told = Pretrained::read(&tiny("deit_tiny_patch16_224-a1311bcf.safetensors"), None);
    let told = told.unwrap();
    assert_eq!(told.origin.name(), "deit_tiny_patch16_224");
    let usual = &find("deit_tiny_patch16_224").unwrap().usual().preprocess;
    assert_eq!(&told.preprocess, usual);
}

#[test]
fn tensorflows_efficientnets_are_not_confused_with_others() {
    let folder = TempDir::new().unwrap();
    let file = |file: &str| saved(&folder, file, "tf_efficientnet_b0", str::to_owned);
    let error = failure(&file("best.safetensors"), None);
    says(&error, "efficientnet_b0, tf_efficientnet_b0");
    let path = file("tf_efficientnet_b0_ns-c0e6a31c.safetensors");
    let network = Pretrained::read(&path, None).unwrap();
    assert_eq!(network.origin.name(), "tf_efficientnet_b0");
    let error = failure(&path, Some("efficientnet_b0"));
    says(&error, "`tf_efficientnet_b0`, not `efficientnet_b0`");
    let path = file("efficientnet_b0_ra-3dd342df.safetensors");
    let network = Pretrained::read(&path, None).unwrap();
    assert_eq!(network.origin.name(), "efficientnet_b0");
    let five = saved(
        &folder,
        "five.safetensors",
        "tf_efficientnet_b5",
        str::to_owned,
    );
    let error = failure(&five, None);
    says(&error, "timm's efficientnet_b5");
}

#[test]
fn a_file_in_timms_layout_has_timms_preprocessing() {
    let folder = TempDir::new().unwrap();
    let timms = |name: &str| {
        let name = name.replace("features.0.", "stem.");
        let name = name.replace("classifier.0.", "head.norm.");
        let name = name.replace("classifier.2.", "head.fc.");
        for stage in 0..4 {
            if let Some(rest) = name.strip_prefix(&format!("features.{}.", 2 * stage)) {
                return format!("stages.{stage}.downsample.{rest}");
            }
            if let Some(rest) = name.strip_prefix(&format!("features.{}.", 2 * stage + 1)) {
                let rest = rest.replace("layer_scale", "gamma");
                let rest = rest
                    .replace("block.0.", "conv_dw.")
                    .replace("block.2.", "norm.");
                let rest = rest
                    .replace("block.3.", "mlp.fc1.")
                    .replace("block.5.", "mlp.fc2.");
                return format!("stages.{stage}.blocks.{rest}");
            }
        }
        name
    };
    let path = saved(&folder, "timm.safetensors", "convnext_tiny", timms);
    let network = Pretrained::read(&path, None).unwrap();
    assert_eq!(network.origin.name(), "convnext_tiny");
    let published = find("convnext_tiny").unwrap().published;
    assert_eq!(published[1].tag, "fb_in1k");
    assert_eq!(network.preprocess, published[1].preprocess);
    assert_ne!(network.preprocess, published[0].preprocess);
}

#[test]
fn torchvisions_vision_transformers_load_with_their_former_names() {
    let folder = TempDir::new().unwrap();
    let former = |name: &str| {
        let name = name.replace(".mlp.0.", ".mlp.linear_1.");
        name.replace(".mlp.3.", ".mlp.linear_2.")
    };
    let path = saved(&folder, "vit.safetensors", "vit_b_32", former);
    let network = Pretrained::read(&path, None).unwrap();
    assert_eq!(network.origin.name(), "vit_b_32");
    let usual = &find("vit_b_32").unwrap().usual().preprocess;
    assert_eq!(&network.preprocess, usual);
}

#[test]
fn position_tables_are_written_for_torchvision_and_not_required() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder, "swin.safetensors", "swin_t", str::to_owned);
    let network = Pretrained::read(&path, None).unwrap();
    let path = folder.path().join("swin.pth");
    std::fs::write(&path, network.to_bytes(FileFormat::Torch).unwrap()).unwrap();
    let written = dvm_engine::weights::Weights::read(&path).unwrap();
    let index = written
        .get("features.1.0.attn.relative_position_index")
        .unwrap();
    assert_eq!(index.shape, [7 * 7 * 7 * 7]);
    // The first pixel of a window is six rows and six columns before the last.
    assert_eq!(index.values[..2], [84.0, 83.0]);
    assert_eq!((index.values[48], index.values[48 * 49]), (0.0, 168.0));
    assert!(Pretrained::read(&path, None).is_ok());
}

#[test]
fn the_error_says_that_a_vision_transformer_has_one_input_size() {
    let graph = seeded::graph((find("vit_tiny_patch16_224").unwrap().build)(2));
    let error = graph.logits(&Tensor::zeros(&[1, 3, 192, 192])).unwrap_err();
    for words in ["pos_embed", "197 tokens", "145"] {
        says(&error.to_string(), words);
    }
}

#[test]
fn the_error_for_missing_weights_names_the_embedded_networks() {
    let error = match find("resnet18").unwrap().embedded() {
        Ok(_) => panic!("resnet18 is not embedded"),
        Err(error) => error.to_string(),
    };
    says(&error, "resnet18-f37072fd.pth");
    says(&error, "efficientnet_lite0 or squeezenet1_1");
}

#[test]
fn names_of_the_other_efficientnet_port_are_converted() {
    let here = find("efficientnet_lite0").unwrap().other_names.unwrap();
    for (there, expected) in [
        ("_conv_stem.weight", Some("conv_stem.weight")),
        ("_bn0.running_var", Some("bn1.running_var")),
        (
            "_blocks.0._depthwise_conv.weight",
            Some("blocks.0.0.conv_dw.weight"),
        ),
        ("_blocks.0._bn2.bias", Some("blocks.0.0.bn2.bias")),
        (
            "_blocks.0._project_conv.weight",
            Some("blocks.0.0.conv_pw.weight"),
        ),
        ("_blocks.2._bn0.weight", Some("blocks.1.1.bn1.weight")),
        (
            "_blocks.15._project_conv.weight",
            Some("blocks.6.0.conv_pwl.weight"),
        ),
        ("_bn1.weight", Some("bn2.weight")),
        ("_fc.bias", Some("classifier.bias")),
        ("_blocks.16._bn0.weight", None),
        ("_blocks.0._expand_conv.weight", None),
        ("conv_stem.weight", None),
    ] {
        assert_eq!(here(there).as_deref(), expected, "{there}");
    }
}

#[test]
#[ignore = "needs ../shared"]
fn the_published_efficientnet_file_is_the_embedded_network() {
    let path = dvm_testing::shared::file("weights/efficientnet-lite0-57934424.pth");
    let published = Pretrained::read(&path, None).unwrap();
    assert_eq!(published.origin.name(), "efficientnet_lite0");
    let embedded = published.origin.architecture().unwrap().embedded().unwrap();
    let picture = seeded_tensor("picture", &[1, 3, 224, 224]);
    let logits = |network: &Pretrained| wide(&network.network.fused().logits(&picture).unwrap());
    // The effect of half precision, see `embedded.rs`.
    assert!(relative_error(&logits(&embedded), &logits(&published)) <= 1e-2);
}
