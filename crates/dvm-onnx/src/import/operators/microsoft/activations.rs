//! ONNX Runtime's variants of GELU.

use super::super::expansion::number;
use super::super::{Operator, Table};
use crate::import::Import;
use crate::import::node_context::NodeContext;
use crate::import::node_error::Result;
use crate::import::value::Value;

pub(super) const TABLE: Table = &[
    ("Gelu", |i, s| gelu(i, s, "none")),
    ("BiasGelu", |i, s| gelu(i, s, "none")),
    ("FastGelu", |i, s| gelu(i, s, "tanh")),
    ("QuickGelu", quick_gelu as Operator),
];

/// GELU of the first input plus the optional second.
fn gelu(import: &mut Import, ctx: &NodeContext, approximate: &str) -> Result<Vec<Value>> {
    let mut x = ctx.value(0)?.clone();
    if let Some(bias) = ctx.optional(1) {
        let name = format!("{}.bias", ctx.name);
        x = import.standard_op("Add", &name, vec![Some(x), Some(bias.clone())], &[])?;
    }
    let how = crate::proto::Attribute {
        name: "approximate".into(),
        s: approximate.into(),
        ..Default::default()
    };
    Ok(vec![import.standard_op(
        "Gelu",
        ctx.name,
        vec![Some(x)],
        &[how],
    )?])
}

/// x · sigmoid(alpha · x).
fn quick_gelu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let name = ctx.name;
    let x = Some(ctx.value(0)?.clone());
    let alpha = number(ctx.float("alpha", 1.702));
    let scaled = import.standard_op(
        "Mul",
        &format!("{name}.scaled"),
        vec![x.clone(), alpha],
        &[],
    )?;
    let gate = import.standard_op("Sigmoid", &format!("{name}.gate"), vec![Some(scaled)], &[])?;
    Ok(vec![import.standard_op(
        "Mul",
        name,
        vec![x, Some(gate)],
        &[],
    )?])
}
