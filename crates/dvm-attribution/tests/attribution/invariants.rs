//! Properties that hold for every network and picture.

use std::sync::Arc;
use std::sync::Mutex;

use dvm_attribution::registry::{self, Family};
use dvm_attribution::{Attribution, Target};
use dvm_engine::{Arithmetic, Output, seeded};
use dvm_image::Picture;

use crate::subject::{
    Case, GRADIENTS, bits, for_every_network, linear_case, made, noise_picture, on_threads, small,
    small_with,
};

/// Overlapping windows, the last of which are clipped, and few samples.
const WINDOWS: [(&str, &str); 9] = [
    ("window", "7x6"),
    ("stride", "6x4"),
    ("samples", "16"),
    ("masks", "16"),
    ("segments", "grid:2x3"),
    ("steps", "3"),
    ("iterations", "3"),
    ("mask-step", "5"),
    ("mask-sigma", "8"),
];

/// Methods whose map of a class is not the opposite of that against it: masks, means of scores, and
/// the largest of the channels have no opposite.
const WITHOUT_OPPOSITE: [&str; 3] = ["rise", "xrai", "extremal-perturbation"];

/// One `[classes, rows, columns]` array of 5 · 6 · 7 scores, in bytes: with so little memory, the
/// small network computes one picture at a time.
const SCORES: usize = 5 * 6 * 7 * size_of::<f32>();

/// Maps of classes 0 and 3 by every method, in both spaces.
fn all_maps(subject: &Case) -> Vec<Attribution> {
    let mut maps = Vec::new();
    for entry in for_every_network() {
        for space in ["input", "image"] {
            let options = [&WINDOWS[..], &[("space", space)]].concat();
            maps.extend(subject.explain(entry.name, &options, &[0, 3]).unwrap());
        }
    }
    assert_eq!(maps.len(), for_every_network().count() * 4);
    maps
}

fn assert_same_bytes(a: &Attribution, b: &Attribution) {
    assert_eq!(a.target, b.target);
    assert_eq!(bits(&a.map), bits(&b.map));
    assert_eq!(a.smooth.as_deref().map(bits), b.smooth.as_deref().map(bits));
    assert_eq!(bits(&a.raw().values), bits(&b.raw().values));
    assert_eq!(a.warnings, b.warnings);
}

/// The small network with batches of eight, five and one picture.
fn batches_of_eight_five_and_one(arithmetic: Arithmetic) -> [Case; 3] {
    let subject = |memory: usize| small_with(arithmetic, memory);
    let largest = subject(small().memory);
    let fused = largest.network.fused();
    let picture = fused.peak_values(&[1, 3, 32, 28]).unwrap() * size_of::<f32>();
    let [five, single] = [5 * picture, SCORES].map(subject);
    for (subject, size) in [(&largest, 8), (&five, 5), (&single, 1)] {
        let fused = subject.network.fused();
        assert_eq!(subject.subject().batch_size(fused).unwrap(), size);
    }
    [largest, five, single]
}

#[test]
fn in_exact_arithmetic_maps_do_not_depend_on_the_batch_size() {
    let [expected, others @ ..] = batches_of_eight_five_and_one(Arithmetic::Exact);
    let expected = all_maps(&expected);
    for subject in others {
        for (actual, expected) in all_maps(&subject).iter().zip(&expected) {
            assert_same_bytes(actual, expected);
        }
    }
}

/// Whether Winograd's algorithm is used depends on how many pictures share its filters. It may
/// change maps by 1e-4 of the largest value; measured: 7e-6.
#[test]
fn in_fast_arithmetic_maps_depend_on_the_batch_size_by_rounding_only() {
    let [expected, others @ ..] = batches_of_eight_five_and_one(Arithmetic::Fast);
    let expected = all_maps(&expected);
    let mut worst = 0.0f32;
    for subject in others {
        for (actual, expected) in all_maps(&subject).iter().zip(&expected) {
            let largest = expected
                .map
                .iter()
                .fold(0.0f32, |most, v| most.max(v.abs()));
            for (a, e) in actual.map.iter().zip(&expected.map) {
                worst = worst.max((a - e).abs() / largest);
            }
        }
    }
    assert!(worst <= 1e-4, "off by {worst:.1e}");
}

#[test]
fn gradients_work_with_a_memory_limit_of_zero() {
    let subject = Case {
        memory: 0,
        ..small()
    };
    for method in GRADIENTS {
        assert_same_bytes(
            &subject.map_of(0, method, &[]),
            &small().map_of(0, method, &[]),
        );
    }
}

#[test]
fn maps_do_not_depend_on_the_number_of_threads() {
    let subject = small();
    let maps = |threads| on_threads(threads, || all_maps(&subject));
    let expected = maps(1);
    for threads in [2, 3] {
        for (actual, expected) in maps(threads).iter().zip(&expected) {
            assert_same_bytes(actual, expected);
        }
    }
}

#[test]
fn windows_side_by_side_on_a_linear_model_drop_by_weights_times_change() {
    let (size, patch) = ((6, 8), (3, 2));
    let weight = seeded::uniform("linear", 2 * 3 * 48, -1.0, 1.0);
    let subject = linear_case(size, &weight, noise_picture("linear", size));
    let options = [
        ("window", "3x2"),
        ("stride", "3x2"),
        ("fill", "#204060"),
        ("score", "logit"),
    ];
    let baseline = subject.preprocess.normalise_colour([32.0, 64.0, 96.0]);
    let baseline: Vec<f32> = baseline.collect();
    for target in [0, 1] {
        let map = subject.map_of(target, "occlusion", &options).map;
        for (y, x) in (0..size.0).flat_map(|y| (0..size.1).map(move |x| (y, x))) {
            let (top, left) = (y / patch.0 * patch.0, x / patch.1 * patch.1);
            let mut expected = 0.0;
            for (channel, baseline) in baseline.iter().enumerate() {
                for y in top..top + patch.0 {
                    for x in left..left + patch.1 {
                        let at = (channel * size.0 + y) * size.1 + x;
                        let change = subject.input.values()[at] - baseline;
                        expected += f64::from(weight[target * 144 + at]) * f64::from(change);
                    }
                }
            }
            let actual = f64::from(map[y * size.1 + x]);
            assert!((actual - expected).abs() < 1e-5, "{actual}, not {expected}");
        }
    }
}

#[test]
fn explaining_changes_neither_weights_nor_later_outputs() {
    let subject = small();
    let walks = |subject: &Case| {
        let batch = subject.subject().picture().clone();
        let network = &subject.network;
        [network.graph(), network.folded(), network.fused()]
            .map(|graph| (graph.logits(&batch).unwrap(), graph.values().to_vec()))
    };
    let before = walks(&subject);
    all_maps(&subject);
    assert!(walks(&subject) == before);
}

#[test]
fn all_classes_from_one_run_equal_those_of_one_run_each() {
    let subject = small();
    let classes = [0, 1, 2, 3, 4];
    for entry in for_every_network() {
        let together = subject.explain(entry.name, &WINDOWS, &classes).unwrap();
        for (class, map) in classes.into_iter().zip(&together) {
            assert_same_bytes(map, &subject.map_of(class, entry.name, &WINDOWS));
        }
    }
}

#[test]
fn maps_of_several_classes_are_in_the_order_of_the_targets_and_share_their_scores() {
    let maps = small().explain("occlusion", &WINDOWS, &[4, 0, 4]).unwrap();
    let targets: Vec<usize> = maps.iter().map(|m| m.target.class()).collect();
    assert_eq!(targets, [4, 0, 4]);
    assert!(Arc::ptr_eq(&maps[0].raw().values, &maps[1].raw().values));
    assert_same_bytes(&maps[0], &maps[2]);
}

#[test]
fn a_drop_and_a_raw_score_add_up_to_the_score_of_the_whole_picture() {
    let subject = small();
    for score in ["logit", "probability"] {
        let map = |value| {
            let options = [&WINDOWS[..], &[("score", score), ("value", value)]].concat();
            subject.map_of(2, "occlusion", &options).map
        };
        let whole = match score {
            "logit" => f64::from(subject.logits_of(subject.input.crop())[2]),
            _ => subject.probabilities_of(subject.input.crop())[2],
        };
        for (drop, raw) in map("drop").iter().zip(map("raw")) {
            assert!((f64::from(drop + raw) - whole).abs() < 1e-6);
        }
    }
}

#[test]
fn the_signed_sum_of_input_times_gradient_of_a_linear_model_is_its_logit() {
    let size = (4, 5);
    let weight = seeded::uniform("sum", 3 * 20, -1.0, 1.0);
    let subject = linear_case(size, &weight, noise_picture("sum", size));
    let map = subject
        .map_of(1, "input-x-gradient", &[("channels", "sum")])
        .map;
    let logit = subject.subject().numbers().unwrap()[0];
    assert!((map.iter().sum::<f32>() - logit).abs() < 1e-5);
}

/// A network that reads the green value at `(y, x)` of a picture of `size`, and nothing else.
fn reader_of(size: (usize, usize), (y, x): (usize, usize)) -> Case {
    let mut weight = vec![0.0; 3 * size.0 * size.1];
    weight[(size.0 + y) * size.1 + x] = 1.0;
    let picture = Picture::filled(size.0, size.1, [255; 3]);
    linear_case(size, &weight, picture)
}

#[test]
fn a_network_that_reads_one_pixel_responds_only_to_windows_over_it() {
    let (size, window, stride) = ((11, 17), (3, 5), (2, 3));
    for space in ["input", "image"] {
        for pixel in [(9, 1), (2, 15), (5, 8)] {
            let subject = reader_of(size, pixel);
            let options = [
                ("window", "3x5"),
                ("stride", "2x3"),
                ("fill", "black"),
                ("score", "logit"),
                ("space", space),
                ("overlap", "sum"),
            ];
            let attribution = subject.map_of(1, "occlusion", &options);
            assert_eq!(attribution.raw().shape, [2, 5, 5]);
            let whole = subject.subject().numbers().unwrap()[0];
            for (cell, &score) in attribution.raw().values[25..].iter().enumerate() {
                let (top, left) = (cell / 5 * stride.0, cell % 5 * stride.1);
                let over = (top..top + window.0).contains(&pixel.0)
                    && (left..left + window.1).contains(&pixel.1);
                assert_eq!(score != whole, over, "{pixel:?}, window at {top}, {left}");
            }
            assert_eq!(attribution.size, size);
            let largest = attribution.map.iter().copied().fold(0.0, f32::max);
            assert_eq!(attribution.map[pixel.0 * size.1 + pixel.1], largest);
        }
    }
}

#[test]
fn a_network_that_reads_one_pixel_has_a_gradient_only_there() {
    let (size, pixel) = ((11, 17), (9, 14));
    for method in GRADIENTS {
        let attribution = reader_of(size, pixel).map_of(0, method, &[]);
        assert_eq!(attribution.size, size);
        assert_eq!(attribution.raw().shape, [3, 11, 17]);
        let lit: Vec<usize> = (0..187).filter(|&at| attribution.map[at] != 0.0).collect();
        assert_eq!(lit, [9 * 17 + 14], "{method}");
    }
}

/// The progress of occlusion for a map of 42 windows.
fn steps_of(incremental: bool) -> Vec<usize> {
    let subject = Case {
        memory: SCORES,
        ..small()
    };
    let steps = Mutex::new(Vec::new());
    let tell = |done, all| steps.lock().unwrap().push((done, all));
    let whole = subject.subject().incremental(incremental);
    let targets = [Target::Class(0), Target::Class(3)];
    made("occlusion", &WINDOWS)
        .unwrap()
        .attribute(&whole.with_progress(&tell), &targets)
        .unwrap();
    let steps = steps.into_inner().unwrap();
    assert!(steps.iter().all(|&(_, all)| all == 42));
    steps.into_iter().map(|(done, _)| done).collect()
}

#[test]
fn progress_counts_up_to_the_number_of_steps() {
    let one_by_one: Vec<usize> = (1..=42).collect();
    assert_eq!(steps_of(false), one_by_one);
    let in_groups = steps_of(true);
    assert!(in_groups.is_sorted_by(|a, b| a < b), "{in_groups:?}");
    assert_eq!(in_groups.last(), Some(&42));
}

#[test]
fn a_single_output_counts_for_yes_as_much_as_against_no() {
    let size = (6, 5);
    let weight: Vec<f32> = seeded::uniform("single", 3 * 6 * 5, -0.2, 0.2);
    let subject = linear_case(size, &weight, noise_picture("single", size));
    let subject = Case {
        network: subject.network.with_output(Output::LabelLogits),
        ..subject
    };
    // This network has no feature map for class activation maps; their test is in `cams`.
    let methods = for_every_network().filter(|entry| entry.family != Family::Cam);
    for entry in methods {
        let options = [
            ("window", "2"),
            ("stride", "2"),
            ("channels", "sum"),
            ("samples", "30"),
            ("masks", "30"),
            ("segments", "grid:2"),
            ("cells", "2"),
            ("steps", "2"),
            ("iterations", "2"),
            ("mask-step", "2"),
            ("mask-sigma", "3"),
        ];
        let maps = subject.explain(entry.name, &options, &[0, 1]).unwrap();
        let opposite: Vec<f32> = maps[0].map.iter().map(|v| -v).collect();
        let largest = maps[1].map.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0, "{}", entry.name);
        let has_opposite = !WITHOUT_OPPOSITE.contains(&entry.name);
        for (no, yes) in opposite.iter().zip(&maps[1].map).filter(|_| has_opposite) {
            assert!(
                (no - yes).abs() <= 1e-6 * largest.max(1.0),
                "{}",
                entry.name
            );
        }
        let beyond = subject.explain(entry.name, &options, &[2]).unwrap_err();
        assert!(beyond.to_string().contains("has 2"), "{beyond}");
    }
    // By hand: the probability is a sigmoid.
    let logit = subject.subject().numbers().unwrap()[0];
    let raw = [
        ("value", "raw"),
        ("window", "6x5"),
        ("stride", "6x5"),
        ("fill", "zero"),
    ];
    let covered = subject.map_of(1, "occlusion", &raw);
    assert_eq!(covered.raw().values[..], [0.5, 0.5]);
    let drop = subject.map_of(1, "occlusion", &raw[1..]);
    let expected = 1.0 / (1.0 + (-logit).exp()) - 0.5;
    assert!((drop.map[0] - expected).abs() < 1e-6);
}

#[test]
fn outputs_of_another_kind_than_expected_are_an_error() {
    for entry in registry::ALL {
        let subject = Case {
            network: small().network.with_output(Output::Probabilities),
            ..small()
        };
        let error = subject.explain(entry.name, &WINDOWS, &[0]).unwrap_err();
        assert!(error.to_string().contains("not probabilities"), "{error}");
    }
}
