//! Dynamic quantisation: products of whole numbers, whose scales come from the picture.

use super::super::Import;
use super::super::array::Array;
use super::super::rounded::Rounded;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, unsupported};
use super::Table;
use super::quantised::Code;
use crate::proto::Attribute;

pub(super) const TABLE: Table = &[
    ("DynamicQuantizeLinear", quantise),
    ("ConvInteger", |i, s| {
        product(i, s, "Conv", &s.node.attribute, 0)
    }),
    ("MatMulInteger", |i, s| product(i, s, "MatMul", &[], -1)),
];

fn quantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    Ok(import.rounded_anew(view).to_vec())
}

/// A layer of whole numbers less their zero points, or a product of two such values. Zero points of weights lie
/// along `axis`.
fn product(
    import: &mut Import,
    site: &Site,
    operator: &str,
    attributes: &[Attribute],
    axis: i64,
) -> Result<Vec<Value>, Trouble> {
    let mut scales = Vec::new();
    let mut inputs = Vec::new();
    for input in [0, 1] {
        let (value, zero) = (site.value(input)?, site.optional(input + 2));
        inputs.push(Some(match (value, zero) {
            (Value::Rounded(rounded), Some(Value::Zero(own))) if rounded.scales == [*own] => {
                scales.push(*own);
                Value::Computed(rounded.view.clone())
            }
            (Value::Constant(_), zero) => {
                let one = Value::Constant(Array::floats(&[], vec![1.0]));
                let code = Code {
                    scale: &one,
                    zero,
                    axis,
                    block: 0,
                };
                import.dequantised(value, code, site.name)?
            }
            _ => {
                return Err(unsupported(
                    "multiplies whole numbers that DynamicQuantizeLinear did not make",
                ));
            }
        }));
    }
    scales.sort_unstable();
    let made = import.ordinary(operator, site.name, inputs, attributes)?;
    match made {
        Value::Computed(view) => Ok(vec![Value::Rounded(Rounded { view, scales })]),
        _ => Err(unsupported("multiplies constants")),
    }
}
