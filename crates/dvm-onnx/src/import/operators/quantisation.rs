//! Scales and zero points.

use std::sync::Arc;

use crate::import::value::tracked_vec::TrackedVec;
use crate::import::{Array, NodeContext, Result, Value, axis, invalid, unsupported};

/// How integers are dequantised: `(integer - zero) · scale`.
#[derive(Clone, Copy)]
pub(crate) struct Quantisation<'a> {
    pub scale: &'a Value,
    pub zero: Option<&'a Value>,
    /// The axis of several scales.
    pub axis: i64,
    /// How many values along the axis share a scale; 0 if each has its own.
    pub block: i64,
}

impl<'a> Quantisation<'a> {
    /// The scale and zero point at these inputs of a node.
    ///
    /// # Errors
    /// If there is no scale.
    pub fn of(ctx: &'a NodeContext, scale: usize, zero: usize, axis: i64) -> Result<Self> {
        Ok(Self {
            scale: ctx.value(scale)?,
            zero: ctx.optional(zero),
            axis,
            block: 0,
        })
    }

    /// That of `QuantizeLinear` and `DequantizeLinear`.
    ///
    /// # Errors
    /// As [`Quantisation::of`].
    pub fn with_blocks(ctx: &'a NodeContext) -> Result<Self> {
        Ok(Self {
            block: ctx.int("block_size", 0),
            ..Self::of(ctx, 1, 2, ctx.int("axis", 1))?
        })
    }
}

/// A scale or zero point, which must be constant.
pub(super) fn known(value: &Value) -> Result<&Array> {
    match value {
        Value::Constant(array) => Ok(array),
        _ => Err(unsupported(
            "has a scale or zero point that is computed from the picture",
        )),
    }
}

/// Which of several scales, or zero points, belongs to a value.
enum Granularity {
    /// One for all values.
    Tensor,
    /// One for each of `along` positions of an axis, of `inner` values each.
    Axis { along: usize, inner: usize },
    /// One for each `block` of positions.
    Block {
        along: usize,
        inner: usize,
        block: usize,
    },
}

impl Granularity {
    /// That of the scales or zero points `by` for the values of `x`.
    fn of(quantisation: Quantisation, x: &Array, by: &Array) -> Result<Self> {
        if by.len() == 1 {
            return Ok(Self::Tensor);
        }
        let axis = axis(quantisation.axis, x.rank())?;
        let along = x.shape[axis];
        let inner = x.shape[axis + 1..].iter().product();
        if by.rank() == 1 && by.len() == along {
            return Ok(Self::Axis { along, inner });
        }
        let block = usize::try_from(quantisation.block).unwrap_or(0);
        let mut shape = x.shape.clone();
        shape[axis] = along.checked_div(block).unwrap_or(0);
        if block == 0 || !along.is_multiple_of(block) || by.shape != shape {
            return Err(invalid(format!(
                "has scales or zero points of shape {:?} for an array of shape {:?}",
                by.shape, x.shape
            )));
        }
        Ok(Self::Block {
            along,
            inner,
            block,
        })
    }

    /// Its index, for the value at index `i`.
    fn index(&self, i: usize) -> usize {
        match *self {
            Self::Tensor => 0,
            Self::Axis { along, inner } => i / inner % along,
            Self::Block {
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
pub(super) struct ScalesAndZeros {
    scales: Arc<TrackedVec<f32>>,
    scale: Granularity,
    zeros: Vec<i64>,
    zero: Granularity,
}

impl ScalesAndZeros {
    pub fn of(quantisation: Quantisation, x: &Array) -> Result<Self> {
        let scales = known(quantisation.scale)?;
        let (zeros, zero) = match quantisation.zero.map(known).transpose()? {
            Some(zero) if zero.as_integers().is_ok() => {
                (zero.as_known()?, Granularity::of(quantisation, x, zero)?)
            }
            Some(_) => return Err(unsupported("has a zero point that is a float")),
            None => (vec![0], Granularity::Tensor),
        };
        Ok(Self {
            scales: scales.as_floats()?.clone(),
            scale: Granularity::of(quantisation, x, scales)?,
            zeros,
            zero,
        })
    }

    /// Scale and zero point of the value at index `i`.
    pub fn at(&self, i: usize) -> (f32, i64) {
        let zero = self.zeros[self.zero.index(i)];
        (self.scales[self.scale.index(i)], zero)
    }
}

#[cfg(test)]
mod tests {
    use super::Granularity;

    #[test]
    fn a_scale_per_axis_belongs_to_all_values_at_its_position() {
        let scales = Granularity::Axis { along: 3, inner: 2 };
        let indices: Vec<_> = (0..12).map(|i| scales.index(i)).collect();
        assert_eq!(indices, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_scale_per_block_belongs_to_the_values_of_its_block() {
        // Values [2, 4, 2] with blocks of two along the second axis: scales [2, 2, 2].
        let scales = Granularity::Block {
            along: 4,
            inner: 2,
            block: 2,
        };
        let indices: Vec<_> = (0..16).map(|i| scales.index(i)).collect();
        assert_eq!(indices, [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7]);
    }
}
