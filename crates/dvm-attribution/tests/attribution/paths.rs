//! Path, noise and DeepLIFT attributions: examples worked out by hand, comparison with Captum and
//! PAIR saliency on the small network, and properties that always hold.

use std::path::Path;

use dvm_attribution::{Attribution, Target, registry};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::pool::Pool;
use dvm_engine::weights::Weights;
use dvm_engine::{Arithmetic, Blueprint, Graph, NodeId, Output, seeded};
use dvm_image::Picture;

use crate::oracles::captums_tiny_picture;
use crate::subject::{
    Case, bits, in_whole_colours, linear_case, linear_network, made, noise_picture, on_threads,
    relative_error, small, small_ending, small_with, softmax, with_values,
};

/// Methods whose values add up to the rise of the score from a baseline to the picture, with
/// settings that make this accurate.
const COMPLETE: [(&str, &[(&str, &str)]); 4] = [
    ("integrated-gradients", &[("steps", "100")]),
    ("blur-ig", &[("steps", "400"), ("sigma", "4")]),
    ("guided-ig", &[("steps", "400"), ("baseline", "noise")]),
    ("deeplift", &[]),
];

/// Tolerance of the sum, in parts of the sum of all magnitudes: DeepLIFT has no quadrature, that of
/// integrated gradients is accurate, and PAIR's sums use the start of each step.
fn allowed(method: &str) -> f64 {
    match method {
        "deeplift" => 1e-5,
        "blur-ig" | "guided-ig" => 1e-2,
        _ => 2e-3,
    }
}

/// The methods of this file, with settings that keep them fast.
const SHORT: [(&str, &[(&str, &str)]); 6] = [
    (
        "integrated-gradients",
        &[("steps", "5"), ("baseline", "zero,noise")],
    ),
    ("expected-gradients", &[("samples", "5")]),
    ("smoothgrad", &[("samples", "5")]),
    ("blur-ig", &[("steps", "5"), ("sigma", "4")]),
    ("guided-ig", &[("steps", "5"), ("baseline", "noise")]),
    ("deeplift", &[("baseline", "noise,blur")]),
];

/// One pixel of these colours, whose three values are the network's input.
fn one_pixel(graph: Graph, colours: [u8; 3]) -> Case {
    let picture = Picture::filled(1, 1, colours);
    Case::new(graph, in_whole_colours((1, 1)), picture)
}

/// A network of fully connected layers on the three values of a pixel; `build` gets their node.
fn of_three(build: &dyn Fn(&mut Blueprint, NodeId) -> NodeId, values: &[(&str, &[f32])]) -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.flatten("flatten", x);
    let x = build(&mut net, x);
    with_values(net.ending_at(x), |parameter, _| {
        let found = values.iter().find(|(name, _)| *name == parameter);
        found.expect("every parameter has values").1.to_vec()
    })
}

/// Identity; linear 3→4, all ones, bias (−10, 1, 1, 1); ReLU; linear 4→2, all ones, bias (−1, 1).
fn net_m() -> Graph {
    let build = |net: &mut Blueprint, x| {
        let x = net.linear("fc1", x, 3, 4, true);
        let x = net.activation("relu", x, Activation::Relu);
        net.linear("fc2", x, 4, 2, true)
    };
    let values: [(&str, &[f32]); 4] = [
        ("fc1.weight", &[1.0; 12]),
        ("fc1.bias", &[-10.0, 1.0, 1.0, 1.0]),
        ("fc2.weight", &[1.0; 8]),
        ("fc2.bias", &[-1.0, 1.0]),
    ];
    of_three(&build, &values)
}

fn raw(attribution: &Attribution) -> &[f32] {
    &attribution.raw().values
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?}, not {expected:?}");
    }
}

fn gap(attribution: &Attribution) -> f64 {
    let mut checks = attribution.checks.iter();
    let check = checks.find(|check| check.name == "completeness gap");
    check.expect("it is measured").value
}

/// The size of the gap, in parts of the sum of all magnitudes.
fn relative_gap(attribution: &Attribution) -> f64 {
    let values = raw(attribution).iter();
    let size: f64 = values.map(|v| f64::from(v.abs())).sum();
    assert!(size > 0.0);
    gap(attribution).abs() / size
}

#[test]
fn integrated_gradients_of_net_m() {
    let case = one_pixel(net_m(), [20, 50, 30]);
    let map = case.map_of(0, "integrated-gradients", &[("steps", "2000")]);
    // The slope of one unit jumps on the way: the quadrature is off by up to a step.
    assert_near(raw(&map), &[78.0, 195.0, 117.0], 0.1);
    assert!(gap(&map).abs() < 0.2);
    // DeepLIFT has no quadrature. Only one unit changes its slope, by the same factor for all inputs.
    let lifted = case.map_of(0, "deeplift", &[]);
    assert_near(raw(&lifted), &[78.0, 195.0, 117.0], 1e-4);
}

#[test]
fn integrated_gradients_and_deeplift_of_captums_tiny_network() {
    let expected = [
        0.0,
        2.0,
        4.0,
        6.0, //
        100.0 / 3.0,
        535.0 / 6.0,
        107.0,
        66.5, //
        200.0 / 3.0,
        160.5,
        535.0 / 3.0,
        104.5, //
        100.0,
        1235.0 / 6.0,
        665.0 / 3.0,
        112.5,
    ]
    .map(|v: f32| v / 27.0);
    let case = captums_tiny_picture();
    let map = case.map_of(0, "integrated-gradients", &[("steps", "2000")]);
    assert_near(&raw(&map)[..16], &expected, 0.01);
    let map = case.map_of(0, "deeplift", &[]);
    assert_near(&raw(&map)[..16], &expected, 1e-4);
    assert_eq!(raw(&map)[16..], [0.0; 32]);
    assert!(gap(&map).abs() < 1e-4, "{}", gap(&map));
}

#[test]
fn two_networks_that_compute_the_same_have_the_same_integrated_gradients() {
    // relu(relu(x₁) − 1 − relu(x₂)) and relu(relu(x₁ − 1) − relu(x₂)), at (3, 1).
    let build = |net: &mut Blueprint, x| {
        let x = net.linear("shift", x, 3, 2, true);
        let x = net.activation("relu1", x, Activation::Relu);
        let x = net.linear("fc", x, 2, 2, true);
        net.activation("relu2", x, Activation::Relu)
    };
    let pick: &[f32] = &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let difference: &[f32] = &[1.0, -1.0, 0.0, 0.0];
    for (shift, bias) in [([0.0, 0.0], [-1.0, 0.0]), ([-1.0, 0.0], [0.0, 0.0])] {
        let values: [(&str, &[f32]); 4] = [
            ("shift.weight", pick),
            ("shift.bias", &shift),
            ("fc.weight", difference),
            ("fc.bias", &bias),
        ];
        let case = one_pixel(of_three(&build, &values), [3, 1, 77]);
        let map = case.map_of(0, "integrated-gradients", &[("steps", "2000")]);
        assert_near(raw(&map), &[1.5, -0.5, 0.0], 2e-3);
    }
}

#[test]
fn guided_ig_of_a_linear_function_is_the_weight_times_the_difference() {
    let weight = [2.0, 1.0, -0.5, 0.0, 0.0, 0.0];
    let case = one_pixel(linear_network((1, 1), &weight), [10, 5, 4]);
    for options in [&[][..], &[("distance", "1"), ("steps", "3")]] {
        let map = case.map_of(0, "guided-ig", options);
        assert_near(raw(&map), &[20.0, 5.0, -2.0], 1e-4);
    }
}

/// 2 · relu(x₁) + 2 · relu(x₂ − 1.5) at (1, 2).
fn shifted_rectifiers() -> Case {
    let build = |net: &mut Blueprint, x| {
        let x = net.linear("shift", x, 3, 2, true);
        let x = net.activation("relu", x, Activation::Relu);
        net.linear("fc", x, 2, 2, false)
    };
    let values: [(&str, &[f32]); 3] = [
        ("shift.weight", &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        ("shift.bias", &[0.0, -1.5]),
        ("fc.weight", &[2.0, 2.0, 0.0, 0.0]),
    ];
    one_pixel(of_three(&build, &values), [1, 2, 9])
}

#[test]
fn deeplift_of_shifted_rectifiers() {
    let map = shifted_rectifiers().map_of(0, "deeplift", &[]);
    assert_near(raw(&map), &[2.0, 1.0, 0.0], 1e-5);
}

#[test]
fn deeplift_through_a_max_pool() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.pool("pool", x, Pool::max(2, 2, 0, false));
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 3, 2, false);
    let graph = with_values(net.ending_at(x), |_, _| vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let ones = Picture::filled(2, 2, [1; 3]);
    let case = Case::new(graph, in_whole_colours((2, 2)), ones);
    let folder = tempfile::tempdir().unwrap();
    for (baseline, expected) in [
        ([1, 2, 3, 9], [0.0, 0.0, 0.0, -8.0]),
        ([4, 8, 6, 7], [0.0, -7.0, 0.0, 0.0]),
    ] {
        let pixels: Vec<u8> = baseline.into_iter().flat_map(|value| [value; 3]).collect();
        let path = folder.path().join("baseline.png");
        let picture = dvm_image::encode_png(&Picture::new(2, 2, pixels));
        std::fs::write(&path, picture).unwrap();
        let map = case.map_of(0, "deeplift", &[("baseline", path.to_str().unwrap())]);
        assert_near(&raw(&map)[..4], &expected, 1e-5);
        assert!(gap(&map).abs() < 1e-5);
    }
}

#[test]
fn deeplift_shares_a_product_between_its_factors() {
    let build = |net: &mut Blueprint, x| {
        let first = net.linear("first", x, 3, 2, false);
        let second = net.linear("second", x, 3, 2, false);
        let product = net.node(
            "product",
            Binary::inputs(Function::Mul),
            &[first, second],
            &[],
        );
        net.node("sum", Add, &[product, second], &[])
    };
    let values: [(&str, &[f32]); 2] = [
        ("first.weight", &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("second.weight", &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    ];
    let case = one_pixel(of_three(&build, &values), [6, 4, 2]);
    // x₁ · x₂ + x₂: half of 24 to each factor, and 4 to x₂.
    let map = case.map_of(0, "deeplift", &[]);
    assert_near(raw(&map), &[12.0, 16.0, 0.0], 1e-4);
    let warned = map
        .warnings
        .iter()
        .any(|w| w.contains("no rule for product"));
    assert!(warned, "{:?}", map.warnings);
}

fn stored() -> (serde_json::Value, Weights) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dvm/tests/references");
    let json = std::fs::read(folder.join("gradient_methods.json")).unwrap();
    let weights = Weights::read(&folder.join("gradient_methods.safetensors")).unwrap();
    (serde_json::from_slice(&json).unwrap(), weights)
}

/// Compares the array of the small network's class 3 with the reference, with its settings and these.
fn assert_stored(method: &str, key: &str, more: &[(&str, &str)]) {
    let (described, references) = stored();
    let settings = described["settings"][method].as_object().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), Into::into);
    let settings: Vec<(&str, String)> = settings.iter().map(|(n, v)| (&n[..], text(v))).collect();
    let settings = settings.iter().map(|(name, value)| (*name, &value[..]));
    // The later ones take precedence.
    let options: Vec<(&str, &str)> = settings.chain(more.iter().copied()).collect();
    let map = small().map_of(3, method, &options);
    let expected = &references.get(&format!("small.{key}")).unwrap().values;
    let off = relative_error(raw(&map), expected);
    assert!(off <= 1e-5, "{key} is off by {off:e}");
}

#[test]
fn path_methods_equal_captum_and_pair() {
    for method in [
        "integrated-gradients",
        "expected-gradients",
        "blur-ig",
        "guided-ig",
    ] {
        assert_stored(method, method, &[]);
    }
}

#[test]
fn smoothgrad_with_every_statistic_equals_captum() {
    for kind in ["mean", "square", "variance"] {
        assert_stored(
            "smoothgrad",
            &format!("smoothgrad.{kind}"),
            &[("statistic", kind)],
        );
    }
    let inner = [("of", "integrated-gradients:steps=12")];
    assert_stored("smoothgrad", "smoothgrad.of_integrated_gradients", &inner);
}

#[test]
fn deeplift_and_deepshap_equal_captum() {
    let several = stored().0["several"].as_str().unwrap().to_owned();
    assert_stored("deeplift", "deeplift", &[]);
    assert_stored("deeplift", "deeplift.several", &[("baseline", &several)]);
}

#[test]
fn values_add_up_to_the_rise_of_the_score() {
    for (method, options) in COMPLETE {
        for score in ["logit", "probability", "log-probability"] {
            let options = [options, &[("score", score)]].concat();
            let targets = [
                Target::Class(3),
                Target::Difference(1, 2),
                Target::Sum(vec![0, 4]),
            ];
            for map in small().maps_of(method, &options, &targets).unwrap() {
                let gap = relative_gap(&map);
                assert!(
                    gap < allowed(method),
                    "{method} {score} {:?}: {gap:e}",
                    map.target
                );
            }
        }
    }
}

#[test]
fn values_add_up_for_networks_with_probabilities_or_a_single_output() {
    let probabilities = small_ending(Output::Probabilities, &softmax);
    let size = (6, 5);
    let weight = seeded::uniform("single", 3 * 6 * 5, -0.2, 0.2);
    let single = linear_case(size, &weight, noise_picture("single", size));
    for (case, class) in [(probabilities, 3), (single, 0)] {
        for (method, options) in COMPLETE {
            for score in ["logit", "probability"] {
                let map = case.map_of(class, method, &[options, &[("score", score)]].concat());
                let gap = relative_gap(&map);
                assert!(gap < allowed(method), "{method} {score}: {gap:e}");
            }
        }
    }
}

#[test]
fn smoothgrad_without_noise_is_the_method_it_averages() {
    let case = small();
    for of in [
        "gradient",
        "guided-backprop",
        "input-x-gradient",
        "integrated-gradients",
        "deeplift",
    ] {
        let options = [("of", of), ("noise", "0"), ("samples", "3")];
        let smooth = case.map_of(3, "smoothgrad", &options);
        let plain = case.map_of(3, of, &[]);
        let off = relative_error(raw(&smooth), raw(&plain));
        assert!(off < 1e-5, "{of} is off by {off:e}");
        assert_eq!(smooth.quantity, plain.quantity);
    }
    let options = [("noise", "0"), ("samples", "3"), ("statistic", "variance")];
    let variance = case.map_of(3, "smoothgrad", &options);
    let square: f32 = raw(&case.map_of(3, "gradient", &[]))
        .iter()
        .map(|g| g * g)
        .sum();
    let left: f32 = raw(&variance).iter().sum();
    assert!(left <= 1e-9 * square, "{left} of {square}");
}

#[test]
fn the_mean_of_the_square_is_variance_plus_the_square_of_the_mean() {
    let case = small();
    let of = |statistic| {
        let options = [("samples", "4"), ("statistic", statistic)];
        raw(&case.map_of(3, "smoothgrad", &options)).to_vec()
    };
    let (mean, variance, square) = (of("mean"), of("variance"), of("square"));
    let sum: Vec<f32> = mean.iter().zip(&variance).map(|(m, v)| m * m + v).collect();
    assert!(relative_error(&sum, &square) < 1e-5);
}

#[test]
fn results_do_not_depend_on_memory_or_threads() {
    let exact = |memory| small_with(Arithmetic::Exact, memory);
    let (large, little) = (exact(64 << 20), exact(1 << 10));
    for (method, options) in SHORT {
        let on = |threads, case: &Case| {
            let map = on_threads(threads, || case.map_of(3, method, options));
            bits(raw(&map))
        };
        let expected = on(1, &large);
        assert_eq!(on(4, &large), expected, "{method}");
        assert_eq!(on(1, &little), expected, "{method}");
    }
}

#[test]
fn the_map_depends_on_the_seed() {
    let case = small();
    for method in ["smoothgrad", "expected-gradients"] {
        let map = |seed| raw(&case.map_of(3, method, &[("samples", "3"), ("seed", seed)])).to_vec();
        assert_eq!(map("1"), map("1"), "{method}");
        assert_ne!(map("1"), map("2"), "{method}");
    }
}

#[test]
fn several_baselines_are_averaged() {
    let case = small();
    for method in ["integrated-gradients", "guided-ig", "deeplift"] {
        let steps: &[(&str, &str)] = if method == "deeplift" {
            &[]
        } else {
            &[("steps", "5")]
        };
        let map = |baseline| {
            let options = [steps, &[("baseline", baseline)]].concat();
            raw(&case.map_of(3, method, &options)).to_vec()
        };
        let (noise, blur) = (map("noise"), map("blur"));
        let mean: Vec<f32> = noise
            .iter()
            .zip(&blur)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        assert!(relative_error(&map("noise,blur"), &mean) < 1e-5, "{method}");
    }
}

#[test]
fn a_picture_equal_to_its_baseline_has_no_attribution() {
    let size = (5, 4);
    let case = linear_case(
        size,
        &seeded::uniform("own", 2 * 60, -1.0, 1.0),
        Picture::filled(5, 4, [0; 3]),
    );
    for method in ["integrated-gradients", "guided-ig", "deeplift"] {
        let map = case.map_of(1, method, &[("baseline", "black")]);
        assert_eq!(raw(&map), [0.0; 60], "{method}");
        let warned = map.warnings.iter().any(|w| w.contains("zero everywhere"));
        assert!(warned, "{method}: {:?}", map.warnings);
    }
}

#[test]
fn too_few_steps_give_a_warning() {
    // Half way to the picture the second ReLU is still 0.
    let options = [("steps", "1")];
    let map = shifted_rectifiers().map_of(0, "integrated-gradients", &options);
    assert_near(raw(&map), &[2.0, 0.0, 0.0], 1e-5);
    assert!((gap(&map) + 1.0).abs() < 1e-5);
    let warned = map
        .warnings
        .iter()
        .any(|w| w.ends_with("take more `steps`"));
    assert!(warned, "{:?}", map.warnings);
}

#[test]
fn invalid_settings_are_an_error() {
    for (method, option, value) in [
        ("integrated-gradients", "steps", "0"),
        ("integrated-gradients", "steps", "1000000"),
        ("integrated-gradients", "baseline", "nothing"),
        ("blur-ig", "sigma", "0"),
        ("blur-ig", "sigma", "NaN"),
        ("guided-ig", "fraction", "2"),
        ("smoothgrad", "noise", "-1"),
        ("smoothgrad", "of", "rise"),
        ("expected-gradients", "samples", "0"),
    ] {
        let error = made(method, &[(option, value)]).err();
        let error = error.unwrap_or_else(|| panic!("{method} takes {option} {value}"));
        assert_eq!(error.option, option);
    }
}

#[test]
fn every_method_here_takes_channels_and_score() {
    for (method, _) in SHORT {
        let entry = registry::find(method).unwrap();
        assert!(entry.takes("channels") && entry.takes("score"), "{method}");
    }
}
