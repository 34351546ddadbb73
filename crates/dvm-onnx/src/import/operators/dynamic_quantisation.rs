//! Dynamic quantisation: layers of integers whose scales are computed from the picture.

use super::Table;
use super::quantisation::Quantisation;
use crate::import::value::dynamic_quantisation::Quantised;
use crate::import::{Array, Import, NodeContext, Result, Value, unsupported};
use crate::proto::Attribute;

pub(super) const TABLE: Table = &[
    ("DynamicQuantizeLinear", quantise),
    ("ConvInteger", |i, s| {
        product(i, s, "Conv", &s.node.attribute, 0)
    }),
    ("MatMulInteger", |i, s| product(i, s, "MatMul", &[], -1)),
];

fn quantise(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    Ok(import.quantise_dynamically(view).to_vec())
}

/// A layer of integers minus their zero points, or a product of two such values. Zero points of weights are along `axis`.
fn product(
    import: &mut Import,
    ctx: &NodeContext,
    operator: &str,
    attributes: &[Attribute],
    axis: i64,
) -> Result<Vec<Value>> {
    let mut scales = Vec::new();
    let mut inputs = Vec::new();
    for input in [0, 1] {
        let (value, zero) = (ctx.value(input)?, ctx.optional(input + 2));
        inputs.push(Some(match (value, zero) {
            (Value::Quantised(integers), Some(Value::DynamicZeroPoint(own)))
                if integers.scales == [*own] =>
            {
                scales.push(*own);
                Value::Computed(integers.view.clone())
            }
            (Value::Constant(_), zero) => {
                let one = Value::Constant(Array::floats(&[], vec![1.0]));
                let quantisation = Quantisation {
                    scale: &one,
                    zero,
                    axis,
                    block: 0,
                };
                import.dequantised(value, quantisation, ctx.name)?
            }
            _ => {
                return Err(unsupported(
                    "multiplies integers that are not the output of DynamicQuantizeLinear",
                ));
            }
        }));
    }
    scales.sort_unstable();
    let made = import.standard_op(operator, ctx.name, inputs, attributes)?;
    match made {
        Value::Computed(view) => Ok(vec![Value::Quantised(Quantised { view, scales })]),
        _ => Err(unsupported("has constant inputs")),
    }
}
