//! Files of all exporters, compared with PyTorch in f64 (`references/onnx_files.py`).

use std::path::{Path, PathBuf};

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Graph, Keep, Mode, Network, Output, Request, Role, Tensor};
use dvm_onnx::{Imported, Options};
use dvm_testing::closeness::{relative_error, wide};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.onnx"))
}

/// The tensors of one case.
fn expected(name: &str) -> [Tensor; 3] {
    let weights = Weights::read(&folder().join("expected.safetensors")).unwrap();
    ["input", "logits", "gradient"].map(|what| {
        let wanted = format!("{name}.{what}");
        let mut all = weights.iter();
        let (_, array) = all.find(|(found, _)| **found == wanted).unwrap();
        Tensor::from_nchw(&array.shape, &array.values)
    })
}

/// The file, imported for inputs of the case's size if its own is dynamic.
fn read(name: &str) -> Imported {
    let shape = expected(name)[0].shape().to_vec();
    let size = Some((shape[2], shape[3]));
    dvm_onnx::read(&file(name), Options { size }).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    relative_error(&wide(found), &wide(expected))
}

/// The gradient of `sum(logits · weights)` with respect to the inputs.
fn gradient(graph: &Graph, pictures: &Tensor) -> Tensor {
    let walked = graph.forward(pictures, Mode::Inference, Keep::All).unwrap();
    let shape = walked.output().shape().to_vec();
    let count = shape.iter().product::<usize>();
    let step = 2.0 / (count - 1) as f64;
    let weights = (0..count)
        .map(|i| (-1.0 + i as f64 * step) as f32)
        .collect();
    let seed = Tensor::from_stored(&shape, weights);
    let input = [graph.input()];
    let seeds = [(graph.output(), seed)];
    let found = graph
        .backward(&walked, &seeds, &Request::nodes(&input))
        .unwrap();
    found.node(graph.input()).unwrap().clone()
}

fn compare(name: &str) {
    let imported = read(name);
    let [input, logits, wanted] = expected(name);
    let found = imported.graph.logits(&input).unwrap();
    // A log-softmax is left out; the logits differ from it by one number per picture.
    let shifted = |logits: &Tensor| {
        let classes = logits.shape()[1];
        let rows = logits.data().chunks_exact(classes);
        let values = rows.flat_map(|row| row.iter().map(move |v| v - row[0]));
        Tensor::from_stored(logits.shape(), values.collect())
    };
    let is_log = name.starts_with("loose");
    let off = match is_log {
        true => distance(&shifted(&found), &shifted(&logits)),
        false => distance(&found, &logits),
    };
    assert!(off < 1e-4, "{name}: logits are off by {off}");
    if !is_log {
        let off = distance(&gradient(&imported.graph, &input), &wanted);
        assert!(off < 1e-4, "{name}: the gradient is off by {off}");
    }
    // Also with a batch of one.
    let shape = [&[1], &input.shape()[1..]].concat();
    let one = Tensor::from_nchw(&shape, &input.to_nchw()[..input.len() / 2]);
    let one = imported.graph.logits(&one);
    let first = &found.data()[..found.len() / 2];
    for (one, both) in one.unwrap().data().iter().zip(first) {
        assert!((one - both).abs() <= 1e-4 * both.abs().max(1.0), "{name}");
    }
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { compare(stringify!($name)); })*
    };
}

cases!(
    cnn_script_11,
    cnn_script_13,
    cnn_script_17,
    cnn_script_20,
    cnn_dynamo_18,
    cnn_dynamo_20,
    cnn_dynamo_23,
    cnn_open_script,
    cnn_open_dynamo,
    cnn_one,
    vit_script_14,
    vit_script_17,
    vit_one_script,
    vit_one_dynamo,
    vit_dynamo_18,
    vit_dynamo_23,
    windows_script,
    windows_dynamo,
    loose_script,
    loose_dynamo,
    modern_script,
    modern_one_script,
    modern_one_dynamo,
    assigning_one_script,
    assigning_one_dynamo,
    parts_script,
    parts_one_dynamo,
    keras,
    float16,
    double,
    bfloat16,
    external,
    normalising,
    labelled,
    named,
    functions,
    quantised,
    shuffle,
    grey,
    one_number,
);

fn kinds(graph: &Graph) -> Vec<&'static str> {
    graph.nodes().iter().map(|node| node.op.kind()).collect()
}

#[test]
fn activations_and_normalisations_written_as_several_operators_become_one_node() {
    for name in ["cnn_script_11", "cnn_dynamo_18"] {
        let kinds = kinds(&read(name).graph);
        for wanted in ["gelu", "silu", "hardswish", "hardsigmoid", "relu6"] {
            assert!(kinds.contains(&wanted), "{name}: {wanted} in {kinds:?}");
        }
        assert!(!kinds.contains(&"erf"), "{name}: {kinds:?}");
    }
    let kinds = kinds(&read("vit_script_14").graph);
    let norms = kinds.iter().filter(|&&kind| kind == "layer_norm").count();
    assert_eq!(norms, 2, "{kinds:?}");
}

#[test]
fn channels_last_become_channels_first_without_a_permutation() {
    let imported = read("keras");
    let kinds = kinds(&imported.graph);
    assert!(!kinds.contains(&"permute"), "{kinds:?}");
    assert_eq!(
        (imported.channels, imported.height, imported.width),
        (3, Some(12), Some(12))
    );
}

#[test]
fn shuffled_channels_become_one_node() {
    let kinds = kinds(&read("shuffle").graph);
    assert!(kinds.contains(&"channel_shuffle"), "{kinds:?}");
}

#[test]
fn layers_and_parameters_have_the_names_of_the_state_dict() {
    for name in [
        "cnn_script_17",
        "cnn_dynamo_18",
        "vit_script_17",
        "vit_dynamo_18",
    ] {
        let graph = read(name).graph;
        let layer = if name.starts_with("cnn") {
            "fc"
        } else {
            "head"
        };
        let node = graph.node(graph.find(layer).unwrap());
        assert_eq!(node.op.kind(), "linear", "{name}");
        let all = graph.parameters();
        let own = node
            .parameters
            .iter()
            .map(|&p| (&all[p].name[..], all[p].role));
        let own: Vec<_> = own.collect();
        let names = [format!("{layer}.weight"), format!("{layer}.bias")];
        let expected = [(&names[0][..], Role::Weight), (&names[1][..], Role::Bias)];
        assert_eq!(own, expected, "{name}");
    }
    let graph = read("vit_dynamo_18").graph;
    let names: Vec<&str> = graph.parameters().iter().map(|p| &p.name[..]).collect();
    for name in ["cls_token", "pos_embed", "gamma", "norm1.weight"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn the_last_layer_can_be_replaced_for_other_classes() {
    for name in [
        "cnn_script_17",
        "cnn_dynamo_23",
        "vit_dynamo_18",
        "keras",
        "labelled",
        "functions",
    ] {
        let [input, ..] = expected(name);
        let graph = read(name)
            .graph
            .for_classes(9, |p| Tensor::full(&p.shape, 0.1));
        let logits = graph.unwrap().logits(&input).unwrap();
        assert_eq!(logits.shape(), [2, 9], "{name}");
    }
}

#[test]
fn changes_of_a_picture_are_computed_incrementally_and_exactly() {
    for name in [
        "cnn_script_17",
        "cnn_dynamo_20",
        "keras",
        "normalising",
        "shuffle",
    ] {
        let [input, ..] = expected(name);
        let &[_, c, h, w] = input.shape() else {
            panic!("pictures");
        };
        let values = input.to_nchw();
        let picture = Tensor::from_nchw(&[1, c, h, w], &values[..c * h * w]);
        let network = Network::new(read(name).graph).with_arithmetic(Arithmetic::Exact);
        let graph = network.fused();
        let incremental = Incremental::new(graph, &picture).unwrap();
        let whole = graph.multiply_adds(picture.shape()).unwrap();
        for (y, x) in [(0, 0), (3, 4), (h - 2, w - 3)] {
            let rectangle = Rectangle {
                rows: y..y + 2,
                columns: x..x + 3,
            };
            assert!(
                incremental.multiply_adds(std::slice::from_ref(&rectangle)) < whole,
                "{name}"
            );
            let change = Change {
                rectangle,
                values: vec![0.25; 2 * 3 * c],
            };
            let mut changed = picture.to_nchw();
            for channel in 0..c {
                for row in y..y + 2 {
                    changed[(channel * h + row) * w + x..][..3].fill(0.25);
                }
            }
            let anew = graph
                .logits(&Tensor::from_nchw(&[1, c, h, w], &changed))
                .unwrap();
            let found = incremental.logits(&[&[change]], usize::MAX).unwrap();
            assert_eq!(found, anew, "{name}");
        }
    }
}

#[test]
fn class_names_come_from_metadata_or_the_last_node() {
    let owls = |name| read(name).classes.unwrap();
    assert_eq!(owls("named"), ["cat", "dog", "owl's"]);
    assert_eq!(owls("labelled"), ["cat", "dog", "owl"]);
    assert_eq!(read("cnn_one").classes, None);
}

#[test]
fn a_single_logit_has_the_classes_no_and_yes() {
    assert_eq!(read("grey").classes.unwrap(), ["no", "yes"]);
    assert_eq!(read("one_number").classes.unwrap(), ["not owl", "owl"]);
    for name in ["grey", "one_number"] {
        let imported = read(name);
        let shapes = imported
            .graph
            .shapes(&[1, imported.channels, 8, 8])
            .unwrap();
        assert_eq!(shapes[imported.graph.output().index()], [1, 1], "{name}");
    }
    // A sigmoid at the end shows that the number before is a logit; a mean of tanhs shows nothing.
    assert_eq!(read("grey").output, Some(Output::LabelLogits));
    assert_eq!(read("one_number").output, None);
}

#[test]
fn the_last_layer_of_a_single_logit_can_be_replaced_for_several_classes() {
    let [input, ..] = expected("grey");
    let fresh = |p: &dvm_engine::Parameter| Tensor::full(&p.shape, 0.1);
    let logits = read("grey").graph.for_classes(3, fresh).unwrap();
    assert_eq!(logits.logits(&input).unwrap().shape(), [2, 3]);
}

#[test]
fn a_network_for_grey_pictures_has_one_input_channel() {
    let imported = read("grey");
    assert_eq!(imported.channels, 1);
    assert_eq!(imported.graph.shapes(&[1, 1, 8, 8]).unwrap()[0][1], 1);
    assert_eq!(read("one_number").channels, 3);
}

#[test]
fn notes_and_warnings_say_what_was_left_out_and_what_differs() {
    let notes = |name| read(name).notes.join("\n");
    for (name, words) in [("keras", "softmax, is left out"), ("labelled", "ZipMap")] {
        assert!(notes(name).contains(words), "{}", notes(name));
    }
    let quantised = read("quantised").warnings;
    assert!(quantised[0].contains("quantised"), "{quantised:?}");
    assert_eq!(read("cnn_one").warnings, Vec::<String>::new());
}

#[test]
fn normalisation_in_the_graph_gives_the_pixel_range() {
    let pixels = read("normalising").pixels.unwrap();
    assert_eq!(pixels.range, dvm_onnx::PixelRange::Bytes);
    assert_eq!(pixels.channels, Some(dvm_onnx::ChannelOrder::Rgb));
    assert_eq!(read("cnn_one").pixels, None);
}

fn refusal(path: &Path) -> String {
    let read = dvm_onnx::read(path, Options::default());
    read.err().expect("an error").to_string()
}

#[test]
fn external_weights_are_read_from_the_models_own_folder_only() {
    let place = tempfile::tempdir().unwrap();
    let model = std::fs::read(file("external")).unwrap();
    let inner = place.path().join("models");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("external.onnx");
    std::fs::write(&path, &model).unwrap();
    let refused = |words: &str| {
        let error = refusal(&path);
        assert!(error.contains(words), "{error}");
    };
    refused("external.data");
    let data = std::fs::read(folder().join("external.data")).unwrap();
    std::fs::write(inner.join("external.data"), &data[..100]).unwrap();
    refused("has only");
    // Names of the same length, so that the file stays valid.
    let at = model
        .windows(13)
        .position(|w| w == b"external.data")
        .unwrap();
    for (name, data) in [
        ("../other.data", true),
        ("/xternal.data", false),
        ("a/../../x.dat", true),
    ] {
        let mut other = model.clone();
        for start in at..model.len() - 13 {
            if &model[start..start + 13] == b"external.data" {
                other[start..start + 13].copy_from_slice(name.as_bytes());
            }
        }
        std::fs::write(&path, &other).unwrap();
        if data {
            let _ = std::fs::write(place.path().join("other.data"), [0; 1000]);
        }
        refused("own folder");
    }
}

#[cfg(unix)]
#[test]
fn external_weights_are_not_read_through_a_link() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("external.onnx");
    std::fs::copy(file("external"), &path).unwrap();
    std::os::unix::fs::symlink(
        folder().join("external.data"),
        place.path().join("external.data"),
    )
    .unwrap();
    let error = refusal(&path);
    assert!(error.contains("link"), "{error}");
}

#[test]
fn gradients_of_imported_networks_agree_with_finite_differences() {
    for name in [
        "assigning_one_script",
        "cnn_dynamo_23",
        "cnn_script_17",
        "functions",
        "grey",
        "loose_dynamo",
        "modern_script",
        "normalising",
        "parts_script",
        "quantised",
        "shuffle",
        "vit_dynamo_18",
        "vit_script_17",
        "windows_script",
    ] {
        let shape: [usize; 4] = expected(name)[0].shape().try_into().unwrap();
        let input = [1, shape[1], shape[2], shape[3]];
        let network = Network::new(read(name).graph);
        let found = network.folded().gradient_check(&input, usize::MAX);
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.nodes > 3 && found.is_plausible(), "{name}: {found:?}");
    }
}
