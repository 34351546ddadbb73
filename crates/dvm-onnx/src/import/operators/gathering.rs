//! `Gather` and `GatherND`.

use super::selection::{select_constant, sides};
use super::{Operator, computed, constant};
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, View, axis, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[("Gather", gather), ("GatherND", gather_nd)];

fn gather(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let rank = sides(import, ctx.value(0)?)?.len();
    let along = ctx.axis("axis", 0, rank)?;
    if let (Value::Computed(view), Value::BatchIndices(indices)) = (ctx.value(0)?, ctx.value(1)?) {
        let view = view.clone();
        let is_flat = import.graph.sides(&view) == [SymInt::batch(indices.step)];
        if is_flat
            && let Some(made) = import.as_strided(&view, &indices.first, indices.step, ctx.name)?
        {
            return computed(made);
        }
        return Err(unsupported("selects pictures of a batch"));
    }
    let indices = ctx.constant(1)?.clone();
    gather_along(import, ctx, along, &indices)
}

/// `GatherND` if it is a `Gather` along the first axis: PyTorch writes `x[:, [2, 1, 0]]` with it.
fn gather_nd(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let indices = ctx.constant(1)?;
    match (ctx.int("batch_dims", 0), indices.shape.split_last()) {
        (0, Some((1, shape))) => {
            let indices = indices.reshaped(shape)?;
            gather_along(import, ctx, 0, &indices)
        }
        _ => Err(unsupported("selects along several axes at once")),
    }
}

fn gather_along(
    import: &mut Import,
    ctx: &NodeContext,
    along: usize,
    indices: &Array,
) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    if along >= from.len() {
        return Err(invalid("selects from a single number"));
    }
    let Some(side) = from[along].known() else {
        let first = indices
            .as_integers()?
            .first()
            .and_then(|index| index.known());
        let is_first = indices.rank() == 0 && matches!(first, Some(0 | -1));
        if let (Some(1), true, Value::Computed(view)) = (import.file_batch, is_first, ctx.value(0)?)
            && from[along] == SymInt::batch(1)
        {
            return computed(view.without_batch(along));
        }
        let values = from[along].per_picture;
        let flat = from.len() == 1 && from[along] == SymInt::batch(values);
        if let (true, Value::Computed(view)) = (flat, ctx.value(0)?) {
            let view = view.clone();
            if let Some(made) = import.as_strided(&view, indices, values, ctx.name)? {
                return computed(made);
            }
        }
        return Err(unsupported("selects pictures of a batch"));
    };
    let at: Vec<usize> = indices
        .as_known()?
        .into_iter()
        .map(|index| axis(index, side as usize))
        .collect::<Result<_, _>>()
        .map_err(|_| invalid(format!("has an index out of range for length {side}")))?;
    match ctx.value(0)? {
        Value::Constant(array) => {
            let array = array.clone();
            let picked = select_constant(import, &array, along, &at)?;
            let (before, after) = (&array.shape[..along], &array.shape[along + 1..]);
            constant(picked.reshaped(&[before, &indices.shape, after].concat())?)
        }
        _ => {
            let view = ctx.view(0)?.clone();
            let made = import.select(&view, along, &at, ctx.name)?;
            match indices.rank() {
                1 => computed(made),
                0 => {
                    let mut axes = made.axes;
                    axes.remove(along);
                    computed(View::new(made.node, axes))
                }
                _ => {
                    let sides = import.graph.sides(&made);
                    let new = indices.shape.iter().map(|&side| (side as i64).into());
                    let new: Vec<SymInt> = new.collect();
                    let to = [&sides[..along], &new, &sides[along + 1..]].concat();
                    computed(import.graph.reshape(&made, &to, ctx.name)?)
                }
            }
        }
    }
}
