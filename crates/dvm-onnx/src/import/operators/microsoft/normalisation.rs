//! Normalisation fused with a sum.

use super::super::Table;
use super::super::expansion::float;
use crate::import::{Import, NodeContext, Result, Value};

pub(super) const TABLE: Table = &[
    ("SkipLayerNormalization", |i, s| {
        let (weight, bias) = (s.optional(2).cloned(), s.optional(3).cloned());
        normalised_sum(
            i,
            s,
            s.optional(4),
            "LayerNormalization",
            vec![weight, bias],
        )
    }),
    ("SkipSimplifiedLayerNormalization", |i, s| {
        let weight = s.optional(2).cloned();
        normalised_sum(i, s, s.optional(3), "RMSNormalization", vec![weight])
    }),
];

/// The normalised sum of the first two inputs and a bias. The sum itself is the fourth output. The second and third, mean
/// and deviation, are for training.
fn normalised_sum(
    import: &mut Import,
    ctx: &NodeContext,
    bias: Option<&Value>,
    operator: &str,
    weights: Vec<Option<Value>>,
) -> Result<Vec<Value>> {
    let name = ctx.name;
    let (first, second) = (ctx.value(0)?.clone(), Some(ctx.value(1)?));
    // The bias first, because it belongs to the layer before.
    let sum = import.plus(first, bias, &format!("{name}.bias"))?;
    let sum = import.plus(sum, second, &format!("{name}.sum"))?;
    let inputs = [vec![Some(sum.clone())], weights].concat();
    let epsilon = float("epsilon", ctx.float("epsilon", 1e-12));
    let made = import.standard_op(operator, name, inputs, &[epsilon])?;
    Ok(vec![made, Value::Unknown, Value::Unknown, sum])
}
