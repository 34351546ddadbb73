//! Metrics of localisation, compared with Quantus and torchray.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_attribution::Error;
use dvm_attribution::metrics::{Candidate, Measurement};
use dvm_engine::seeded;
use serde::Deserialize;

use crate::subject::{given, linear_case, noise_picture};

#[derive(Deserialize)]
struct Described {
    cases: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    size: (usize, usize),
    steps: u32,
    mask: Vec<String>,
    energy_inside: f64,
    rank_accuracy: f64,
    rank_accuracy_error: Option<f64>,
    on_object: Option<f64>,
    #[serde(default)]
    within: BTreeMap<u32, u32>,
}

fn expected() -> Vec<Expected> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
    let json = std::fs::read(folder.join("metrics_localisation.json")).unwrap();
    serde_json::from_slice::<Described>(&json).unwrap().cases
}

impl Expected {
    /// As `references/metrics_localisation.py` makes it.
    fn map(&self) -> Vec<f32> {
        let (height, width) = self.size;
        let name = format!("localisation.{}.map", self.name);
        let mut map = seeded::uniform(&name, height * width, -1.0, 1.0);
        if self.name == "positive" {
            map.iter_mut().for_each(|value| *value = value.abs());
        }
        if self.steps > 0 {
            let steps = self.steps as f32;
            map.iter_mut()
                .for_each(|value| *value = (*value * steps).floor() / steps);
        }
        map
    }

    fn mask(&self) -> Vec<bool> {
        self.mask.concat().chars().map(|c| c == '#').collect()
    }
}

/// The measurement for a map of a picture of this size, whose object is at `region`.
fn measured(
    metric: &str,
    options: &[(&str, &str)],
    size: (usize, usize),
    map: Vec<f32>,
    region: Option<&[bool]>,
) -> Result<Measurement, Error> {
    let weight = vec![0.0; 3 * size.0 * size.1];
    let picture = noise_picture("localisation", size);
    let case = linear_case(size, &weight, picture);
    let subject = case.subject();
    let attribution = given(0, size, map);
    let candidate = Candidate::new(&subject, &attribution).unwrap();
    let candidate = match region {
        Some(region) => candidate.with_region(region),
        None => candidate.without_region("the object is cut off"),
    };
    crate::subject::metric(metric, options).measure(&candidate)
}

fn value_of(metric: &str, options: &[(&str, &str)], case: &Expected) -> f64 {
    let region = case.mask();
    let measured = measured(metric, options, case.size, case.map(), Some(&region));
    measured.unwrap().value
}

#[test]
fn energy_inside_equals_the_mass_accuracy_of_quantus() {
    for case in expected() {
        let value = value_of("energy-inside", &[], &case);
        let off = (value - case.energy_inside).abs() / case.energy_inside;
        assert!(off < 1e-9, "{}: {value}", case.name);
    }
}

#[test]
fn rank_accuracy_equals_quantus_and_for_equal_pixels_the_mean_over_their_orders() {
    for case in expected() {
        let value = value_of("rank-accuracy", &[], &case);
        // Four standard errors of the drawn orders.
        let allowed = 1e-12 + 4.0 * case.rank_accuracy_error.unwrap_or(0.0);
        let off = (value - case.rank_accuracy).abs();
        assert!(off <= allowed, "{}: {value}", case.name);
    }
}

#[test]
fn the_pointing_game_without_tolerance_equals_quantus() {
    let mut compared = 0;
    for case in expected() {
        if let Some(on_object) = case.on_object {
            let value = value_of("pointing-game", &[("tolerance", "0")], &case);
            assert_eq!(value, on_object, "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 3);
}

#[test]
fn the_pointing_game_with_a_tolerance_equals_torchray() {
    let mut hits = [0, 0];
    for case in expected() {
        for (&tolerance, &hit) in &case.within {
            // The option is for a shorter side of 224 pixels.
            let side = case.size.0.min(case.size.1) as f64;
            let option = (f64::from(tolerance) * 224.0 / side).to_string();
            let value = value_of("pointing-game", &[("tolerance", &option)], &case);
            assert_eq!(value, f64::from(hit), "{} {tolerance}", case.name);
            hits[hit as usize] += 1;
        }
    }
    assert!(hits[0] > 3 && hits[1] > 3, "{hits:?}");
}

/// A picture of 4×8 pixels whose object is the left half of the first row, and its highest point at `points`.
fn pointed_at(points: &[usize], tolerance: &str) -> Measurement {
    let mut map = vec![-1.0; 32];
    points.iter().for_each(|&point| map[point] = 2.0);
    let mut region = vec![false; 32];
    region[..4].fill(true);
    let options = [("tolerance", tolerance)];
    measured("pointing-game", &options, (4, 8), map, Some(&region)).unwrap()
}

#[test]
fn a_point_within_the_tolerance_is_a_hit() {
    // The shorter side has 4 pixels: 112 are 2 here. Pixel 19 is in the third row.
    let beside = pointed_at(&[19], "112");
    assert_eq!(beside.value, 1.0);
    assert_eq!(beside.finding, None);
    let figures: Vec<f64> = beside.figures.iter().map(|figure| figure.value).collect();
    assert_eq!(figures, [2.0, 2.0]);
    let beyond = pointed_at(&[19], "111");
    assert_eq!(beyond.value, 0.0);
    let finding = beyond.finding.unwrap();
    assert!(
        finding.contains("2 pixels away from the object"),
        "{finding}"
    );
}

#[test]
fn several_highest_points_count_with_the_part_on_the_object() {
    assert_eq!(pointed_at(&[2, 3, 6, 30], "0").value, 0.5);
    // A constant map has the result of chance.
    let all: Vec<usize> = (0..32).collect();
    assert_eq!(pointed_at(&all, "0").value, 4.0 / 32.0);
}

#[test]
fn a_map_that_is_no_better_than_chance_does_not_pass() {
    let region: Vec<bool> = (0..32).map(|pixel| pixel < 8).collect();
    let off: Vec<f32> = (0..32).map(|pixel| pixel as f32).collect();
    let on: Vec<f32> = (0..32).map(|pixel| 31.0 - pixel as f32).collect();
    for metric in ["energy-inside", "rank-accuracy"] {
        let of = |map: &[f32]| measured(metric, &[], (4, 8), map.to_vec(), Some(&region)).unwrap();
        let finding = of(&off).finding.unwrap();
        assert!(finding.contains("takes 25 % of the picture"), "{finding}");
        let good = of(&on);
        assert_eq!(good.finding, None, "{metric}");
        assert_eq!(good.figures[0].value, 0.25);
    }
}

#[test]
fn without_an_object_the_error_says_why() {
    let map = vec![1.0; 32];
    for metric in ["pointing-game", "energy-inside", "rank-accuracy"] {
        let error = measured(metric, &[], (4, 8), map.clone(), None).unwrap_err();
        assert_eq!(error.to_string(), "the object is cut off");
        let nowhere = vec![false; 32];
        let error = measured(metric, &[], (4, 8), map.clone(), Some(&nowhere)).unwrap_err();
        assert!(error.to_string().contains("the object is outside of"));
    }
    let negative = vec![-1.0; 32];
    let everywhere = vec![true; 32];
    let energy = measured("energy-inside", &[], (4, 8), negative, Some(&everywhere));
    let error = energy.unwrap_err().to_string();
    assert!(
        error.contains("no pixel of the map has positive relevance"),
        "{error}"
    );
}
