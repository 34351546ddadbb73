//! The fill of a window, read from a network whose logits are its input.

use dvm_image::{Picture, Preprocess};

use crate::subject::{Case, as_it_is, mirror, noise_picture};

/// Rows and columns of the picture, and of its one window with its position.
const SIZE: (usize, usize) = (5, 7);
const WINDOW: (usize, usize) = (2, 3);
/// With this stride the second window of the second row is at (2, 3).
const WINDOW_AT: (usize, usize) = (2, 3);

fn subject() -> Case {
    Case::new(mirror(SIZE), as_it_is(SIZE), noise_picture("fills", SIZE))
}

/// The input with the window at [`WINDOW_AT`] covered, `[3, H, W]`.
fn covered(subject: &Case, fill: &str, space: &str, noise_seed: &str) -> Vec<f32> {
    let options = [
        ("window", "2x3"),
        ("stride", "2x3"),
        ("score", "logit"),
        ("value", "raw"),
        ("fill", fill),
        ("space", space),
        ("noise-seed", noise_seed),
    ];
    let map = subject.map_of(0, "occlusion", &options);
    assert_eq!(map.raw().shape[1..], [3, 3]);
    let cells = map.raw().values[3 + 1..].iter().step_by(3 * 3);
    cells.copied().collect()
}

fn in_window(y: usize, x: usize) -> bool {
    (WINDOW_AT.0..WINDOW_AT.0 + WINDOW.0).contains(&y)
        && (WINDOW_AT.1..WINDOW_AT.1 + WINDOW.1).contains(&x)
}

/// `[3, H, W]`: the picture, with `colour(y, x)` normalised inside the window.
fn expected(subject: &Case, colour: impl Fn(usize, usize) -> [f32; 3]) -> Vec<f32> {
    let mut values = subject.input.values().to_vec();
    for (y, x) in (0..SIZE.0).flat_map(|y| (0..SIZE.1).map(move |x| (y, x))) {
        if in_window(y, x) {
            let normalised = subject.preprocess.normalise_colour(colour(y, x));
            for (channel, value) in normalised.into_iter().enumerate() {
                values[(channel * SIZE.0 + y) * SIZE.1 + x] = value;
            }
        }
    }
    values
}

/// The mean colour, not rounded.
fn mean(picture: &Picture) -> [f32; 3] {
    let pixels = picture.rgb().len() / 3;
    [0, 1, 2].map(|channel| {
        let values = picture.rgb().iter().skip(channel).step_by(3);
        (values.map(|&v| f64::from(v)).sum::<f64>() / pixels as f64) as f32
    })
}

/// The colour at one point under a Gaussian of standard deviation `sigma`, cut at 3 `sigma`, in both axes at once.
fn blurred_at(picture: &Picture, sigma: f64, y: usize, x: usize) -> [f64; 3] {
    let radius = (3.0 * sigma).ceil() as isize;
    let clamped = |at: usize, d: isize, length: usize| {
        (at as isize + d).clamp(0, length as isize - 1) as usize
    };
    let (mut sums, mut total) = ([0.0; 3], 0.0);
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            let weight = (-0.5 * (dy * dy + dx * dx) as f64 / (sigma * sigma)).exp();
            let there = picture.pixel(
                clamped(y, dy, picture.height()),
                clamped(x, dx, picture.width()),
            );
            total += weight;
            for (sum, value) in sums.iter_mut().zip(there) {
                *sum += weight * f64::from(value);
            }
        }
    }
    sums.map(|sum| sum / total)
}

#[test]
fn a_fill_of_one_colour_covers_with_red_green_and_blue_in_that_order() {
    for (fill, colour) in [
        ("mean", mean(&noise_picture("fills", SIZE))),
        ("black", [0.0; 3]),
        ("grey", [127.5; 3]),
        ("#ff8001", [255.0, 128.0, 1.0]),
    ] {
        let subject = subject();
        let expected = expected(&subject, |_, _| colour);
        assert_eq!(covered(&subject, fill, "input", "0"), expected, "{fill}");
    }
}

#[test]
fn the_fill_zero_is_exactly_zero_after_normalisation() {
    let subject = subject();
    let values = covered(&subject, "zero", "input", "0");
    for (at, (value, whole)) in values.iter().zip(subject.input.values()).enumerate() {
        let (y, x) = (at / SIZE.1 % SIZE.0, at % SIZE.1);
        assert_eq!(*value, if in_window(y, x) { 0.0 } else { *whole });
    }
}

#[test]
fn the_fill_blur_is_a_gaussian_of_half_the_longer_side_of_the_window() {
    let subject = subject();
    let picture = subject.input.crop();
    let expected = expected(&subject, |y, x| {
        blurred_at(picture, 1.5, y, x).map(|v| v as f32)
    });
    let actual = covered(&subject, "blur", "input", "0");
    for (a, e) in actual.iter().zip(&expected) {
        assert!((a - e).abs() < 1e-5, "{a} instead of {e}");
    }
}

#[test]
fn noise_depends_on_the_seed() {
    let noise = |seed| covered(&subject(), "noise", "input", seed);
    assert_eq!(noise("7"), noise("7"));
    let pairs = noise("7").into_iter().zip(noise("8"));
    assert_eq!(
        pairs.filter(|(a, b)| a != b).count(),
        WINDOW.0 * WINDOW.1 * 3
    );
}

#[test]
fn noise_is_uniform_over_the_whole_range() {
    let size = (20, 20);
    let preprocess = Preprocess {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..as_it_is(size)
    };
    let subject = Case::new(mirror(size), preprocess, noise_picture("fills", size));
    let options = [
        ("window", "20"),
        ("fill", "noise"),
        ("score", "logit"),
        ("value", "raw"),
    ];
    let map = subject.map_of(0, "occlusion", &options);
    let values = &map.raw().values;
    assert_eq!(values.len(), 1200);
    assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
    for tenth in 0..10 {
        let (low, high) = (tenth as f32 / 10.0, (tenth + 1) as f32 / 10.0);
        let count = values.iter().filter(|v| (low..high).contains(*v)).count();
        // 120 ± 4 standard deviations.
        assert!((78..=162).contains(&count), "{count} from {low} to {high}");
    }
}

#[test]
fn on_the_original_picture_fills_are_rounded_to_whole_colours() {
    let subject = subject();
    let rounded_mean = mean(subject.input.crop()).map(f32::round);
    let imagenet = [124.0, 116.0, 104.0];
    for (fill, colour) in [
        ("grey", [128.0; 3]),
        ("mean", rounded_mean),
        ("zero", imagenet),
        ("black", [0.0; 3]),
    ] {
        let expected = expected(&subject, |_, _| colour);
        assert_eq!(covered(&subject, fill, "image", "0"), expected, "{fill}");
    }
}

#[test]
fn a_window_at_the_border_is_clipped() {
    let subject = subject();
    let options = [
        ("window", "2x3"),
        ("stride", "2x3"),
        ("score", "logit"),
        ("fill", "black"),
        ("value", "drop"),
    ];
    let raw = subject.map_of(0, "occlusion", &options).raw().clone();
    let last_cell: Vec<f32> = raw.values[8..].iter().step_by(9).copied().collect();
    let changed: Vec<usize> = (0..SIZE.0 * SIZE.1)
        .filter(|&at| last_cell[at] != subject.input.values()[at])
        .collect();
    // Rows 4 … 5 and columns 6 … 8 of a picture that ends at row 4 and column 6.
    assert_eq!(changed, [4 * 7 + 6]);
}

#[test]
fn an_array_file_covers_with_its_normalised_values() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cover.npy");
    let values: Vec<f32> = (0..3 * SIZE.0 * SIZE.1).map(|v| v as f32 / 8.0).collect();
    let shape = [3, SIZE.0, SIZE.1];
    std::fs::write(&file, dvm_image::encode_npy(&shape, &values)).unwrap();
    let mut expected = subject.input.values().to_vec();
    for (index, value) in expected.iter_mut().enumerate() {
        if in_window(index / SIZE.1 % SIZE.0, index % SIZE.1) {
            *value = values[index];
        }
    }
    let found = covered(&subject, file.to_str().unwrap(), "input", "0");
    assert_eq!(found, expected);
}

#[test]
fn an_array_file_of_another_shape_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cover.npy");
    std::fs::write(&file, dvm_image::encode_npy(&[3, 7, 5], &[0.0; 105])).unwrap();
    let subject = subject();
    let options = [
        ("fill", file.to_str().unwrap()),
        ("window", "2"),
        ("stride", "2"),
    ];
    let refused = subject.explain("occlusion", &options, &[0]).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("[3, 7, 5]") && refused.contains("[3, 5, 7]"),
        "{refused}"
    );
}
