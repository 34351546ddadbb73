//! Integers that number the values of a batch.

use dvm_engine::ops::binary::Function;

use crate::import::{Array, Import, Result, SymInt, unsupported};

/// Integers `[N, …]` that grow by `step` from each picture to the next. Exporters index a flattened batch with them.
#[derive(Clone, Debug)]
pub(crate) struct BatchIndices {
    /// The integers of the first picture, `[1, …]`.
    pub first: Array,
    pub step: i64,
}

impl BatchIndices {
    /// The output of a `Range` from 0 to `step · N`.
    pub fn range(start: &Array, limit: &Array, delta: &Array) -> Option<Self> {
        let only = |array: &Array| match array.as_integers().ok()?[..] {
            [number] => Some(number),
            _ => None,
        };
        let (start, step) = (only(start)?.known()?, only(delta)?.known()?);
        let counts = start == 0 && step > 0 && only(limit)? == SymInt::batch(step);
        let first = Array::row(vec![SymInt::from(0)]);
        counts.then_some(Self { first, step })
    }

    /// The same integers under another shape.
    ///
    /// # Errors
    /// If its first side is not N.
    pub fn reshaped(&self, sides: &[SymInt]) -> Result<Self> {
        let rest = sides.iter().skip(1);
        let rest = rest.map(|side| usize::try_from(side.known()?).ok());
        let rest: Option<Vec<usize>> = rest.collect();
        match (sides.first(), rest) {
            (Some(&pictures), Some(rest)) if pictures == SymInt::batch(1) => Ok(Self {
                first: self.first.reshaped(&[&[1], &rest[..]].concat())?,
                step: self.step,
            }),
            _ => Err(unsupported("reshapes the indices of a batch")),
        }
    }
}

impl Import<'_> {
    /// `function` of batch indices and a constant.
    ///
    /// # Errors
    /// If the result does not grow from picture to picture.
    pub fn on_batch_indices(
        &mut self,
        function: Function,
        numbers: &BatchIndices,
        array: &Array,
        swapped: bool,
    ) -> Result<BatchIndices> {
        let unknown = || unsupported("computes with the indices of a batch");
        let first = match swapped {
            true => self.of_constants(function, array, &numbers.first)?,
            false => self.of_constants(function, &numbers.first, array)?,
        };
        let keeps = first.rank() == numbers.first.rank() && first.shape.first() == Some(&1);
        let step = match (function, swapped) {
            (Function::Add, _) | (Function::Sub, false) => Some(numbers.step),
            (Function::Mul, _) if array.len() == 1 => {
                array.as_known()?[0].checked_mul(numbers.step)
            }
            _ => None,
        };
        let step = step.filter(|_| keeps && !first.repeated);
        Ok(BatchIndices {
            first,
            step: step.ok_or_else(unknown)?,
        })
    }
}
