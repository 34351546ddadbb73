//! The maps that do not use the network.

use dvm_attribution::metrics::controls::CONTROLS;
use dvm_attribution::{Attribution, Method, Target, ValueKind};
use dvm_engine::seeded;
use dvm_image::Picture;
use serde_json::Value;

use crate::subject::{Case, as_it_is, small, small_network};

fn control(name: &str, seed: u64) -> Box<dyn Method> {
    let found = CONTROLS.iter().find(|control| control.name == name);
    (found.unwrap().build)(seed)
}

fn map(case: &Case, name: &str, seed: u64, class: usize) -> Attribution {
    let method = control(name, seed);
    let maps = method.attribute(&case.subject(), &[Target::Class(class)]);
    maps.unwrap().remove(0)
}

#[test]
fn the_edges_equal_scipys() {
    let reference: Value =
        serde_json::from_str(include_str!("../references/controls.json")).unwrap();
    let side = |index: usize| reference["size"][index].as_u64().unwrap() as usize;
    let (height, width) = (side(0), side(1));
    let name = reference["picture"].as_str().unwrap();
    let rgb: Vec<u8> = seeded::unit(name, height * width * 3)
        .iter()
        .map(|&unit| (unit * 256.0) as u8)
        .collect();
    let size = (height, width);
    let picture = Picture::new(height, width, rgb);
    let case = Case::new(small_network(), as_it_is(size), picture);
    let edges = map(&case, "edges", 0, 1);
    let expected = reference["edges"].as_array().unwrap();
    assert_eq!(edges.map.len(), expected.len());
    for (found, expected) in edges.map.iter().zip(expected) {
        let expected = expected.as_f64().unwrap();
        assert!(
            (f64::from(*found) - expected).abs() < 1e-6,
            "{found} {expected}"
        );
    }
    assert_eq!(edges.value_kind, ValueKind::Positive);
}

#[test]
fn noise_depends_only_on_the_seed() {
    let case = small();
    let noise = |seed, class| map(&case, "random", seed, class).map;
    assert_eq!(noise(3, 0), noise(3, 1));
    assert_ne!(noise(3, 0), noise(4, 0));
    assert!(noise(3, 0).iter().all(|value| (0.0..1.0).contains(value)));
}
