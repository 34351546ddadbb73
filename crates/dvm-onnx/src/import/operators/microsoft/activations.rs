//! GELU in the forms that ONNX Runtime has of it.

use super::super::super::Import;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::Trouble;
use super::super::expansion::number;
use super::super::{Operator, Table};

pub(super) const TABLE: Table = &[
    ("Gelu", |i, s| gelu(i, s, "none")),
    ("BiasGelu", |i, s| gelu(i, s, "none")),
    ("FastGelu", |i, s| gelu(i, s, "tanh")),
    ("QuickGelu", quick_gelu as Operator),
];

/// GELU of the first input, after the second, where there is one, was added to it.
fn gelu(import: &mut Import, site: &Site, approximate: &str) -> Result<Vec<Value>, Trouble> {
    let mut x = site.value(0)?.clone();
    if let Some(bias) = site.optional(1) {
        let name = format!("{}.bias", site.name);
        x = import.ordinary("Add", &name, vec![Some(x), Some(bias.clone())], &[])?;
    }
    let how = crate::proto::Attribute {
        name: "approximate".into(),
        s: approximate.into(),
        ..Default::default()
    };
    Ok(vec![import.ordinary(
        "Gelu",
        site.name,
        vec![Some(x)],
        &[how],
    )?])
}

/// x · sigmoid(alpha · x).
fn quick_gelu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let x = Some(site.value(0)?.clone());
    let alpha = number(site.float("alpha", 1.702));
    let scaled = import.ordinary(
        "Mul",
        &format!("{name}.scaled"),
        vec![x.clone(), alpha],
        &[],
    )?;
    let gate = import.ordinary("Sigmoid", &format!("{name}.gate"), vec![Some(scaled)], &[])?;
    Ok(vec![import.ordinary(
        "Mul",
        name,
        vec![x, Some(gate)],
        &[],
    )?])
}
