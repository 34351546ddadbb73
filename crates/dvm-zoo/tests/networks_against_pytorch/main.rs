//! Whole networks with seeded weights against PyTorch in f64 (`references/networks.py`).

/// A test for each network: `check` with its name.
macro_rules! for_each {
    ($check:path: $($(#[$ignored:meta])? $name:ident,)*) => {
        $(#[test] $(#[$ignored])? fn $name() { $check(stringify!($name)); })*
    };
}

mod inference;
mod networks;
mod reference;
mod stochastic_depth;
mod timm_layouts;
mod training;

use dvm_engine::Role;
use sha2::{Digest, Sha256};

#[test]
fn every_architecture_has_a_reference() {
    let references = reference::names();
    for architecture in dvm_zoo::all() {
        let name = architecture.name;
        assert!(references.iter().any(|r| r == name), "{name} has none");
    }
}

/// SHA-256 of the lines `name [shape]` of all parameters, sorted.
fn digest(classes: usize, name: &str) -> (usize, String) {
    let blueprint = (reference::architecture(name).build)(classes);
    let parameters = blueprint.parameters().iter();
    let mut lines: Vec<String> = parameters
        .map(|p| format!("{} {:?}\n", p.name, p.shape))
        .collect();
    lines.sort_unstable();
    let digest = Sha256::digest(lines.concat());
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (lines.len(), digest)
}

#[test]
fn every_architecture_has_the_names_and_shapes_of_pytorchs_state_dict() {
    for name in reference::names() {
        let described = reference::described("inference", &name);
        let (count, found) = digest(1000, &name);
        assert_eq!(count, described.number("state_dict_size"), "{name}");
        let expected = described.text("state_dict_sha256");
        assert_eq!(found, expected, "{name}: other names or shapes");
    }
}

#[test]
fn every_architecture_has_the_published_number_of_learned_parameters() {
    for name in reference::names() {
        let described = reference::described("inference", &name);
        let blueprint = (reference::architecture(&name).build)(1000);
        let count: usize = blueprint
            .parameters()
            .iter()
            .filter(|p| p.role != Role::Statistic)
            .map(|p| p.shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, described.number("learned_parameters"), "{name}");
    }
}

#[test]
fn every_architecture_has_a_head_with_one_row_per_class() {
    for architecture in dvm_zoo::all() {
        let name = format!("{}.weight", architecture.head);
        let blueprint = (architecture.build)(7);
        let head = blueprint.parameters().iter().find(|p| p.name == name);
        let head = head.unwrap_or_else(|| panic!("{} has no {name}", architecture.name));
        assert_eq!(head.shape[0], 7, "{}", architecture.name);
    }
}
