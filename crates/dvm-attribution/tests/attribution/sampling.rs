//! Metrics with random samples: examples worked out by hand, and properties for every method.

use dvm_attribution::metrics::{Candidate, Measurement};
use dvm_attribution::{Error, Subject, Target};
use dvm_engine::{Graph, seeded};
use dvm_image::{Input, Picture, Preprocess, Resize};

use crate::subject::{
    Case, as_it_is, for_every_network, given, linear_case, made, noise_picture, relative_error,
    small, small_network,
};

/// Rows and columns of the linear network's picture.
const SIZE: (usize, usize) = (18, 21);

fn linear() -> (Case, Vec<f32>) {
    let mut weight = seeded::uniform("weight", 3 * SIZE.0 * SIZE.1, -1.0, 1.0);
    // A second class without score: a single output would be that of *yes* against *no*.
    weight.resize(2 * weight.len(), 0.0);
    let picture = noise_picture("linear", SIZE);
    let case = linear_case(SIZE, &weight, picture);
    (case, weight)
}

/// The contribution of each pixel to the score of a linear network: weight × value, over channels.
fn shares(case: &Case, weight: &[f32]) -> Vec<f32> {
    let pixels = SIZE.0 * SIZE.1;
    let product = |at: usize| weight[at] * case.input.values()[at];
    let sum = |pixel: usize| {
        (0..3)
            .map(|channel| product(channel * pixels + pixel))
            .sum()
    };
    (0..pixels).map(sum).collect()
}

fn measured(
    subject: &Subject,
    metric: &str,
    options: &[(&str, &str)],
    map: Vec<f32>,
) -> Result<Measurement, Error> {
    let attribution = given(0, subject.size(), map);
    let candidate = Candidate::new(subject, &attribution)?;
    crate::subject::metric(metric, options).measure(&candidate)
}

fn figure(found: &Measurement, name: &str) -> f64 {
    let figure = found.figures.iter().find(|figure| figure.name == name);
    figure.unwrap().value
}

#[test]
fn mu_fidelity_of_the_contributions_to_a_linear_score_is_1_and_of_their_negative_minus_1() {
    let (case, weight) = linear();
    let map = shares(&case, &weight);
    // One cell at a time is computed incrementally, many cells as a whole.
    for subset in ["0.2", "0.01"] {
        let options = [("subset", subset), ("samples", "50")];
        let found = measured(&case.subject(), "mu-fidelity", &options, map.clone()).unwrap();
        assert!((found.value - 1.0).abs() < 1e-6, "{}", found.value);
        assert!(figure(&found, "rank correlation") > 0.999);
        assert_eq!(found.finding, None);
        let negative = map.iter().map(|v| -v).collect();
        let found = measured(&case.subject(), "mu-fidelity", &options, negative).unwrap();
        assert!((found.value + 1.0).abs() < 1e-6, "{}", found.value);
        assert!(found.finding.is_some());
    }
}

#[test]
fn infidelity_of_the_contributions_to_a_linear_score_is_0() {
    let (case, weight) = linear();
    for perturbation in ["square", "pixels"] {
        let options = [("perturbation", perturbation), ("samples", "20")];
        let map = shares(&case, &weight);
        let found = measured(&case.subject(), "infidelity", &options, map).unwrap();
        assert!(figure(&found, "share unexplained") < 1e-10);
        assert!((figure(&found, "best scale") - 1.0).abs() < 1e-5);
        assert!(figure(&found, "without scaling") < 1e-8);
        assert_eq!(found.finding, None);
    }
    // The same noise is subtracted from all channels, so the slope of a pixel is the sum of its weights.
    let pixels = SIZE.0 * SIZE.1;
    let slope = |pixel: usize| (0..3).map(|c| weight[c * pixels + pixel]).sum();
    let slopes = (0..pixels).map(slope).collect();
    let options = [("perturbation", "noise")];
    let found = measured(&case.subject(), "infidelity", &options, slopes).unwrap();
    assert!(figure(&found, "share unexplained") < 1e-10);
    assert!((figure(&found, "best scale") - 1.0).abs() < 1e-5);
}

#[test]
fn infidelity_of_integrated_gradients_on_a_linear_network_is_0() {
    let (case, _) = linear();
    let options = [("baseline", "zero"), ("channels", "sum")];
    let map = case.map_of(0, "integrated-gradients", &options).map;
    let found = measured(&case.subject(), "infidelity", &[], map).unwrap();
    assert!(figure(&found, "without scaling") < 1e-8);
    assert!(found.value < 1e-8);
}

#[test]
fn squares_are_computed_incrementally_with_the_same_figure() {
    let case = small();
    let map = case.map_of(3, "gradient", &[("channels", "sum")]).map;
    let find = |subject: &Subject| measured(subject, "infidelity", &[], map.clone()).unwrap();
    let (partly, wholly) = (
        find(&case.subject()),
        find(&case.subject().incremental(false)),
    );
    assert!((partly.value - wholly.value).abs() < 1e-4 * wholly.value);
}

#[test]
fn road_of_a_network_that_reads_a_few_pixels_is_best_for_a_map_of_these() {
    // The score is the contrast of a bright square to its surroundings; imputed pixels have the surrounding colour.
    let (height, width) = SIZE;
    let inside = |at: usize| {
        let (y, x) = (at / width, at % width);
        (6..11).contains(&y) && (7..12).contains(&x)
    };
    let pixels = height * width;
    let mut weight: Vec<f32> = (0..3 * pixels)
        .map(|at| f32::from(u8::from(inside(at % pixels))) / 75.0)
        .collect();
    weight.resize(2 * weight.len(), 0.0);
    let bytes = (0..pixels * 3).map(|at| if inside(at / 3) { 250 } else { 20 });
    let picture = Picture::new(height, width, bytes.collect());
    let case = linear_case(SIZE, &weight, picture);
    let map: Vec<f32> = (0..pixels)
        .map(|at| f32::from(u8::from(inside(at))))
        .collect();
    let options = [("score", "logit"), ("noise", "0"), ("percent", "7,10")];
    let find = |map: Vec<f32>| measured(&case.subject(), "road", &options, map).unwrap();
    let found = find(map.clone());
    // 7 of 100 pixels are 1 + ⌊377 · 0.07⌋ = 27, and 25 are inside.
    let (bright, dark) = (250.0f32, 20.0f32);
    let level = |value: f32| -> f64 {
        let preprocess = Preprocess::imagenet();
        let all = preprocess.normalise_colour([value; 3]);
        all.map(f64::from).sum::<f64>() / 3.0
    };
    let (whole, without) = (level(bright), level(dark));
    assert!((figure(&found, "most relevant replaced") - without).abs() < 1e-5);
    assert!((figure(&found, "least relevant replaced") - whole).abs() < 1e-5);
    assert!((found.value - (whole - without) / 2.0).abs() < 1e-5);
    assert_eq!(found.curves[0].points[0].0, 0.0);
    assert!((found.curves[0].points[0].1 - whole).abs() < 1e-5);
    assert_eq!(found.finding, None);
    let opposite = find(map.iter().map(|v| -v).collect());
    assert!((opposite.value + found.value).abs() < 1e-5);
    assert!(opposite.finding.is_some());
}

#[test]
fn a_metric_that_lacks_something_is_an_error() {
    let case = small();
    let map = vec![1.0; 32 * 28];
    let error = measured(&case.subject(), "max-sensitivity", &[], map.clone()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the method that made the map is not known")
    );
    let error = measured(&case.subject(), "mu-fidelity", &[("grid", "29")], map).unwrap_err();
    assert!(error.to_string().contains("29×29"));
}

#[test]
fn max_sensitivity_without_noise_is_0() {
    let case = small();
    let method = made("grad-cam", &[]).unwrap();
    let subject = case.subject();
    let target = [Target::Class(3)];
    let map = method.attribute(&subject, &target).unwrap().remove(0);
    let candidate = Candidate::new(&subject, &map).unwrap().made_by(&*method);
    let measure = |radius| {
        let options = [("radius", radius), ("samples", "2")];
        let metric = crate::subject::metric("max-sensitivity", &options);
        metric.measure(&candidate).unwrap()
    };
    assert_eq!(measure("0").value, 0.0);
    let (little, much) = (measure("0.01").value, measure("0.1").value);
    assert!(0.0 < little && little < much);
}

/// A second picture of the small network, and the first with the values of the second.
fn two_pictures(graph: Graph) -> (Case, Input) {
    let size = (32, 28);
    let first = Case::new(graph, as_it_is(size), noise_picture("first", size));
    let second = first.preprocess.apply(noise_picture("second", size));
    let values = second.unwrap().values().to_vec();
    let changed = first.preprocess.changed(&first.input, values);
    (first, changed)
}

#[test]
fn every_method_uses_the_values_of_a_changed_picture() {
    let (first, changed) = two_pictures(small_network());
    let second = first.preprocess.apply(noise_picture("second", (32, 28)));
    let second = second.unwrap();
    // The segments of XRAI also depend on the crop.
    for entry in for_every_network().filter(|entry| entry.name != "xrai") {
        let mut options = Vec::new();
        // The pixels of the crop are rounded, so results from them may differ a little.
        for (option, value) in [
            ("baseline", "zero"),
            ("fill", "zero"),
            ("segments", "grid:4"),
            ("samples", "40"),
            ("masks", "20"),
            ("iterations", "5"),
            ("steps", "4"),
        ] {
            if entry.takes(option) {
                options.push((option, value));
            }
        }
        let method = made(entry.name, &options).unwrap();
        let map = |subject: &Subject| {
            let target = [Target::Class(3)];
            method.attribute(subject, &target).unwrap().remove(0).map
        };
        let own = map(&first.subject());
        let found = map(&first.subject().with_input(&changed));
        let other = Subject::new(&first.network, &second, &first.preprocess);
        let expected = map(&other.with_memory(first.memory));
        assert_eq!(found, expected, "{}", entry.name);
        assert!(relative_error(&found, &own) > 1e-3, "{}", entry.name);
    }
}

#[test]
fn windows_on_the_original_keep_the_noise_of_a_changed_picture_where_they_have_no_influence() {
    let preprocess = Preprocess {
        resize: Resize::ShortSide(24),
        crop: (20, 20),
        ..Preprocess::imagenet()
    };
    let case = Case::new(
        small_network(),
        preprocess,
        noise_picture("image space", (50, 37)),
    );
    let own = case.input.values();
    let noise = seeded::uniform("noise", own.len(), -0.5, 0.5);
    let noisy: Vec<f32> = own.iter().zip(&noise).map(|(v, n)| v + n).collect();
    let changed = case.preprocess.changed(&case.input, noisy.clone());
    let options = [
        ("space", "image"),
        ("window", "12"),
        ("stride", "12"),
        ("fill", "black"),
        ("score", "logit"),
        ("value", "raw"),
    ];
    let method = made("occlusion", &options).unwrap();
    let subject = case.subject().with_input(&changed);
    let target = [Target::Class(0)];
    let raw = method.attribute(&subject, &target).unwrap().remove(0);
    let raw = raw.raw();
    let (rows, columns) = (raw.shape[1], raw.shape[2]);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
        let mut covered = case.input.original().clone();
        for y in row * 12..(row * 12 + 12).min(50) {
            for x in column * 12..(column * 12 + 12).min(37) {
                covered.set_pixel(y, x, [0; 3]);
            }
        }
        let covered = case.preprocess.apply(covered).unwrap();
        let all = covered.values().iter().zip(own).zip(&noisy);
        let value = |((c, o), n): ((&f32, &f32), &f32)| if c == o { *n } else { *c };
        let values: Vec<f32> = all.map(value).collect();
        let pictures = dvm_engine::Tensor::from_nchw(&[1, 3, 20, 20], &values);
        let logits = case.network.graph().logits(&pictures).unwrap();
        for (class, expected) in logits.data().iter().enumerate() {
            let found = raw.values[(class * rows + row) * columns + column];
            assert!(
                (found - expected).abs() < 1e-5,
                "{class}: {found} {expected}"
            );
        }
    }
}
