//! Quantised networks, which are computed with floats: weights by the numbers that they stand for, and
//! values as if they had never been rounded.

use std::sync::Arc;

use dvm_engine::ops::activation::Activation;

use super::super::Import;
use super::super::array::Array;
use super::super::integer::Integer;
use super::super::numbers::Numbers;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("QuantizeLinear", quantise),
    ("DequantizeLinear", dequantise),
];

/// Which of several scales, or zero points, is that of a value.
enum Which {
    Only,
    /// One for each of `along` positions of an axis, each of `inner` values.
    PerPosition {
        along: usize,
        inner: usize,
    },
    /// One for each `block` of them.
    PerBlock {
        along: usize,
        inner: usize,
        block: usize,
    },
}

impl Which {
    /// Of those in `by`, for the values of `x`.
    fn of(site: &Site, x: &Array, by: &Array) -> Result<Self, Trouble> {
        if by.len() == 1 {
            return Ok(Self::Only);
        }
        let axis = site.axis("axis", 1, x.rank())?;
        let along = x.shape[axis];
        let inner = x.shape[axis + 1..].iter().product();
        if by.rank() == 1 && by.len() == along {
            return Ok(Self::PerPosition { along, inner });
        }
        let block = usize::try_from(site.int("block_size", 0)).unwrap_or(0);
        let mut shape = x.shape.clone();
        shape[axis] = along.checked_div(block).unwrap_or(0);
        if block == 0 || !along.is_multiple_of(block) || by.shape != shape {
            return Err(invalid(format!("scales {:?} by {:?}", x.shape, by.shape)));
        }
        Ok(Self::PerBlock {
            along,
            inner,
            block,
        })
    }

    /// Its place among them, for the value at place `i`.
    fn place(&self, i: usize) -> usize {
        match *self {
            Self::Only => 0,
            Self::PerPosition { along, inner } => i / inner % along,
            Self::PerBlock {
                along,
                inner,
                block,
            } => {
                i / (inner * block) % (along / block) * inner
                    + i / (inner * along) * (along / block) * inner
                    + i % inner
            }
        }
    }
}

/// The scales and zero points of an array.
struct Steps {
    scales: Arc<Numbers<f32>>,
    scale: Which,
    zeros: Vec<i64>,
    zero: Which,
}

impl Steps {
    fn of(site: &Site, x: &Array) -> Result<Self, Trouble> {
        let scales = site.constant(1)?;
        let (zeros, zero) = match site.optional_constant(2)? {
            Some(zero) if zero.as_integers().is_ok() => {
                (zero.as_known()?, Which::of(site, x, zero)?)
            }
            Some(_) => return Err(unsupported("has a zero point of 8-bit floats")),
            None => (vec![0], Which::Only),
        };
        Ok(Self {
            scales: scales.as_floats()?.clone(),
            scale: Which::of(site, x, scales)?,
            zeros,
            zero,
        })
    }

    /// Scale and zero point of the value at place `i`.
    fn at(&self, i: usize) -> (f32, i64) {
        let zero = self.zeros[self.zero.place(i)];
        (self.scales[self.scale.place(i)], zero)
    }
}

fn dequantise(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    import.is_quantised = true;
    let Value::Constant(x) = site.value(0)? else {
        return computed(site.view(0)?.clone());
    };
    let x = x.clone();
    import.draft.spend_on(&x.shape)?;
    let steps = Steps::of(site, &x)?;
    let values = x.as_known()?.into_iter().enumerate().map(|(i, x)| {
        let (scale, zero) = steps.at(i);
        x.saturating_sub(zero) as f32 * scale
    });
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
        // What begins at 0 is a rectifier: quantisation takes ReLUs away that are followed by one. If it
        // ends at 6, that was a ReLU6.
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
            let most = match site.constant(1)?.as_floats()?[..] {
                [scale] => (high - low) as f32 * scale,
                _ => f32::INFINITY,
            };
            let rectifier = if (most - 6.0).abs() < 6e-3 {
                Activation::Relu6
            } else {
                Activation::Relu
            };
            let inputs = [view.node];
            let node = import.draft.emit(site.name, rectifier, &inputs, &[])?;
            return computed(view.of(node));
        }
        return computed(view);
    };
    let x = x.clone();
    import.draft.spend_on(&x.shape)?;
    let steps = Steps::of(site, &x)?;
    let values = x.as_floats()?.iter().enumerate().map(|(i, &x)| {
        let (scale, zero) = steps.at(i);
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
            return !matches!(
                kind,
                "relu"
                    | "relu6"
                    | "clipped_relu"
                    | "squared_relu"
                    | "sigmoid"
                    | "hardsigmoid"
                    | "hardsigmoid_of"
            );
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

#[cfg(test)]
mod tests {
    use super::Which;

    #[test]
    fn scales_along_an_axis_go_to_all_values_at_a_position() {
        let which = Which::PerPosition { along: 3, inner: 2 };
        let places: Vec<_> = (0..12).map(|i| which.place(i)).collect();
        assert_eq!(places, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn scales_of_blocks_lie_as_the_values_do() {
        // Values [2, 4, 2] with blocks of two along the second axis: scales [2, 2, 2].
        let which = Which::PerBlock {
            along: 4,
            inner: 2,
            block: 2,
        };
        let places: Vec<_> = (0..16).map(|i| which.place(i)).collect();
        assert_eq!(places, [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7]);
    }
}
