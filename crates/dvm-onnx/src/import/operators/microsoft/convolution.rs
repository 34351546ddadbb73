//! Convolutions fused with a sum and an activation.

use super::super::Table;
use super::super::expansion::{float, number};
use crate::import::{Import, NodeContext, Result, Value, invalid, unsupported};

pub(super) const TABLE: Table = &[("FusedConv", fused_conv)];

fn fused_conv(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let inputs = ctx.inputs.iter().take(3).cloned().collect();
    let x = import.standard_op("Conv", ctx.name, inputs, &ctx.node.attribute)?;
    let x = import.plus(x, ctx.optional(3), &format!("{}.sum", ctx.name))?;
    let parameters = ctx.floats("activation_params").unwrap_or(&[]);
    Ok(vec![activated(import, ctx, x, parameters)?])
}

/// A value after the activation that a fused node names, with its parameters in order.
///
/// # Errors
/// For an unknown activation.
pub(super) fn activated(
    import: &mut Import,
    ctx: &NodeContext,
    x: Value,
    parameters: &[f32],
) -> Result<Value> {
    let Some(activation) = ctx.text("activation").filter(|name| !name.is_empty()) else {
        return Ok(x);
    };
    let name = format!("{}.activation", ctx.name);
    let parameter = |index: usize| {
        let given = parameters.get(index).copied();
        given.ok_or_else(|| {
            invalid(format!(
                "has too few parameters for its activation {activation}"
            ))
        })
    };
    let mut inputs = vec![Some(x)];
    let attributes = match activation {
        "Relu" | "Tanh" | "Sigmoid" | "HardSwish" | "Softplus" | "Softsign" => vec![],
        "LeakyRelu" | "Elu" => vec![float("alpha", parameter(0)?)],
        "HardSigmoid" => vec![float("alpha", parameter(0)?), float("beta", parameter(1)?)],
        "Clip" => {
            inputs.extend([number(parameter(0)?), number(parameter(1)?)]);
            vec![]
        }
        other => return Err(unsupported(format!("has the activation `{other}`"))),
    };
    import.standard_op(activation, &name, inputs, &attributes)
}
