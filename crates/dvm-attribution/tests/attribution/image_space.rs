//! Windows on the original picture, before it is resized and cropped, compared with a second,
//! simple implementation: draw the rectangle, prepare the picture again, run the network.

use dvm_attribution::Attribution;
use dvm_image::{Picture, Preprocess, Resize};

use crate::subject::{Case, as_it_is, noise_picture, small_network};
use dvm_engine::Arithmetic;

const WINDOW: usize = 12;
const STRIDE: usize = 7;

/// A picture of 50 rows by 37 columns, resized to 32 by 24, with a crop of 20 by 20.
fn subject() -> Case {
    let preprocess = Preprocess {
        resize: Resize::ShortSide(24),
        crop: (20, 20),
        ..Preprocess::imagenet()
    };
    let picture = noise_picture("image space", (50, 37));
    let subject = Case::new(small_network(), preprocess, picture);
    assert_eq!(subject.input.resized(), (32, 24));
    subject
}

fn seed_preset(subject: &Case, target: usize) -> Attribution {
    let options = [("preset", "seed"), ("window", "12"), ("stride", "7")];
    let attribution = subject.map_of(target, "occlusion", &options);
    // ceil((50 − 12) / 7) + 1 and ceil((37 − 12) / 7) + 1.
    assert_eq!(attribution.raw().shape, [5, 7, 5]);
    attribution
}

/// The original with a black rectangle, clipped, at one cell of the grid.
fn with_black_square(original: &Picture, row: usize, column: usize) -> Picture {
    let mut picture = original.clone();
    for y in row * STRIDE..(row * STRIDE + WINDOW).min(picture.height()) {
        for x in column * STRIDE..(column * STRIDE + WINDOW).min(picture.width()) {
            picture.set_pixel(y, x, [0; 3]);
        }
    }
    picture
}

/// For each of `points`, the window whose clipped centre is nearest, the first of equals.
fn nearest_windows(points: &[f64], windows: usize, length: usize) -> Vec<usize> {
    let centre = |i: usize| (i * STRIDE + (i * STRIDE + WINDOW).min(length)) as f64 / 2.0;
    let nearest = |p: &f64| {
        (0..windows)
            .min_by(|&a, &b| (centre(a) - p).abs().total_cmp(&(centre(b) - p).abs()))
            .unwrap()
    };
    points.iter().map(nearest).collect()
}

#[test]
fn scores_equal_those_of_pictures_covered_and_prepared_one_by_one() {
    let subject = subject();
    let raw = seed_preset(&subject, 0).raw().clone();
    for (row, column) in (0..7).flat_map(|row| (0..5).map(move |column| (row, column))) {
        let covered = with_black_square(subject.input.original(), row, column);
        let prepared = subject.preprocess.apply(covered).unwrap();
        let expected = subject.probabilities_of(prepared.crop());
        for (class, expected) in expected.into_iter().enumerate() {
            let actual = f64::from(raw.values[(class * 7 + row) * 5 + column]);
            assert!(
                (actual - expected).abs() < 1e-6,
                "class {class}, window {row}, {column}: {actual} instead of {expected}"
            );
        }
    }
}

#[test]
fn each_pixel_of_the_crop_shows_the_window_nearest_to_it_on_the_original() {
    let subject = subject();
    let attribution = seed_preset(&subject, 3);
    assert_eq!(attribution.size, (20, 20));
    // The crop starts at row 6 of 32 and column 2 of 24 of the resized picture.
    let points = |origin: f64, scale: f64| -> Vec<f64> {
        (0..20)
            .map(|i| (f64::from(i) + 0.5 + origin) * scale)
            .collect()
    };
    let rows = nearest_windows(&points(6.0, 50.0 / 32.0), 7, 50);
    let columns = nearest_windows(&points(2.0, 37.0 / 24.0), 5, 37);
    for (y, row) in rows.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let expected = attribution.raw().values[(3 * 7 + row) * 5 + column];
            assert_eq!(attribution.map[y * 20 + x], expected, "at {y}, {x}");
        }
    }
}

#[test]
fn a_window_outside_of_the_crop_keeps_the_score_of_the_whole_picture() {
    // The outer of four windows across are outside of the middle third that is the crop.
    let picture = noise_picture("wide", (16, 48));
    let subject = Case::new(small_network(), as_it_is((16, 16)), picture);
    let options = [
        ("window", "16x12"),
        ("stride", "16x12"),
        ("space", "image"),
        ("fill", "black"),
        ("score", "logit"),
    ];
    let raw = subject.map_of(0, "occlusion", &options).raw().clone();
    assert_eq!(raw.shape, [5, 1, 4]);
    let whole = subject.subject().numbers().unwrap();
    for (class, scores) in raw.values.chunks_exact(4).enumerate() {
        let changed: Vec<usize> = (0..4).filter(|&i| scores[i] != whole[class]).collect();
        assert_eq!(changed, [1, 2]);
    }
}

#[test]
fn without_resizing_windows_on_the_original_equal_those_on_the_input() {
    let size = (23, 31);
    let picture = noise_picture("spaces", size);
    // The spaces differ in what a window can change, and so in which windows are batched.
    let network = small_network().with_arithmetic(Arithmetic::Exact);
    let subject = Case::new(network, as_it_is(size), picture);
    for fill in ["black", "#ff8001"] {
        for overlap in ["cell", "average", "sum"] {
            let map = |space| {
                let options = [
                    ("window", "8x9"),
                    ("stride", "5x4"),
                    ("fill", fill),
                    ("overlap", overlap),
                    ("space", space),
                ];
                subject.map_of(1, "occlusion", &options)
            };
            let (input, image) = (map("input"), map("image"));
            assert_eq!(input.map, image.map);
            assert_eq!(input.smooth, image.smooth);
            assert_eq!(input.raw(), image.raw());
        }
    }
}

#[test]
fn points_in_the_padding_of_a_small_picture_are_under_no_window() {
    let picture = Picture::filled(10, 16, [255, 128, 9]);
    let subject = Case::new(small_network(), as_it_is((16, 16)), picture);
    let options = [
        ("window", "5"),
        ("stride", "5"),
        ("space", "image"),
        ("overlap", "sum"),
    ];
    let map = subject
        .map_of(
            0,
            "occlusion",
            &[&options[..], &[("fill", "black")]].concat(),
        )
        .map;
    let lit = |rows: std::ops::Range<usize>| {
        map[rows.start * 16..rows.end * 16]
            .iter()
            .all(|&v| v != 0.0)
    };
    assert!(
        map[..3 * 16]
            .iter()
            .chain(&map[13 * 16..])
            .all(|&v| v == 0.0)
    );
    assert!(lit(3..13));
}
