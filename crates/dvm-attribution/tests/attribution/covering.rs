//! Metrics that cover more and more of a picture: examples worked out by hand, and properties for every network.

use dvm_attribution::Attribution;
use dvm_attribution::metrics::{Candidate, Measurement, registry};
use dvm_attribution::random::Stream;
use dvm_engine::{Arithmetic, seeded};
use dvm_image::Picture;

use crate::subject::{
    Case, given, in_whole_colours, linear_case, linear_network, metric, noise_picture, on_threads,
    small, small_with,
};

const COVERING: [&str; 5] = [
    "symmetric-relevance-gain",
    "deletion",
    "insertion",
    "pixel-flipping",
    "region-perturbation",
];

fn measured(case: &Case, map: &Attribution, name: &str, options: &[(&str, &str)]) -> Measurement {
    let subject = case.subject();
    let candidate = Candidate::new(&subject, map).unwrap();
    metric(name, options).measure(&candidate).unwrap()
}

/// A row of grey pixels of these values whose logit 1 is their sum.
fn row_of(values: &[u8]) -> (Case, Attribution) {
    let size = (1, values.len());
    let weight = [vec![0.0; 3 * values.len()], vec![1.0; 3 * values.len()]].concat();
    let pixels = values.iter().flat_map(|&value| [value; 3]).collect();
    let picture = Picture::new(1, values.len(), pixels);
    let graph = linear_network(size, &weight);
    let case = Case::new(graph, in_whole_colours(size), picture);
    let map = values.iter().map(|&value| f32::from(value)).collect();
    (case, given(1, size, map))
}

/// The examples are for a score that is 1 for the whole picture: the logit is 30 times as large for
/// values in hundredths.
fn assert_row(values: &[u8], steps: &str, deletion: &[(f64, f64)], areas: (f64, f64)) {
    let (case, map) = row_of(values);
    let options = [("steps", steps), ("score", "logit")];
    let deleted = measured(&case, &map, "deletion", &options);
    let inserted = measured(&case, &map, "insertion", &options);
    let gain = measured(&case, &map, "symmetric-relevance-gain", &options);
    let close = |found: f64, expected: f64| (found - expected * 300.0).abs() < 1e-3;
    for (found, expected) in deleted.curves[0].points.iter().zip(deletion) {
        assert!((found.0 - expected.0).abs() < 1e-12, "{found:?}");
        assert!(close(found.1, expected.1), "{found:?}");
        // The covered and the shown pixels add up to the picture.
        let shown = inserted.curves[0].points.iter().find(|p| p.0 == found.0);
        assert!(close(shown.unwrap().1, 1.0 - expected.1), "{shown:?}");
    }
    assert_eq!(deleted.curves[0].points.len(), deletion.len());
    assert!(close(deleted.value, areas.0), "{}", deleted.value);
    assert!(close(inserted.value, areas.1), "{}", inserted.value);
    assert!(close(gain.value, areas.1 - areas.0), "{}", gain.value);
    assert_eq!(gain.finding, None);
}

#[test]
fn four_pixels_in_two_steps_as_worked_out_by_hand() {
    let deletion = [(0.0, 1.0), (0.5, 0.3), (1.0, 0.0)];
    assert_row(&[40, 30, 20, 10], "2", &deletion, (0.4, 0.6));
}

#[test]
fn five_pixels_in_three_steps_as_worked_out_by_hand() {
    let deletion = [(0.0, 1.0), (0.4, 0.45), (0.8, 0.1), (1.0, 0.0)];
    assert_row(&[30, 25, 20, 15, 10], "3", &deletion, (0.41, 0.59));
}

#[test]
fn the_least_relevant_pixels_are_covered_first_by_insertion_in_reverse() {
    let (case, map) = row_of(&[30, 25, 20, 15, 10]);
    let options = [("steps", "3"), ("score", "logit")];
    let gain = measured(&case, &map, "symmetric-relevance-gain", &options);
    let names: Vec<&str> = gain.curves.iter().map(|curve| curve.name).collect();
    assert_eq!(names, ["most relevant first", "least relevant first"]);
    let least = &gain.curves[1].points;
    for (found, expected) in least
        .iter()
        .zip([(0.0, 1.0), (0.2, 0.9), (0.6, 0.55), (1.0, 0.0)])
    {
        assert!((found.0 - expected.0).abs() < 1e-12, "{found:?}");
        assert!((found.1 - 300.0 * expected.1).abs() < 1e-3, "{found:?}");
    }
}

#[test]
fn regions_and_patches_of_a_sum_as_worked_out_by_hand() {
    let (case, map) = row_of(&[30, 40, 10, 20]);
    let options = [("patch", "1"), ("score", "logit"), ("regions", "2")];
    let aopc = measured(&case, &map, "region-perturbation", &options);
    // 1/3 · (0 + 40 + 70) per channel.
    assert!((aopc.value - 110.0).abs() < 1e-3, "{}", aopc.value);
    assert_eq!(aopc.curves[0].points.len(), 3);
    let flipping = measured(&case, &map, "pixel-flipping", &options[..2]);
    // 1, .6, .3, .1, 0 of 300.
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-3, "{found}");
    close(flipping.value, 300.0 * 0.375);
    let least = [&options[..2], &[("order", "least-relevant-first")]].concat();
    let flipping = measured(&case, &map, "pixel-flipping", &least);
    close(flipping.value, 300.0 * 0.625);
}

#[test]
fn an_inverted_map_does_not_pass() {
    let (case, map) = row_of(&[30, 40, 10, 20]);
    let opposite = given(1, (1, 4), map.map.iter().map(|value| -value).collect());
    let options = [("score", "logit"), ("steps", "4")];
    let right = measured(&case, &map, "symmetric-relevance-gain", &options);
    let wrong = measured(&case, &opposite, "symmetric-relevance-gain", &options);
    assert!((wrong.value + right.value).abs() < 1e-3 * right.value);
    assert!(wrong.finding.unwrap().contains("matter no more"));
}

/// A map of a blob, whose first rings are small, and one of noise, whose rings are everywhere.
fn maps_of(size: (usize, usize)) -> [Attribution; 2] {
    let pixels = || (0..size.0).flat_map(|y| (0..size.1).map(move |x| (y as f32, x as f32)));
    let blob = pixels().map(|(y, x)| -(y - 9.3).powi(2) - (x - 12.7).powi(2));
    let noise = seeded::uniform("map", size.0 * size.1, -1.0, 1.0);
    [blob.collect(), noise].map(|map| given(3, size, map))
}

/// Largest difference of all points of curves, which must have the same pixels.
fn difference(a: &Measurement, b: &Measurement) -> f64 {
    assert_eq!(a.curves.len(), b.curves.len());
    let points = |m: &Measurement| -> Vec<(f64, f64)> {
        let curves = m.curves.iter();
        curves.flat_map(|curve| curve.points.clone()).collect()
    };
    let (a, b) = (points(a), points(b));
    assert!(a.len() == b.len() && a.len() > 3);
    let points = a.iter().zip(&b);
    points.fold(0.0, |most: f64, (a, b)| {
        assert_eq!(a.0, b.0);
        most.max((a.1 - b.1).abs())
    })
}

#[test]
fn incremental_results_equal_those_of_whole_pictures() {
    let exact = small_with(Arithmetic::Exact, 64 << 20);
    for (case, tolerance) in [(exact, 0.0), (small(), 1e-5)] {
        for map in maps_of((32, 28)) {
            for name in COVERING {
                for options in [
                    &[("score", "logit"), ("baseline", "blur")][..],
                    &[
                        ("score", "logit"),
                        ("patch", "5"),
                        ("steps", "17"),
                        ("regions", "30"),
                    ],
                ] {
                    let found = |incremental: bool| {
                        let subject = case.subject().incremental(incremental);
                        let candidate = Candidate::new(&subject, &map).unwrap();
                        metric(name, options).measure(&candidate).unwrap()
                    };
                    let off = difference(&found(true), &found(false));
                    assert!(off <= tolerance, "{name}: off by {off:e}");
                }
            }
        }
    }
}

#[test]
fn in_exact_arithmetic_figures_do_not_depend_on_threads_or_memory() {
    let all = |threads: usize, memory: usize| {
        on_threads(threads, || {
            let case = small_with(Arithmetic::Exact, memory);
            let maps = maps_of((32, 28));
            let of_map = |map| COVERING.map(|name| measured(&case, map, name, &[]));
            maps.each_ref().map(of_map)
        })
    };
    let expected = all(1, 64 << 20);
    assert!(all(3, 64 << 20) == expected, "threads");
    assert!(all(2, 4096) == expected, "memory");
}

#[test]
fn the_gain_of_a_random_order_is_zero_within_its_standard_error() {
    let case = small();
    // All pixels are equal: the order depends only on the seed.
    let map = given(3, (32, 28), vec![1.0; 32 * 28]);
    let gain = |seed: usize| {
        let seed = seed.to_string();
        let options = [("steps", "28"), ("score", "logit"), ("seed", &seed[..])];
        measured(&case, &map, "symmetric-relevance-gain", &options).value
    };
    let gains: Vec<f64> = (0..40).map(gain).collect();
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let variance = gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let error = (variance / count).sqrt();
    assert!(error > 0.0);
    assert!(mean.abs() <= 3.0 * error, "{mean} ± {error}");
}

#[test]
fn no_order_beats_the_true_ranking_of_a_linear_model() {
    let (size, pixels) = ((8, 9), 72);
    let weight = seeded::uniform("true ranking", 2 * 3 * pixels, -1.0, 1.0);
    let case = linear_case(size, &weight, noise_picture("true ranking", size));
    // The contribution of each pixel to logit 1 over a baseline of zero.
    let share = |pixel: usize| -> f32 {
        let channels = (0..3).map(|channel| channel * pixels + pixel);
        channels
            .map(|at| weight[3 * pixels + at] * case.input.values()[at])
            .sum()
    };
    let truth = given(1, size, (0..pixels).map(share).collect());
    let options = [
        ("steps", "12"),
        ("score", "logit"),
        ("baseline", "zero"),
        ("patch", "1"),
    ];
    let figures = |map: &Attribution| {
        COVERING.map(|name| {
            let better = registry::find(name).unwrap().better;
            let sign = if better == registry::Better::Lower {
                -1.0
            } else {
                1.0
            };
            sign * measured(&case, map, name, &options).value
        })
    };
    let best = figures(&truth);
    for seed in 0..100 {
        let ranks = Stream::new("other orders", seed).permutation(pixels);
        let other = given(1, size, ranks.into_iter().map(|rank| rank as f32).collect());
        for ((name, best), found) in COVERING.iter().zip(best).zip(figures(&other)) {
            assert!(found <= best, "{name}, order {seed}: {found} beats {best}");
        }
    }
}

#[test]
fn the_order_of_pixels_of_equal_relevance_depends_only_on_the_seed() {
    let (case, _) = row_of(&[9, 1, 5, 3, 7, 2]);
    let level = given(1, (1, 6), vec![0.5; 6]);
    let points = |seed: usize| {
        let seed = seed.to_string();
        let options = [("steps", "6"), ("score", "logit"), ("seed", &seed[..])];
        let deletion = measured(&case, &level, "deletion", &options);
        deletion.curves[0].points.clone()
    };
    assert_eq!(points(4), points(4));
    // The first step down shows which pixel was first.
    let first = |seed| {
        let points = points(seed);
        ((points[0].1 - points[1].1) / 3.0).round() as i64
    };
    let firsts: Vec<i64> = (0..12).map(first).collect();
    assert!(firsts.iter().any(|&value| value != firsts[0]), "{firsts:?}");
    assert!(
        firsts
            .iter()
            .all(|value| [9, 1, 5, 3, 7, 2].contains(value))
    );
}

#[test]
fn curves_are_computed_once_for_all_metrics_with_the_same_settings() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = AtomicUsize::new(0);
    let count = |done: usize, all: usize| {
        if done == all {
            asked.fetch_add(all, Ordering::Relaxed);
        }
    };
    let case = small();
    let subject = case.subject();
    let subject = subject.with_progress(&count);
    let map = &maps_of((32, 28))[1];
    let candidate = Candidate::new(&subject, map).unwrap();
    let measure = |name: &str, seed| {
        metric(name, &[("steps", "10"), ("seed", seed)])
            .measure(&candidate)
            .unwrap()
    };
    let gain = measure("symmetric-relevance-gain", "0");
    assert_eq!(asked.load(Ordering::Relaxed), 20);
    let (deletion, insertion) = (measure("deletion", "0"), measure("insertion", "0"));
    assert_eq!(asked.load(Ordering::Relaxed), 20);
    assert!((gain.value - (insertion.value - deletion.value)).abs() < 1e-12);
    measure("deletion", "1");
    assert_eq!(asked.load(Ordering::Relaxed), 30);
}

#[test]
fn patches_larger_than_the_picture_are_an_error() {
    let (case, map) = row_of(&[1, 2, 3]);
    let subject = case.subject();
    let candidate = Candidate::new(&subject, &map).unwrap();
    for name in ["pixel-flipping", "region-perturbation"] {
        let refused = metric(name, &[]).measure(&candidate).unwrap_err();
        assert!(refused.to_string().contains("8×8"), "{refused}");
    }
}
