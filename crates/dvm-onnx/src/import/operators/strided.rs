//! PyTorch's `as_strided`, which exporters write as a `Gather` from the flattened value.

use crate::import::{Array, Import, Result, SymInt, View};

/// The axes of `positions` with their lengths, in the order they have in the value, longest stride first; `None` unless
/// the positions are all of one picture's `values`, each once, and evenly strided. The first axis, the batch of one
/// picture, is not listed.
fn strides(positions: &Array, values: i64) -> Option<Vec<(usize, usize)>> {
    let at = positions.as_known().ok()?;
    let shape = &positions.shape;
    let is_among = |position: &i64| (0..values).contains(position);
    if shape.first() != Some(&1) || at.len() as i64 != values || !at.iter().all(is_among) {
        return None;
    }
    // The stride of an axis is its second position.
    let mut inner = vec![1; shape.len()];
    for axis in (0..shape.len() - 1).rev() {
        inner[axis] = inner[axis + 1] * shape[axis + 1];
    }
    let steps: Vec<i64> = (0..shape.len())
        .map(|axis| if shape[axis] > 1 { at[inner[axis]] } else { 0 })
        .collect();
    let even = at.iter().enumerate().all(|(index, &position)| {
        let along = |axis: usize| (index / inner[axis] % shape[axis]) as i64;
        let sum: i64 = (0..shape.len()).map(|axis| along(axis) * steps[axis]).sum();
        sum == position
    });
    let mut axes: Vec<usize> = (1..shape.len()).collect();
    axes.sort_by_key(|&axis| std::cmp::Reverse(steps[axis]));
    let mut rest = values;
    let mut whole = true;
    for &axis in axes.iter().filter(|&&axis| shape[axis] > 1) {
        whole &= rest == steps[axis].checked_mul(shape[axis] as i64)?;
        rest = steps[axis];
    }
    let sides = axes.into_iter().map(|axis| (axis, shape[axis]));
    (even && whole && rest == 1).then(|| sides.collect())
}

impl Import<'_> {
    /// The `positions` of the flattened `view`, with `values` per picture, if they only reorder its axes.
    ///
    /// # Errors
    /// As [`GraphBuilder::reshape`](crate::import::builder::GraphBuilder::reshape).
    pub fn as_strided(
        &mut self,
        view: &View,
        positions: &Array,
        values: i64,
        name: &str,
    ) -> Result<Option<View>> {
        let Some(steps) = strides(positions, values) else {
            return Ok(None);
        };
        let mut to = vec![SymInt::batch(1)];
        to.extend(steps.iter().map(|&(_, side)| SymInt::from(side as i64)));
        let split = self.graph.reshape(view, &to, name)?;
        let mut order = vec![0; to.len()];
        for (index, (axis, _)) in steps.into_iter().enumerate() {
            order[axis] = index + 1;
        }
        Ok(Some(split.transposed(&order)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(shape: &[usize], at: &[i64]) -> Array {
        Array::integers(shape, at.iter().map(|&i| i.into()).collect())
    }

    #[test]
    fn channels_first_read_as_channels_last_are_reordered_axes() {
        // Two channels of one row and three columns: [1, 1, 3, 2] of [1, 2, 1, 3].
        let found = strides(&positions(&[1, 1, 3, 2], &[0, 3, 1, 4, 2, 5]), 6);
        assert_eq!(found, Some(vec![(3, 2), (2, 3), (1, 1)]));
    }

    #[test]
    fn positions_that_repeat_skip_or_jump_are_not_reordered_axes() {
        for at in [
            [0, 0, 1, 1, 2, 2],
            [0, 2, 1, 3, 2, 4],
            [1, 4, 2, 5, 3, 6],
            [0, 3, 1, 4, 5, 2],
        ] {
            assert_eq!(strides(&positions(&[1, 3, 2], &at), 6), None, "{at:?}");
        }
        assert_eq!(strides(&positions(&[2, 3], &[0, 1, 2, 3, 4, 5]), 6), None);
    }
}
