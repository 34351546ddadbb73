//! Methods that cover segments or masks: examples worked out by hand, and properties of all of them.

use dvm_attribution::{Array, Attribution, Target};
use dvm_engine::ops::activation::Activation;
use dvm_engine::{Blueprint, seeded};
use dvm_image::{Picture, encode_grey_png};

use crate::oracles::captums_tiny_picture;
use crate::subject::{
    Case, as_it_is, in_whole_colours, linear_case, made, noise_picture, relative_error, small,
    small_network, with_values,
};

/// Captum's network of three inputs: linear 3→4 of ones with biases −10, 1, 1, 1; ReLU; linear 4→2 of ones
/// with biases −1, 1. The inputs are the red values of three pixels.
fn net_m(red: [u8; 3]) -> Case {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = net.linear("fc1", x, 9, 4, true);
    let x = net.activation("relu", x, Activation::Relu);
    let x = net.linear("fc2", x, 4, 2, true);
    let graph = with_values(net.ending_at(x), |name, _| match name {
        "fc1.weight" => [[1.0; 3], [0.0; 3], [0.0; 3]].concat().repeat(4),
        "fc1.bias" => vec![-10.0, 1.0, 1.0, 1.0],
        "fc2.weight" => vec![1.0; 8],
        _ => vec![-1.0, 1.0],
    });
    let pixels = red.into_iter().flat_map(|red| [red, 90, 7]).collect();
    Case::new(graph, in_whole_colours((1, 3)), Picture::new(1, 3, pixels))
}

/// The map of three pixels; each is a segment, or the first two are one.
fn assert_net_m(method: &str, red: [u8; 3], grouped: bool, baseline: &str, expected: [f32; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.png");
    std::fs::write(&file, encode_grey_png(1, 3, &[9, 9, 200])).unwrap();
    let file = format!("file:{}", file.display());
    let segments = if grouped { &file[..] } else { "grid:1x3" };
    let options = [("segments", segments), ("baseline", baseline)];
    let map = net_m(red).map_of(0, method, &options).map;
    for (found, expected) in map.iter().zip(expected) {
        // Colours are whole numbers within rounding.
        assert!((found - expected).abs() < 2e-4, "{method} {red:?}: {map:?}");
    }
}

#[test]
fn feature_ablation_of_three_inputs() {
    let method = "feature-ablation";
    assert_net_m(method, [20, 50, 30], false, "zero", [80.0, 200.0, 120.0]);
    assert_net_m(method, [2, 10, 3], false, "zero", [8.0, 35.0, 12.0]);
    assert_net_m(method, [20, 50, 30], true, "zero", [280.0, 280.0, 120.0]);
    assert_net_m(method, [20, 50, 30], true, "#040404", [248.0, 248.0, 104.0]);
}

#[test]
fn shapley_values_of_three_inputs_with_all_coalitions() {
    let method = "kernel-shap";
    let expected = [230.0 / 3.0, 590.0 / 3.0, 350.0 / 3.0];
    assert_net_m(method, [20, 50, 30], false, "zero", expected);
    assert_net_m(method, [2, 10, 3], false, "zero", [7.0, 32.5, 10.5]);
    assert_net_m(method, [20, 50, 30], true, "zero", [275.0, 275.0, 115.0]);
}

#[test]
fn shapley_sampling_of_two_segments_is_close_to_their_shapley_values() {
    // The two orders give 280 and 270 for the first: the mean of 2,000 is within 4 standard errors, 0.45.
    let options = [("segments", "grid:1x3"), ("samples", "2000")];
    let attribution = net_m([20, 50, 30]).map_of(0, "shapley-sampling", &options);
    let expected = [230.0 / 3.0, 590.0 / 3.0, 350.0 / 3.0];
    let error = attribution.checks[0].value as f32;
    assert_eq!(attribution.checks[0].name, "standard error");
    assert!(error > 0.0 && error < 0.2, "{error}");
    for (found, expected) in attribution.map.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 4.0 * error,
            "{:?}",
            attribution.map
        );
    }
}

#[test]
fn feature_ablation_of_captums_tiny_network_pixel_by_pixel() {
    let map = captums_tiny_picture()
        .map_of(0, "feature-ablation", &[("segments", "grid:4")])
        .map;
    let expected = [
        0.0, 1.0, 2.0, 3.0, //
        0.0, 4.0, 4.0, 4.0, //
        2.0, 7.0, 8.0, 4.0, //
        6.0, 7.0, 8.0, 0.0,
    ];
    for (found, expected) in map.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{map:?}");
    }
}

#[test]
fn rise_with_masks_of_one_cell_is_the_drop_of_the_whole_picture() {
    let case = small();
    let numbers = case.subject().numbers().unwrap();
    let black = Case::new(
        small_network(),
        as_it_is((32, 28)),
        Picture::filled(32, 28, [0; 3]),
    );
    let covered = black.subject().numbers().unwrap();
    let options = [
        ("cells", "1"),
        ("masks", "20"),
        ("score", "logit"),
        ("estimate", "contrast"),
        ("baseline", "black"),
    ];
    for class in [0, 3] {
        let drop = numbers[class] - covered[class];
        for value in case.map_of(class, "rise", &options).map {
            assert!((value - drop).abs() < 1e-5, "{value} instead of {drop}");
        }
    }
}

#[test]
fn for_a_constant_score_the_mean_where_a_pixel_is_shown_is_the_score() {
    // A network of zeros outputs 0 for any input: two classes with probability one half each.
    let case = linear_case((8, 8), &vec![0.0; 2 * 192], noise_picture("even", (8, 8)));
    let options = [("masks", "4000"), ("cells", "4")];
    let attribution = case.map_of(0, "rise", &options);
    let error = attribution.checks[0].value as f32;
    // 0.5 times a mean of cells that are 0 or 2: at most 0.5 / √4000.
    assert!(error > 0.0 && error <= 0.0080, "{error}");
    for value in attribution.map {
        assert!((value - 0.5).abs() < 5.0 * error, "{value}");
    }
}

/// The values of segments, and the segments.
fn values_and_segments(attribution: &Attribution) -> (&[f32], &[f32]) {
    let segments = attribution.array(Array::SEGMENTS).unwrap();
    assert_eq!(segments.shape, [attribution.size.0, attribution.size.1]);
    (&attribution.raw().values, &segments.values)
}

/// Methods that give one value to each segment.
const OVER_SEGMENTS: [&str; 4] = [
    "feature-ablation",
    "kernel-shap",
    "lime",
    "shapley-sampling",
];

#[test]
fn the_map_shows_the_value_of_each_segment_on_its_pixels() {
    let options = [("samples", "120"), ("segments", "grid:3x4")];
    for method in OVER_SEGMENTS {
        let attribution = small().map_of(3, method, &options);
        let (values, segments) = values_and_segments(&attribution);
        assert_eq!(values.len(), 12, "{method}");
        for (found, &label) in attribution.map.iter().zip(segments) {
            assert_eq!(*found, values[label as usize]);
        }
    }
}

#[test]
fn shapley_values_add_up_to_the_score_minus_that_of_the_baseline() {
    let case = small();
    let grey = Case::new(
        small_network(),
        as_it_is((32, 28)),
        Picture::filled(32, 28, [32, 64, 96]),
    );
    let (whole, empty) = (
        case.subject().numbers().unwrap(),
        grey.subject().numbers().unwrap(),
    );
    for (method, samples) in [
        ("kernel-shap", "40"),
        ("kernel-shap", "1000"),
        ("shapley-sampling", "3"),
    ] {
        let options = [
            ("samples", samples),
            ("segments", "grid:3"),
            ("baseline", "#204060"),
        ];
        for class in [1, 4] {
            let attribution = case.map_of(class, method, &options);
            let sum: f32 = attribution.raw().values.iter().sum();
            let expected = whole[class] - empty[class];
            assert!(
                (sum - expected).abs() < 1e-5,
                "{method}: {sum}, not {expected}"
            );
        }
    }
}

#[test]
fn values_of_segments_of_a_linear_model_are_its_weights_times_their_change() {
    let size = (6, 8);
    let weight = seeded::uniform("segments", 2 * 3 * 48, -1.0, 1.0);
    let case = linear_case(size, &weight, noise_picture("segments", size));
    let baseline: Vec<f32> = case
        .preprocess
        .normalise_colour([32.0, 64.0, 96.0])
        .collect();
    for method in OVER_SEGMENTS {
        let options = [
            ("segments", "grid:2x3"),
            ("baseline", "#204060"),
            ("score", "logit"),
            ("samples", "60"),
            ("ridge", "0"),
        ];
        let attribution = case.map_of(1, method, &options);
        let (values, segments) = values_and_segments(&attribution);
        let mut expected = vec![0.0f32; 6];
        for (at, &label) in segments.iter().enumerate() {
            for (channel, baseline) in baseline.iter().enumerate() {
                let at = channel * 48 + at;
                let change = case.input.values()[at] - baseline;
                expected[label as usize] += weight[144 + at] * change;
            }
        }
        let error = relative_error(values, &expected);
        assert!(error < 1e-5, "{method}: off by {error:e}");
        let check = attribution
            .checks
            .iter()
            .find(|c| c.name.contains("determination"));
        assert!(
            check.is_none_or(|check| check.value > 0.999_999),
            "{method}"
        );
    }
}

#[test]
fn the_map_of_a_difference_is_the_difference_of_the_maps() {
    let case = small();
    let options = [
        ("samples", "30"),
        ("masks", "30"),
        ("segments", "grid:3"),
        ("score", "logit"),
        ("estimate", "contrast"),
    ];
    for method in OVER_SEGMENTS.into_iter().chain(["rise"]) {
        let targets = [Target::Class(0), Target::Class(3), Target::Difference(0, 3)];
        let maps = case.maps_of(method, &options, &targets).unwrap();
        let pairs = maps[0].map.iter().zip(&maps[1].map);
        let difference: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
        let error = relative_error(&maps[2].map, &difference);
        assert!(error < 2e-5, "{method}: off by {error:e}");
    }
}

#[test]
fn superpixels_follow_the_picture() {
    // Two halves with a slanted border.
    let mut picture = Picture::filled(24, 30, [20, 30, 200]);
    let is_left = |y: usize, x: usize| x < 10 + y / 3;
    for y in 0..24 {
        for x in (0..30).filter(|&x| is_left(y, x)) {
            picture.set_pixel(y, x, [220, 180, 10]);
        }
    }
    let case = linear_case((24, 30), &vec![0.1; 2 * 2160], picture);
    let attribution = case.map_of(0, "feature-ablation", &[("segments", "slic:6")]);
    let (values, segments) = values_and_segments(&attribution);
    assert!((4..=9).contains(&values.len()), "{}", values.len());
    for label in 0..values.len() {
        let pixels = (0..720).filter(|&at| segments[at] as usize == label);
        let sides: Vec<bool> = pixels.map(|at| is_left(at / 30, at % 30)).collect();
        let left = sides.iter().filter(|left| **left).count();
        assert!(
            left == 0 || left == sides.len(),
            "segment {label} has {left} of {}",
            sides.len()
        );
    }
}

#[test]
fn labels_of_the_original_picture_are_cropped_like_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.png");
    // Columns 0, 1, … 11, of which the crop has 2 … 9.
    let labels: Vec<u8> = (0..12 * 10).map(|at| (at % 12) as u8).collect();
    std::fs::write(&file, encode_grey_png(10, 12, &labels)).unwrap();
    let case = linear_case((6, 8), &vec![0.1; 2 * 144], noise_picture("cut", (10, 12)));
    let segments = format!("file:{}", file.display());
    let attribution = case.map_of(0, "feature-ablation", &[("segments", &segments)]);
    let (values, found) = values_and_segments(&attribution);
    assert_eq!(values.len(), 8);
    let columns: Vec<f32> = (0..48).map(|at| (at % 8) as f32).collect();
    assert_eq!(found, columns);
}

#[test]
fn an_extremal_mask_shows_the_part_that_the_network_reads() {
    // The logit is the red of the upper right quarter.
    let size = (16, 16);
    let mut weight = vec![0.0; 2 * 3 * 256];
    for at in (0..8).flat_map(|y| (8..16).map(move |x| y * 16 + x)) {
        weight[at] = 4.0;
    }
    let mut picture = Picture::filled(16, 16, [128, 116, 104]);
    for at in (0..8).flat_map(|y| (8..16).map(move |x| (y, x))) {
        picture.set_pixel(at.0, at.1, [255, 116, 104]);
    }
    let case = linear_case(size, &weight, picture);
    let options = [
        ("areas", "0.25"),
        ("iterations", "150"),
        ("mask-step", "4"),
        ("mask-sigma", "4"),
    ];
    let attribution = case.map_of(0, "extremal-perturbation", &options);
    assert_eq!(attribution.raw().shape, [1, 16, 16]);
    let mean = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let pixels = rows.flat_map(|y| columns.clone().map(move |x| y * 16 + x));
        pixels.map(|at| attribution.map[at]).sum::<f32>() / 64.0
    };
    let read = mean(0..8, 8..16);
    // Every second step uses the mirrored picture, where the left quarter is read.
    let others = [mean(8..16, 0..8), mean(8..16, 8..16)];
    assert!(
        read > 0.7 && others.iter().all(|other| read > 1.5 * other),
        "{read}, {others:?}"
    );
    assert_eq!(attribution.checks[0].name, "shown area");
}

#[test]
fn xrai_ranks_the_segment_first_that_the_network_reads() {
    let size = (12, 12);
    let mut weight = vec![0.0; 2 * 3 * 144];
    for at in (6..12).flat_map(|y| (0..6).map(move |x| y * 12 + x)) {
        weight[at] = 1.0;
    }
    let case = linear_case(size, &weight, Picture::filled(12, 12, [250, 100, 100]));
    let options = [
        ("segments", "grid:2"),
        ("baseline", "black"),
        ("steps", "4"),
    ];
    let attribution = case.map_of(0, "xrai", &options);
    let ranks = attribution.array(Array::SEGMENTS).unwrap();
    for at in 0..144 {
        let is_read = at / 12 >= 6 && at % 12 < 6;
        assert_eq!(ranks.values[at] == 0.0, is_read, "{at}");
        let value = attribution.map[at];
        assert_eq!(value > 0.0, is_read, "{value}");
    }
}

#[test]
fn segments_and_masks_that_do_not_fit_are_an_error_with_advice() {
    let refused = |method: &str, options: &[(&str, &str)]| {
        let error = small().explain(method, options, &[0]).unwrap_err();
        error.to_string()
    };
    let many = ("segments", "grid:5");
    let few = ("samples", "8");
    for (method, options, advice) in [
        ("lime", &[("segments", "grid:40")][..], "fewer cells"),
        ("kernel-shap", &[many, few], "choose more `samples`"),
        (
            "lime",
            &[many, few, ("ridge", "0")],
            "choose more `samples`",
        ),
        ("rise", &[("cells", "29")], "does not fit"),
        (
            "extremal-perturbation",
            &[("mask-sigma", "33")],
            "does not fit",
        ),
        (
            "feature-ablation",
            &[("segments", "file:/no/labels.npy")],
            "/no/labels.npy",
        ),
    ] {
        let error = refused(method, options);
        assert!(error.contains(advice), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.png");
    std::fs::write(&file, encode_grey_png(2, 2, &[0, 1, 2, 3])).unwrap();
    let segments = format!("file:{}", file.display());
    let error = refused("feature-ablation", &[("segments", &segments)]);
    assert!(error.contains("2×2") && error.contains("32×28"), "{error}");
}

#[test]
fn an_invalid_value_is_an_error_with_the_option() {
    for (method, option, value) in [
        ("lime", "kernel-width", "0"),
        ("lime", "segments", "pixels"),
        ("rise", "shown", "1"),
        ("rise", "estimate", "sum"),
        ("xrai", "segments", "quickshift"),
        ("extremal-perturbation", "areas", "0"),
        ("kernel-shap", "samples", "0"),
    ] {
        let error = made(method, &[(option, value)]).err().unwrap().to_string();
        assert!(error.contains(option) && error.contains(value), "{error}");
    }
}
