//! Values of a picture read in even steps, as exporters write PyTorch's `as_strided`: a `Gather` of
//! positions of the flattened value.

use super::super::Import;
use super::super::array::Array;
use super::super::integer::Integer;
use super::super::trouble::Trouble;
use super::super::view::View;

/// The axes of the steps in the order in which they lie in the value, with their sides, longest steps
/// first, if the positions are all those of one picture's `values`, each once, for a file made for one
/// picture. The first axis is that of the pictures, and not among them.
fn even_steps(positions: &Array, values: i64) -> Option<Vec<(usize, usize)>> {
    let at = positions.as_known().ok()?;
    let shape = &positions.shape;
    let is_among = |position: &i64| (0..values).contains(position);
    if shape.first() != Some(&1) || at.len() as i64 != values || !at.iter().all(is_among) {
        return None;
    }
    // The step along an axis is the position of its second place.
    let mut inner = vec![1; shape.len()];
    for axis in (0..shape.len() - 1).rev() {
        inner[axis] = inner[axis + 1] * shape[axis + 1];
    }
    let steps: Vec<i64> = (0..shape.len())
        .map(|axis| if shape[axis] > 1 { at[inner[axis]] } else { 0 })
        .collect();
    let even = at.iter().enumerate().all(|(place, &position)| {
        let along = |axis: usize| (place / inner[axis] % shape[axis]) as i64;
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
    /// What `positions` of the flattened `view`, of so many `values` per picture, come to, if that is all of
    /// them with their axes in another order.
    ///
    /// # Errors
    /// As reshaping.
    pub fn restrided(
        &mut self,
        view: &View,
        positions: &Array,
        values: i64,
        name: &str,
    ) -> Result<Option<View>, Trouble> {
        let Some(steps) = even_steps(positions, values) else {
            return Ok(None);
        };
        let mut to = vec![Integer::pictures(1)];
        to.extend(steps.iter().map(|&(_, side)| Integer::from(side as i64)));
        let lying = self.draft.reshape(view, &to, name)?;
        let mut order = vec![0; to.len()];
        for (place, (axis, _)) in steps.into_iter().enumerate() {
            order[axis] = place + 1;
        }
        Ok(Some(lying.transposed(&order)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(shape: &[usize], at: &[i64]) -> Array {
        Array::integers(shape, at.iter().map(|&i| i.into()).collect())
    }

    #[test]
    fn channels_first_read_as_channels_last_are_axes_in_another_order() {
        // Two channels of one row and three columns: [1, 1, 3, 2] of [1, 2, 1, 3].
        let found = even_steps(&positions(&[1, 1, 3, 2], &[0, 3, 1, 4, 2, 5]), 6);
        assert_eq!(found, Some(vec![(3, 2), (2, 3), (1, 1)]));
    }

    #[test]
    fn positions_that_repeat_leave_out_or_jump_are_not() {
        for at in [
            [0, 0, 1, 1, 2, 2],
            [0, 2, 1, 3, 2, 4],
            [1, 4, 2, 5, 3, 6],
            [0, 3, 1, 4, 5, 2],
        ] {
            assert_eq!(even_steps(&positions(&[1, 3, 2], &at), 6), None, "{at:?}");
        }
        assert_eq!(
            even_steps(&positions(&[2, 3], &[0, 1, 2, 3, 4, 5]), 6),
            None
        );
    }
}
