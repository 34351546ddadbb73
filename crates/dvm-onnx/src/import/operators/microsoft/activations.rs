//! ONNX Runtime's variants of GELU.

use super::super::expansion::number;
use super::super::{Operator, Table};
use crate::import::{Import, NodeContext, Result, Value};

pub(super) const TABLE: Table = &[
    ("Gelu", |i, s| gelu(i, s, "none")),
    ("BiasGelu", |i, s| gelu(i, s, "none")),
    ("FastGelu", |i, s| gelu(i, s, "tanh")),
    ("QuickGelu", quick_gelu as Operator),
];

/// GELU of the first input plus the optional second.
fn gelu(import: &mut Import, ctx: &NodeContext, approximate: &str) -> Result<Vec<Value>> {
    let x = ctx.value(0)?.clone();
    let x = import.plus(x, ctx.optional(1), &format!("{}.bias", ctx.name))?;
    let how = crate::proto::Attribute {
        name: "approximate".into(),
        s: approximate.into(),
        ..Default::default()
    };
    let made = import.standard_op("Gelu", ctx.name, vec![Some(x)], &[how])?;
    Ok(vec![made])
}

/// x · sigmoid(alpha · x).
fn quick_gelu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let name = ctx.name;
    let x = Some(ctx.value(0)?.clone());
    let alpha = number(ctx.float("alpha", 1.702));
    let inputs = vec![x.clone(), alpha];
    let scaled = import.standard_op("Mul", &format!("{name}.scaled"), inputs, &[])?;
    let gate = import.standard_op("Sigmoid", &format!("{name}.gate"), vec![Some(scaled)], &[])?;
    let made = import.standard_op("Mul", name, vec![x, Some(gate)], &[])?;
    Ok(vec![made])
}
