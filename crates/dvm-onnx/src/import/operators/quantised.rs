//! Quantised networks, which are computed with floats: weights by the numbers that they stand for, and
//! values as if they had never been rounded.

use dvm_engine::ops::activation::Activation;

use super::super::Import;
use super::super::array::Array;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("QuantizeLinear", quantise),
    ("DequantizeLinear", dequantise),
];

/// A scale or zero point for each value of an array: one for all, one per position along an axis, or
/// one for each block of positions.
fn for_each(import: &mut Import, site: &Site, x: &Array, by: &Array) -> Result<Array, Trouble> {
    import.draft.spend_on(&x.shape)?;
    if by.len() == 1 {
        return by.reshaped(&[])?.spread(&x.shape);
    }
    let axis = site.axis("axis", 1, x.rank())?;
    if by.rank() == 1 && by.len() == x.shape[axis] {
        let mut shape = vec![1; x.rank()];
        shape[axis] = by.len();
        return by.reshaped(&shape)?.spread(&x.shape);
    }
    let block = usize::try_from(site.int("block_size", 0)).unwrap_or(0);
    let fits = |a: usize| {
        by.shape[a]
            == if a == axis {
                x.shape[a].div_ceil(block)
            } else {
                x.shape[a]
            }
    };
    if block == 0
        || by.rank() != x.rank()
        || !(0..x.rank()).all(fits)
        || !x.shape[axis].is_multiple_of(block)
    {
        return Err(invalid(format!("scales {:?} by {:?}", x.shape, by.shape)));
    }
    let mut split = by.shape.clone();
    split.insert(axis + 1, 1);
    let mut spread = split.clone();
    spread[axis + 1] = block;
    by.reshaped(&split)?.spread(&spread)?.reshaped(&x.shape)
}

/// Scale and zero point, as many as there are values.
fn parameters(import: &mut Import, site: &Site, x: &Array) -> Result<(Array, Vec<i64>), Trouble> {
    let scale = for_each(import, site, x, &site.constant(1)?.clone())?;
    let zero = match site.optional_constant(2)? {
        Some(zero) if zero.as_integers().is_ok() => {
            let zero = zero.clone();
            for_each(import, site, x, &zero)?.as_known()?
        }
        Some(_) => return Err(unsupported("has a zero point of 8-bit floats")),
        None => vec![0; x.len()],
    };
    Ok((scale, zero))
}

fn dequantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    import.is_quantised = true;
    let Value::Constant(x) = site.value(0)? else {
        return computed(site.view(0)?.clone());
    };
    let x = x.clone();
    let (scale, zero) = parameters(import, site, &x)?;
    let pairs = x
        .as_known()?
        .into_iter()
        .zip(zero)
        .zip(scale.as_floats()?.iter());
    let values = pairs.map(|((x, zero), &scale)| x.saturating_sub(zero) as f32 * scale);
    let made = Array::floats(&x.shape, values.collect());
    constant(Array {
        name: x.name,
        ..made
    })
}

fn quantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    import.is_quantised = true;
    // Unsigned, if nothing says otherwise.
    let (low, high) = import.range_of(site)?;
    let Value::Constant(x) = site.value(0)? else {
        let view = site.view(0)?.clone();
        let zero = match site.optional_constant(2)? {
            Some(zero) => zero.as_known()?,
            None => vec![0],
        };
        // What begins at 0 is a rectifier: quantisation takes ReLUs away that are followed by one.
        let begins_at_zero = zero.iter().all(|&zero| zero == low);
        let activation = import.draft.nodes[view.node].op_as::<Activation>();
        let is_one = matches!(
            activation,
            Some(
                Activation::Relu
                    | Activation::Relu6
                    | Activation::Sigmoid
                    | Activation::Hardsigmoid
            )
        );
        if begins_at_zero && !is_one && view.node != 0 && import.passes_negatives(view.node, 0) {
            let node = import
                .draft
                .emit(site.name, Activation::Relu, &[view.node], &[])?;
            return computed(view.of(node));
        }
        return computed(view);
    };
    let x = x.clone();
    let (scale, zero) = parameters(import, site, &x)?;
    let pairs = x
        .as_floats()?
        .iter()
        .zip(zero)
        .zip(scale.as_floats()?.iter());
    let values = pairs.map(|((&x, zero), &scale)| {
        let whole = (x / scale).round_ties_even() as i64;
        Integer::from(whole.saturating_add(zero).clamp(low, high))
    });
    let made = Array::integers(&x.shape, values.collect());
    constant(Array {
        name: x.name,
        ..made
    })
}

impl Import<'_> {
    /// The least and the largest number that a `QuantizeLinear` makes.
    fn range_of(&self, site: &Site) -> Result<(i64, i64), Trouble> {
        use crate::proto::DataType;
        let by_zero = site
            .node
            .input
            .get(2)
            .and_then(|name| self.types.get(name))
            .copied();
        let kind = by_zero.or(match site.int("output_dtype", 0) {
            0 => None,
            kind => Some(kind as i32),
        });
        match kind.map(DataType::try_from) {
            None | Some(Ok(DataType::Uint8)) => Ok((0, 255)),
            Some(Ok(DataType::Int8)) => Ok((-128, 127)),
            Some(Ok(DataType::Uint16)) => Ok((0, 65535)),
            Some(Ok(DataType::Int16)) => Ok((-32768, 32767)),
            _ => Err(unsupported(
                "makes numbers of another type than 8 or 16 bits",
            )),
        }
    }

    /// Whether a node's value may be negative: pools and joined parts pass on what they are given.
    fn passes_negatives(&self, node: usize, depth: usize) -> bool {
        let made = &self.draft.nodes[node];
        let kind = made.op.kind();
        if made.op_as::<Activation>().is_some() {
            return !matches!(kind, "relu" | "relu6" | "sigmoid" | "hardsigmoid");
        }
        let passes_on = [
            "max_pool", "avg_pool", "concat", "flatten", "reshape", "permute", "slice", "tokens",
        ];
        // Not far, for what is joined with itself again and again has many ways back.
        if passes_on.contains(&kind) && depth < 6 {
            let mut inputs = made.inputs.iter();
            return inputs.any(|&input| self.passes_negatives(input, depth + 1));
        }
        true
    }
}
