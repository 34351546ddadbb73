//! Convolutions that also add and activate.

use super::super::super::Import;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::{Trouble, invalid, unsupported};
use super::super::Table;
use super::super::expansion::{float, number};

pub(super) const TABLE: Table = &[("FusedConv", fused_conv)];

fn fused_conv(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let inputs = site.inputs.iter().take(3).cloned().collect();
    let mut x = import.ordinary("Conv", site.name, inputs, &site.node.attribute)?;
    if let Some(other) = site.optional(3) {
        let name = format!("{}.sum", site.name);
        x = import.ordinary("Add", &name, vec![Some(x), Some(other.clone())], &[])?;
    }
    let parameters = site.floats("activation_params").unwrap_or(&[]);
    Ok(vec![activated(import, site, x, parameters)?])
}

/// A value behind the activation that a fused node has by name, with its parameters in order.
///
/// # Errors
/// For one that is not known.
pub(super) fn activated(
    import: &mut Import,
    site: &Site,
    x: Value,
    parameters: &[f32],
) -> Result<Value, Trouble> {
    let Some(activation) = site.text("activation").filter(|name| !name.is_empty()) else {
        return Ok(x);
    };
    let name = format!("{}.activation", site.name);
    let parameter = |index: usize| {
        let given = parameters.get(index).copied();
        given.ok_or_else(|| invalid(format!("has too few parameters for its {activation}")))
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
        other => return Err(unsupported(format!("activates by {other}"))),
    };
    import.ordinary(activation, &name, inputs, &attributes)
}
