//! Class activation maps: examples worked out by hand, and properties of all of them.

use dvm_attribution::{Attribution, Score, Target, ValueKind, registry};
use dvm_engine::ops::activation::Activation;
use dvm_engine::{Blueprint, Keep, Mode, Output, Tensor, seeded};
use dvm_image::Picture;

use crate::oracles::captums_tiny_picture;
use crate::subject::{
    Case, in_whole_colours, log_softmax, on_threads, relative_error, sigmoid, small, small_ending,
    softmax, with_values,
};

/// Names of the class activation maps with the option `layer`.
fn cams() -> impl Iterator<Item = &'static str> {
    registry::ALL
        .iter()
        .filter(|entry| entry.family == registry::Family::Cam && entry.takes("layer"))
        .map(|entry| entry.name)
}

/// Those whose raw map is a sum over channels that grows in proportion to the score.
const LINEAR: [&str; 3] = ["grad-cam", "xgrad-cam", "hires-cam"];

fn of_target(case: &Case, method: &str, target: &Target, options: &[(&str, &str)]) -> Attribution {
    let targets = std::slice::from_ref(target);
    case.maps_of(method, options, targets).unwrap().remove(0)
}

fn refusal(method: &str, options: &[(&str, &str)]) -> String {
    let refused = small().explain(method, options, &[0]);
    refused.unwrap_err().to_string()
}

#[test]
fn formulas_at_layers_of_captums_tiny_network() {
    for (method, layer, expected) in [
        ("grad-cam", "conv1", [11.25, 13.5, 20.25, 22.5]),
        ("grad-cam", "relu1", [0.0, 4.0, 28.0, 32.5]),
        ("hires-cam", "relu1", [0.0, 4.0, 25.0, 25.0]),
        ("xgrad-cam", "relu1", [0.0, 4.0, 25.0, 25.0]),
        ("layer-cam", "relu1", [0.0, 4.0, 31.0, 40.0]),
        ("element-wise-cam", "relu1", [0.0, 4.0, 31.0, 40.0]),
        ("grad-cam++", "relu1", [0.0, 0.2078, 1.8713, 2.7301]),
    ] {
        let attribution = captums_tiny_picture().map_of(0, method, &[("layer", layer)]);
        assert_eq!(attribution.raw().shape, [2, 2]);
        for (found, expected) in attribution.raw().values.iter().zip(expected) {
            let error = (found - expected).abs();
            let raw = attribution.raw();
            assert!(error <= 1e-4 * expected.max(1.0), "{method}: {raw:?}");
        }
    }
}

#[test]
fn guided_grad_cam_of_captums_tiny_network() {
    let options = [("layer", "relu1"), ("upsampling", "nearest")];
    let attribution = captums_tiny_picture().map_of(0, "guided-grad-cam", &options);
    let expected = [
        0.0, 0.0, 4.0, 4.0, //
        0.0, 0.0, 12.0, 8.0, //
        28.0, 84.0, 97.5, 65.0, //
        28.0, 56.0, 65.0, 32.5,
    ];
    assert_eq!(attribution.raw().shape, [3, 4, 4]);
    let found = &attribution.raw().values[..16];
    assert!(relative_error(found, &expected) < 1e-5, "{found:?}");
    assert!(relative_error(&attribution.map, &expected) < 1e-5);
    let cam = &attribution.array("cam").unwrap().values;
    assert!(relative_error(cam, &[0.0, 4.0, 28.0, 32.5]) < 1e-5);
}

/// Net M: identity; linear 3→4 of ones with the biases −10, 1, 1, 1; ReLU; linear 4→2 of ones, −1 and 1.
/// Its three inputs are the channels of a picture of one pixel.
#[test]
fn grad_cam_at_the_identity_of_a_network_of_rows() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = net.linear("fc1", x, 3, 4, true);
    let x = net.activation("relu", x, Activation::Relu);
    let x = net.linear("fc2", x, 4, 2, true);
    let graph = with_values(net.ending_at(x), |name, shape| match name {
        "fc1.bias" => vec![-10.0, 1.0, 1.0, 1.0],
        "fc2.bias" => vec![-1.0, 1.0],
        _ => vec![1.0; shape.iter().product()],
    });
    let picture = Picture::new(1, 1, vec![0, 100, 0]);
    let case = Case::new(graph, in_whole_colours((1, 1)), picture);
    let attribution = case.map_of(0, "grad-cam", &[("layer", "input")]);
    let found = attribution.raw().values[0];
    assert!((found - 400.0).abs() < 1e-3, "{found}");
    let warning = "the layer `input` has a single position, so the map is the same everywhere; \
                   choose an earlier layer with the option `layer`";
    assert!(attribution.warnings.contains(&warning.to_owned()));
}

#[test]
fn before_a_mean_and_a_linear_layer_grad_cam_adds_up_to_the_logit_minus_its_bias() {
    let case = small();
    let logits = case.subject().numbers().unwrap();
    let graph = case.network.graph();
    let bias = graph.parameters().iter().position(|p| p.name == "fc.bias");
    let bias = graph.values()[bias.unwrap()].data();
    for class in 0..5 {
        for method in ["grad-cam", "hires-cam"] {
            let attribution = case.map_of(class, method, &[]);
            let sum: f32 = attribution.raw().values.iter().sum();
            let expected = logits[class] - bias[class];
            assert!(
                (sum - expected).abs() < 1e-5,
                "{method} {class}: {sum} {expected}"
            );
        }
    }
}

#[test]
fn a_map_is_the_upsampled_positive_part_of_the_raw_array() {
    for method in cams().filter(|method| *method != "guided-grad-cam") {
        let attribution = small().map_of(3, method, &[]);
        assert_eq!(attribution.size, (32, 28), "{method}");
        assert_eq!(attribution.map.len(), 32 * 28, "{method}");
        assert_eq!(attribution.raw().shape, [16, 14], "{method}");
        assert_eq!(attribution.value_kind, ValueKind::Positive, "{method}");
        assert!(attribution.map.iter().all(|v| *v >= 0.0), "{method}");
        // Between four equal places the map has their value: corners are those of the raw map.
        let corners = [
            (0, 0),
            (27, 13),
            (31 * 28, 15 * 14),
            (31 * 28 + 27, 15 * 14 + 13),
        ];
        for (pixel, place) in corners {
            let expected = attribution.raw().values[place].max(0.0);
            assert_eq!(attribution.map[pixel], expected, "{method}");
        }
    }
}

#[test]
fn the_map_of_a_difference_is_the_difference_of_the_maps() {
    let case = small();
    for method in LINEAR {
        let [first, second] = [2, 4].map(|class| case.map_of(class, method, &[]));
        let difference = of_target(&case, method, &Target::Difference(2, 4), &[]);
        let sum = of_target(&case, method, &Target::Sum(vec![2, 4]), &[]);
        let pairs = first.raw().values.iter().zip(second.raw().values.iter());
        let (expected, added): (Vec<f32>, Vec<f32>) = pairs.map(|(a, b)| (a - b, a + b)).unzip();
        assert!(
            relative_error(&difference.raw().values, &expected) < 1e-5,
            "{method}"
        );
        assert!(relative_error(&sum.raw().values, &added) < 1e-5, "{method}");
    }
}

#[test]
fn a_network_with_softmax_has_the_same_maps_as_one_with_logits() {
    let logits = small();
    let probabilities = small_ending(Output::Probabilities, &softmax);
    let logarithms = small_ending(Output::LogProbabilities, &log_softmax);
    for method in cams().filter(|method| *method != "eigen-cam") {
        for score in [Score::Probability, Score::LogProbability] {
            let options = [("score", score.word())];
            let expected = logits.map_of(3, method, &options);
            for case in [&probabilities, &logarithms] {
                let found = case.map_of(3, method, &options);
                let error = relative_error(&found.raw().values, &expected.raw().values);
                assert!(error < 2e-4, "{method} {}: {error:e}", score.word());
                assert_eq!(found.score, score.word());
            }
        }
    }
}

#[test]
fn labels_are_explained_by_their_own_sigmoids() {
    let logits = small_ending(Output::LabelLogits, &|_, logits| logits);
    let sigmoids = small_ending(Output::LabelProbabilities, &sigmoid);
    for method in ["grad-cam", "score-cam", "ablation-cam"] {
        for score in ["logit", "probability"] {
            let expected = logits.map_of(1, method, &[("score", score)]);
            let found = sigmoids.map_of(1, method, &[("score", score)]);
            let error = relative_error(&found.raw().values, &expected.raw().values);
            assert!(error < 2e-4, "{method} {score}: {error:e}");
        }
    }
}

#[test]
fn with_a_single_output_no_is_the_opposite_of_yes() {
    let case = small_ending(Output::Logits, &|net, logits| {
        net.linear("one", logits, 5, 1, false)
    });
    for method in LINEAR {
        let [no, yes] = [0, 1].map(|class| case.map_of(class, method, &[]));
        let opposite: Vec<f32> = no.raw().values.iter().map(|v| -v).collect();
        assert_eq!(opposite, *yes.raw().values, "{method}");
    }
    for method in cams() {
        assert!(case.explain(method, &[], &[0, 1]).is_ok(), "{method}");
    }
}

#[test]
fn a_module_selects_its_last_layer_with_a_feature_map() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.activation("stage.0.relu", x, Activation::Relu);
    let x = net.activation("stage.1.tanh", x, Activation::Tanh);
    let x = net.flatten("stage.2", x);
    let x = net.linear("head", x, 12, 2, false);
    let graph = seeded::graph(net.ending_at(x));
    let picture = Picture::new(2, 2, (0..12).map(|v| v * 20).collect());
    let case = Case::new(graph, in_whole_colours((2, 2)), picture);
    let map = |layer: &str| case.map_of(0, "hires-cam", &[("layer", layer)]);
    assert_eq!(map("stage").raw(), map("stage.1.tanh").raw());
    assert_eq!(map("stage.0").raw(), map("stage.0.relu").raw());
    let quantity = map("stage").quantity;
    assert_eq!(quantity, "activation × gradient at stage.1.tanh");
}

#[test]
fn an_unknown_layer_is_an_error_with_similar_names() {
    for method in cams() {
        assert_eq!(
            refusal(method, &[("layer", "rellu2")]),
            "the network has no layer or module `rellu2`; similar names are `relu2`, `relu1`",
            "{method}"
        );
    }
    let far = refusal("grad-cam", &[("layer", "transformer.blocks")]);
    assert!(
        far.contains("no layer or module `transformer.blocks`; its layers have names like"),
        "{far}"
    );
}

#[test]
fn a_layer_without_rows_and_columns_is_an_error() {
    assert_eq!(
        refusal("grad-cam", &[("layer", "fc")]),
        "the layer `fc` has a value of shape [1, 5], without rows and columns; choose a layer with a feature map"
    );
}

#[test]
fn maps_of_several_layers_are_averaged_at_the_size_of_the_picture() {
    let case = small();
    let [first, second] =
        ["relu1", "relu2"].map(|layer| case.map_of(3, "grad-cam", &[("layer", layer)]));
    let both = case.map_of(3, "grad-cam", &[("layer", "relu1, relu2")]);
    let scaled = |map: &[f32]| -> Vec<f32> {
        let largest = map.iter().copied().fold(0.0, f32::max);
        map.iter().map(|v| v / largest).collect()
    };
    let (first_map, second_map) = (scaled(&first.map), scaled(&second.map));
    let expected: Vec<f32> = first_map
        .iter()
        .zip(&second_map)
        .map(|(a, b)| (a + b) / 2.0)
        .collect();
    assert!(relative_error(&both.map, &expected) < 1e-6);
    assert_eq!(both.raw(), first.raw());
    assert_eq!(both.array("layer2").unwrap().values, second.raw().values);
    assert!(
        both.quantity
            .ends_with("at relu1, relu2, each with a largest value of 1")
    );
}

/// The activations `[16, 224]` of the small network at its last ReLU.
fn last_activations(case: &Case) -> Vec<f32> {
    let graph = case.network.graph();
    let at = graph.find("relu2").unwrap();
    let picture = case.subject();
    let kept = graph
        .forward(picture.picture(), Mode::Inference, Keep::Nodes(&[at]))
        .unwrap();
    kept.get(at).unwrap().to_nchw()
}

#[test]
fn ablation_cam_weights_channels_by_the_drop_of_the_logit() {
    let case = small();
    let subject = case.subject();
    let logit = f64::from(subject.numbers().unwrap()[3]);
    let graph = case.network.graph();
    let weight = graph
        .parameters()
        .iter()
        .position(|p| p.name == "fc.weight")
        .unwrap();
    let weight = &graph.values()[weight].data()[3 * 16..4 * 16];
    let activations = last_activations(&case);
    // The layer is followed by a mean and a linear layer, so a channel's part of the logit is known.
    let mut expected = vec![0.0f64; 224];
    for (channel, &weight) in activations.chunks_exact(224).zip(weight) {
        let mean = channel.iter().map(|&a| f64::from(a)).sum::<f64>() / 224.0;
        let share = f64::from(weight) * mean / logit.abs();
        expected
            .iter_mut()
            .zip(channel)
            .for_each(|(sum, &a)| *sum += share * f64::from(a));
    }
    let expected: Vec<f32> = expected.into_iter().map(|v| v as f32).collect();
    let found = case.map_of(3, "ablation-cam", &[]);
    let error = relative_error(&found.raw().values, &expected);
    assert!(error < 1e-4, "{error:e}");
}

#[test]
fn score_cam_equals_a_slow_implementation() {
    let case = small();
    let subject = case.subject();
    let graph = case.network.graph();
    let picture = subject.picture().to_nchw();
    let activations = last_activations(&case);
    let (rows, columns, height, width) = (16usize, 14usize, 32usize, 28usize);
    let mut logits = Vec::new();
    for channel in activations.chunks_exact(rows * columns) {
        let at =
            |y: usize, x: usize| f64::from(channel[y.min(rows - 1) * columns + x.min(columns - 1)]);
        let mut mask = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let v = ((y as f64 + 0.5) / 2.0 - 0.5).max(0.0);
                let u = ((x as f64 + 0.5) / 2.0 - 0.5).max(0.0);
                let (top, left) = (v.floor(), u.floor());
                let (down, across) = (v - top, u - left);
                let (top, left) = (top as usize, left as usize);
                mask.push(
                    (1.0 - down) * ((1.0 - across) * at(top, left) + across * at(top, left + 1))
                        + down
                            * ((1.0 - across) * at(top + 1, left) + across * at(top + 1, left + 1)),
                );
            }
        }
        let low = mask.iter().copied().fold(f64::INFINITY, f64::min);
        let high = mask.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let masked: Vec<f32> = picture
            .iter()
            .enumerate()
            .map(|(i, &v)| {
                let share = (mask[i % (height * width)] - low) / (high - low + 1e-8);
                (f64::from(v) * share) as f32
            })
            .collect();
        let masked = Tensor::from_nchw(&[1, 3, height, width], &masked);
        logits.push(f64::from(graph.logits(&masked).unwrap().data()[3]));
    }
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let mut expected = vec![0.0f64; rows * columns];
    for (channel, logit) in activations.chunks_exact(rows * columns).zip(&logits) {
        let weight = logit.exp() / sum;
        expected
            .iter_mut()
            .zip(channel)
            .for_each(|(e, &a)| *e += weight * f64::from(a));
    }
    let expected: Vec<f32> = expected.into_iter().map(|v| v as f32).collect();
    let found = case.map_of(3, "score-cam", &[]);
    let error = relative_error(&found.raw().values, &expected);
    assert!(error < 1e-5, "{error:e}");
}

#[test]
fn full_grad_of_a_relu_network_adds_up_to_its_logit() {
    let case = small();
    let logits = case.subject().numbers().unwrap();
    for class in 0..5 {
        let attribution = case.map_of(class, "full-grad", &[]);
        let arrays = attribution.arrays.iter();
        let total: f64 = arrays
            .flat_map(|a| a.values.iter())
            .map(|&v| f64::from(v))
            .sum();
        assert!(
            (total - f64::from(logits[class])).abs() < 1e-5,
            "{total} {}",
            logits[class]
        );
        assert!(
            attribution.checks[0].value < 1e-5,
            "{:?}",
            attribution.checks
        );
        // Two convolutions and a linear layer.
        assert_eq!(attribution.array("biases").unwrap().shape, [3]);
    }
}

#[test]
fn maps_do_not_depend_on_memory_or_the_number_of_threads() {
    let options = [("augment", "true")];
    let all: Vec<&str> = cams().chain(["full-grad"]).collect();
    for method in all {
        let takes = registry::find(method).unwrap().takes("augment");
        let options = if takes { &options[..] } else { &[] };
        let on = |threads| on_threads(threads, || small().map_of(3, method, options));
        let (expected, found) = (on(1), on(4));
        assert_eq!(found.map, expected.map, "{method}");
        assert_eq!(found.arrays, expected.arrays, "{method}");
        let mut narrow = small();
        narrow.memory = 200 << 10;
        let found = narrow.map_of(3, method, options);
        let error = relative_error(&found.raw().values, &expected.raw().values);
        assert!(error < 1e-5, "{method}: {error:e}");
    }
}

#[test]
fn an_average_over_augmented_pictures_of_a_symmetric_picture_is_symmetric() {
    // The picture is symmetric, so the average must be, for any network.
    let half = crate::subject::noise_picture("half", (32, 14));
    let mut picture = Picture::filled(32, 28, [0; 3]);
    for y in 0..32 {
        for x in 0..14 {
            let colour = half.pixel(y, x);
            picture.set_pixel(y, x, colour);
            picture.set_pixel(y, 27 - x, colour);
        }
    }
    let mut case = small();
    case.input = case.preprocess.apply(picture).unwrap();
    for method in ["grad-cam", "score-cam"] {
        let map = case.map_of(2, method, &[("augment", "true"), ("layer", "relu1")]);
        let rows = map.raw().values.chunks_exact(28);
        let reversed: Vec<f32> = rows.flat_map(|row| row.iter().rev().copied()).collect();
        assert!(
            relative_error(&reversed, &map.raw().values) < 1e-5,
            "{method}"
        );
    }
}

#[test]
fn eigen_cam_warns_that_it_does_not_depend_on_the_class() {
    let case = small();
    let [first, second] = [0, 3].map(|class| case.map_of(class, "eigen-cam", &[]));
    assert_eq!(first.map, second.map);
    let warning = "Eigen-CAM does not depend on the class: its map is the same for every one";
    assert!(first.warnings.contains(&warning.to_owned()));
}
