//! `ScatterND` and `ScatterElements`, which replace parts of a value: exporters write `x[:, 1:] = y` with them.

use std::ops::Range;

use super::shapes::sides;
use super::{Operator, constant};
use crate::import::value::array::strides;
use crate::import::value::sym_int::shown;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, axis, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("ScatterND", scatter),
    ("ScatterElements", scatter_elements),
];

fn scatter(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if ctx.text("reduction").is_some_and(|how| how != "none") {
        return Err(unsupported("has a `reduction`"));
    }
    let (value, new) = (ctx.value(0)?.clone(), ctx.value(2)?.clone());
    if let (Value::Constant(_), Value::Constant(_)) = (&value, &new) {
        return of_constants(import, ctx);
    }
    let from = sides(import, &value)?;
    let ranges = block(ctx.constant(1)?, &from, import.file_batch)?;
    replace_block(import, ctx, &ranges)
}

/// `ScatterElements` if it replaces whole positions along an axis: `x[:, 3] = y`.
fn scatter_elements(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if ctx.text("reduction").is_some_and(|how| how != "none") {
        return Err(unsupported("has a `reduction`"));
    }
    let from = sides(import, ctx.value(0)?)?;
    let indices = ctx.constant(1)?;
    let along = ctx.axis("axis", 0, from.len())?;
    let no_block = || unsupported("replaces values that are not a block");
    if indices.rank() != from.len() || indices.len() == 0 {
        return Err(no_block());
    }
    let side = from[along].known().ok_or_else(no_block)?;
    // The positions must be the same along all other axes.
    let positions = indices.as_known()?;
    let step = strides(&indices.shape)[along];
    let count = indices.shape[along];
    let start = axis(positions[0], side as usize)?;
    let mut all = positions.iter().enumerate();
    let is_block = all.all(|(at, &found)| {
        let position = (start + at / step % count) as i64;
        found == position || found.checked_add(side) == Some(position)
    });
    if !is_block || start + count > side as usize {
        return Err(no_block());
    }
    let mut ranges = vec![None; from.len()];
    ranges[along] = Some(start..start + count);
    replace_block(import, ctx, &ranges)
}

/// The node's first input with a block replaced by its third.
fn replace_block(
    import: &mut Import,
    ctx: &NodeContext,
    ranges: &[Option<Range<usize>>],
) -> Result<Vec<Value>> {
    let (value, new) = (ctx.value(0)?.clone(), ctx.value(2)?.clone());
    let from = sides(import, &value)?;
    let expected: Vec<SymInt> = from
        .iter()
        .enumerate()
        .map(|(axis, &side)| match ranges.get(axis) {
            Some(Some(range)) => SymInt::from(range.len() as i64),
            _ => side,
        })
        .collect();
    let given = sides(import, &new)?;
    let fits = |(given, side): (&SymInt, &SymInt)| {
        given == side || (side.known().is_none() && given.known() == import.file_batch)
    };
    if given.len() != expected.len() || !given.iter().zip(&expected).all(fits) {
        return Err(unsupported(format!(
            "replaces a block of shape {} by a value of shape {}",
            shown(&expected),
            shown(&given)
        )));
    }
    Ok(vec![import.replaced(value, ranges, 0, new, ctx.name)?])
}

/// The block of a value that indices `[…, depth]` select: the positions along each of the first `depth` axes, or `None` if
/// that is all of them.
fn block(
    indices: &Array,
    from: &[SymInt],
    file_batch: Option<i64>,
) -> Result<Vec<Option<Range<usize>>>> {
    let no_block = || unsupported("replaces values that are not a block");
    let Some((&depth, outer)) = indices.shape.split_last() else {
        return Err(invalid("has no indices"));
    };
    if depth != outer.len() || depth > from.len() || outer.contains(&0) {
        return Err(no_block());
    }
    let positions = indices.as_known()?;
    let first = &positions[..depth];
    // A step along an axis of the indices must be a step along the same axis of the value.
    let steps = strides(outer);
    let is_block = positions
        .chunks_exact(depth)
        .enumerate()
        .all(|(at, position)| {
            let along = |axis: usize| (at / steps[axis] % outer[axis]) as i64;
            (0..depth).all(|axis| Some(position[axis]) == first[axis].checked_add(along(axis)))
        });
    if !is_block {
        return Err(no_block());
    }
    let mut ranges = Vec::new();
    for (along, &side) in from.iter().enumerate().take(depth) {
        let count = outer[along];
        let of_one = side.known().is_none().then_some(file_batch).flatten();
        let side = side.known().or(of_one.filter(|&batch| batch == 1));
        let side = side.ok_or_else(no_block)?;
        let start = axis(first[along], side as usize)?;
        if start + count > side as usize {
            return Err(invalid(format!(
                "replaces {count} positions from {start} along an axis of length {side}"
            )));
        }
        let is_all = start == 0 && count == side as usize;
        ranges.push((!is_all).then_some(start..start + count));
    }
    Ok(ranges)
}

impl Import<'_> {
    /// A value with a block replaced by `new`: along each axis from `axis` on, the parts before, in and after the block
    /// are concatenated.
    fn replaced(
        &mut self,
        value: Value,
        ranges: &[Option<Range<usize>>],
        axis: usize,
        new: Value,
        name: &str,
    ) -> Result<Value> {
        let next = ranges[axis..].iter().position(Option::is_some);
        let Some(axis) = next.map(|next| axis + next) else {
            return Ok(new);
        };
        let range = ranges[axis].clone().expect("it was found");
        let side = sides(self, &value)?[axis].known().unwrap_or(1) as usize;
        let mut parts = Vec::new();
        for part in [0..range.start, range.clone(), range.end..side] {
            if part.is_empty() {
                continue;
            }
            let own = self.slice_axis(&value, axis, part.clone(), name)?;
            parts.push(match part == range {
                true => self.replaced(own, ranges, axis + 1, new.clone(), name)?,
                false => own,
            });
        }
        self.concatenate(&parts, axis, name)
    }
}

/// A constant with some parts replaced: masks that a graph computes from shapes.
fn of_constants(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (array, indices, updates) = (ctx.constant(0)?, ctx.constant(1)?, ctx.constant(2)?);
    import.graph.check_array(&array.shape)?;
    let depth = *indices
        .shape
        .last()
        .ok_or_else(|| invalid("has no indices"))?;
    if depth == 0 || depth > array.rank() {
        return Err(invalid(format!(
            "has indices of {depth} axes for an array of shape {:?}",
            array.shape
        )));
    }
    let steps = strides(&array.shape);
    let size: usize = array.shape[depth..].iter().product();
    let positions = indices.as_known()?;
    let mut starts = Vec::with_capacity(positions.len() / depth);
    for position in positions.chunks_exact(depth) {
        let mut start = 0;
        for (index, &position) in position.iter().enumerate() {
            start += axis(position, array.shape[index])? * steps[index];
        }
        starts.push(start);
    }
    if updates.len() != starts.len() * size {
        return Err(invalid(format!(
            "has {} new values for {} positions",
            updates.len(),
            starts.len() * size
        )));
    }
    fn replaced<T: Copy>(old: &[T], new: &[T], starts: &[usize], size: usize) -> Vec<T> {
        let mut values = old.to_vec();
        for (index, &start) in starts.iter().enumerate() {
            values[start..start + size].copy_from_slice(&new[index * size..][..size]);
        }
        values
    }
    constant(match (&array.values, &updates.values) {
        (Values::Integers(old), Values::Integers(new)) => {
            Array::integers(&array.shape, replaced(old, new, &starts, size))
        }
        _ => {
            let (old, new) = (array.as_floats()?, updates.as_floats()?);
            Array::floats(&array.shape, replaced(old, new, &starts, size))
        }
    })
}
