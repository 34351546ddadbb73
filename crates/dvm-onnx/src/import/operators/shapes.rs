//! `Shape`, `Reshape`, `Transpose` and other operators that change the shape of a value.

use dvm_engine::ops::reshape::Reshape;

use super::{Operator, computed, constant};
use crate::import::value::sym_int::shown;
use crate::import::{
    Array, Import, NodeContext, NodeError, Result, SymInt, Value, View, axes, axis, invalid,
    unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Shape", shape),
    ("Size", size),
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Transpose", transpose),
    ("DepthToSpace", |i, s| blocks(i, s, true)),
    ("SpaceToDepth", |i, s| blocks(i, s, false)),
];

/// The most axes of a value.
pub(super) const MOST_AXES: usize = 12;

/// The shape of any value.
pub(crate) fn sides(import: &Import, value: &Value) -> Result<Vec<SymInt>> {
    match value {
        Value::Constant(array) => {
            let mut sides: Vec<SymInt> = array.shape.iter().map(|&s| (s as i64).into()).collect();
            if array.repeated && !sides.is_empty() {
                sides[0] = SymInt::batch(1);
            }
            Ok(sides)
        }
        Value::Computed(view) | Value::IsNan(view) => Ok(import.graph.sides(view)),
        Value::BatchIndices(indices) => {
            let sides = indices.first.shape.iter().skip(1);
            let sides = sides.map(|&side| SymInt::from(side as i64));
            Ok(std::iter::once(SymInt::batch(1)).chain(sides).collect())
        }
        Value::Quantised(rounded) => Ok(import.graph.sides(&rounded.view)),
        Value::DynamicScale(_) | Value::DynamicZeroPoint(_) => Ok(Vec::new()),
        Value::Versions(views) => {
            let mut sides = import.graph.sides(&views[0]);
            let all = sides
                .first()
                .and_then(|side| side.times((views.len() as i64).into()));
            sides[0] = all.ok_or_else(|| invalid("has too many rows"))?;
            Ok(sides)
        }
        Value::Unknown => Err(NodeError::Reported),
    }
}

fn shape(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let sides = sides(import, ctx.value(0)?)?;
    let rank = sides.len() as i64;
    let place = |given: i64| {
        (if given < 0 {
            given.saturating_add(rank)
        } else {
            given
        })
        .clamp(0, rank)
    };
    let (start, end) = (place(ctx.int("start", 0)), place(ctx.int("end", rank)));
    let part = sides.get(start as usize..end.max(start) as usize);
    constant(Array::row(part.unwrap_or(&[]).to_vec()))
}

fn size(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let product = SymInt::product(&sides(import, ctx.value(0)?)?);
    let product = product.ok_or_else(|| unsupported("has a size that dvm cannot represent"))?;
    constant(Array::integers(&[], vec![product]))
}

fn product(sides: &[SymInt]) -> Result<SymInt> {
    SymInt::product(sides).ok_or_else(|| invalid("has too many values"))
}

/// The shape that a `Reshape` asks for: 0 copies a side, −1 is computed from the others.
fn wanted(from: &[SymInt], to: &[SymInt], zero_copies: bool) -> Result<Vec<SymInt>> {
    let mut sides = to.to_vec();
    let mut open = None;
    for (index, side) in sides.iter_mut().enumerate() {
        match side.known() {
            Some(0) if zero_copies => {
                let same = from.get(index).copied();
                *side = same.ok_or_else(|| {
                    invalid(format!(
                        "copies side {index} of a value of {} axes",
                        from.len()
                    ))
                })?;
            }
            Some(-1) if open.is_none() => open = Some(index),
            Some(known) if known < 0 => {
                return Err(invalid(format!("reshapes to a side of {known}")));
            }
            _ => {}
        }
    }
    let Some(open) = open else {
        return Ok(sides);
    };
    sides[open] = SymInt::from(1);
    let whole = product(from)?;
    let left = whole.over(product(&sides)?);
    sides[open] = left.ok_or_else(|| cannot_reshape(from, to))?;
    Ok(sides)
}

fn cannot_reshape(from: &[SymInt], to: &[SymInt]) -> NodeError {
    let (from, to) = (shown(from), shown(to));
    invalid(format!("reshapes a value of shape {from} to {to}"))
}

fn reshape(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let to = ctx
        .integers(1, "shape")?
        .ok_or_else(|| invalid("has no shape to reshape to"))?;
    if to.len() > MOST_AXES {
        return Err(unsupported(format!(
            "has an output of {} axes; the limit is {MOST_AXES}",
            to.len()
        )));
    }
    let zero_copies = ctx.int("allowzero", 0) == 0;
    let from = sides(import, ctx.value(0)?)?;
    match ctx.value(0)? {
        Value::BatchIndices(indices) => {
            let to = wanted(&from, &to, zero_copies)?;
            indices
                .reshaped(&to)
                .map(|made| vec![Value::BatchIndices(made)])
        }
        Value::Constant(array) => {
            let to = wanted(&from, &to, zero_copies)?;
            // The shape for one picture, if the constant is the same for all.
            let for_one: Option<Vec<usize>> = to
                .iter()
                .map(|side| usize::try_from(side.at(1)?).ok())
                .collect();
            let for_one = for_one.ok_or_else(|| cannot_reshape(&from, &to))?;
            let mut made = array.reshaped(&for_one)?;
            made.repeated = to.first().is_some_and(|side| side.known().is_none());
            constant(made)
        }
        _ => {
            let view = ctx.view(0)?.clone();
            let to = match import.file_batch {
                // A side of −1 is computed for the file's batch size, or else it would include the batch wherever it is.
                Some(batch) if is_independent_of_batch(&from, &to, zero_copies) => {
                    let at = |side: &SymInt| side.at(batch).map(SymInt::from);
                    let fixed: Option<Vec<SymInt>> = from.iter().map(at).collect();
                    let fixed = fixed.ok_or_else(|| invalid("has too many values"))?;
                    wanted(&fixed, &to, zero_copies)?
                }
                _ => wanted(&from, &to, zero_copies)?,
            };
            let batch = import.file_batch.unwrap_or(1);
            let to = with_open_batch(import, &view, to, batch)?;
            let mut made = import.graph.reshape(&view, &to, ctx.name)?;
            // All values of the only picture in one row: the batch is not an axis any more.
            if let (Some(1), [row]) = (import.file_batch, &mut made.axes[..])
                && row.first() == Some(&0)
            {
                row.remove(0);
            }
            // A feature map again, so it becomes one in the engine, too.
            let is_in_order = made.axes.iter().flatten().is_sorted();
            let has_parts = made.axes.iter().any(|group| group.len() > 1);
            if made.rank() == 4 && is_in_order && has_parts && made.axes[0] == [0] {
                let shape = import.graph.sides_of_one(&made);
                let sides = shape.iter().skip(1).map(|&side| Some(side));
                let sides = std::iter::once(None).chain(sides).collect();
                let op = Reshape { sides };
                let node = import.graph.emit(ctx.name, op, &[made.node])?;
                return computed(import.graph.view(node));
            }
            computed(made)
        }
    }
}

/// Whether no side that a `Reshape` asks for depends on the batch size, except perhaps a side of −1.
fn is_independent_of_batch(from: &[SymInt], to: &[SymInt], zero_copies: bool) -> bool {
    let mut sides = to.iter().enumerate();
    sides.all(|(axis, side)| match side.known() {
        Some(0) if zero_copies => from.get(axis).is_none_or(|side| side.known().is_some()),
        known => known.is_some(),
    })
}

/// A shape for the file's batch size, made a shape for any: the batch becomes part of the side where it is in memory.
fn with_open_batch(
    import: &Import,
    view: &View,
    mut to: Vec<SymInt>,
    batch: i64,
) -> Result<Vec<SymInt>> {
    let from = import.graph.sides(view);
    let whole = product(&from)?;
    let asked = product(&to)?;
    if asked == whole {
        return Ok(to);
    }
    let fixed: Option<Vec<i64>> = to.iter().map(|side| side.known()).collect();
    let for_one = whole.per_picture.checked_mul(batch);
    let (Some(fixed), true) = (fixed, asked.known() == for_one && whole.fixed == 0) else {
        return Err(cannot_reshape(&from, &to));
    };
    // How many values apart two pictures are in memory.
    let shape = &import.graph.nodes[view.node].shape;
    let order = view.axes.iter().flatten().copied();
    let after = order.skip_while(|&axis| axis != 0).skip(1);
    let stride: i64 = after.map(|axis| shape[axis] as i64).product();
    // The batch is the outer part of a side, or the inner part of the side before. A whole side is preferred; the last,
    // which holds the features, comes last.
    let mut found: Option<(u8, usize)> = None;
    let mut inner = 1i64;
    for (index, &side) in fixed.iter().enumerate().rev() {
        let whole = inner.saturating_mul(side);
        let is_outer = stride.checked_mul(batch) == Some(whole);
        let is_last = index + 1 == fixed.len() && index > 0;
        let rank = match (is_outer, inner == stride) {
            _ if side % batch != 0 => None,
            (true, _) if side == batch => Some(0),
            (true, _) if !is_last => Some(1),
            (_, true) => Some(2),
            (true, _) => Some(3),
            _ => None,
        };
        if let Some(rank) = rank
            && found.is_none_or(|(best, _)| rank <= best)
        {
            found = Some((rank, index));
        }
        inner = whole;
    }
    let (_, found) = found.ok_or_else(|| unsupported("reshapes across the pictures of a batch"))?;
    to[found] = SymInt::batch(fixed[found] / batch);
    Ok(to)
}

fn flatten(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let given = ctx.int("axis", 1);
    // All axes may be before the split.
    let at = match given == from.len() as i64 {
        true => from.len(),
        false => axis(given, from.len())?,
    };
    let to = [product(&from[..at])?, product(&from[at..])?];
    match ctx.value(0)? {
        Value::Constant(array) => {
            let shape = to.map(|side| side.at(1).unwrap_or(0) as usize);
            constant(array.reshaped(&shape)?)
        }
        _ => {
            let view = ctx.view(0)?.clone();
            computed(import.graph.reshape(&view, &to, ctx.name)?)
        }
    }
}

fn squeeze(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let axes = ctx.axes(1, from.len())?;
    // A file for one picture may also remove the batch.
    let is_for_one = import.file_batch == Some(1);
    let is_one = |side: &SymInt| side.known() == Some(1) || is_for_one && *side == SymInt::batch(1);
    if let Some(axes) = &axes
        && let Some(&axis) = axes.iter().find(|&&axis| !is_one(&from[axis]))
    {
        return Err(invalid(format!(
            "squeezes axis {axis} of length {}; only axes of length 1 can be squeezed",
            from[axis]
        )));
    }
    let goes = |axis: &usize| match &axes {
        Some(axes) => axes.contains(axis),
        None => is_one(&from[*axis]),
    };
    let stay: Vec<usize> = (0..from.len()).filter(|axis| !goes(axis)).collect();
    match ctx.value(0)? {
        Value::Constant(array) => {
            let shape: Vec<usize> = stay.iter().map(|&axis| array.shape[axis]).collect();
            constant(array.reshaped(&shape)?)
        }
        _ => computed(ctx.view(0)?.transposed(&stay)),
    }
}

fn unsqueeze(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let given = match ctx.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => ctx.ints("axes").unwrap_or(&[]).to_vec(),
    };
    let rank = from.len() + given.len();
    if rank > MOST_AXES {
        return Err(unsupported(format!(
            "has an output of {rank} axes; the limit is {MOST_AXES}"
        )));
    }
    let new = axes(&given, rank)?;
    if (1..new.len()).any(|i| new[..i].contains(&new[i])) {
        return Err(invalid("inserts the same axis twice"));
    }
    match ctx.value(0)? {
        Value::BatchIndices(indices) => {
            let to = with_new_axes(&from, &new, SymInt::from(1));
            indices
                .reshaped(&to)
                .map(|made| vec![Value::BatchIndices(made)])
        }
        Value::Constant(array) => {
            let shape = with_new_axes(&array.shape, &new, 1);
            constant(array.reshaped(&shape)?)
        }
        _ => {
            let view = ctx.view(0)?;
            let axes = with_new_axes(&view.axes, &new, Vec::new());
            computed(View::new(view.node, axes))
        }
    }
}

/// What belongs to each axis, after axes were inserted at `new`.
fn with_new_axes<T: Clone>(old: &[T], new: &[usize], inserted: T) -> Vec<T> {
    let rank = old.len() + new.len();
    let mut old = old.iter();
    let of_axis = |axis| match new.contains(&axis) {
        true => Some(inserted.clone()),
        false => old.next().cloned(),
    };
    (0..rank).map_while(of_axis).collect()
}

fn transpose(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let rank = sides(import, ctx.value(0)?)?.len();
    let order: Vec<usize> = match ctx.ints("perm") {
        Some(given) => axes(given, rank)?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(invalid(format!("has the order {order:?} for {rank} axes")));
    }
    match ctx.value(0)? {
        Value::Constant(array) => {
            import.graph.check_array(&array.shape)?;
            constant(array.transposed(&order))
        }
        _ => computed(ctx.view(0)?.transposed(&order)),
    }
}

/// Moves the pixels of blocks to channels, or back.
fn blocks(import: &mut Import, ctx: &NodeContext, to_space: bool) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    let block = ctx.int("blocksize", 0);
    let sides = import.graph.sides(&view);
    let [n, c, h, w] = sides[..] else {
        return Err(unsupported(
            "has an input that is not a feature map [N, C, H, W]",
        ));
    };
    let over = |side: SymInt, by: i64| {
        side.over(by.into())
            .filter(|_| by > 0 && side.known().is_some_and(|side| side % by == 0))
            .ok_or_else(|| {
                invalid(format!(
                    "has blocks of {block}, which do not divide its input"
                ))
            })
    };
    let b = SymInt::from(block);
    let times = |side: SymInt| side.times(b).ok_or_else(|| invalid("has too many values"));
    let is_crd = ctx.text("mode") == Some("CRD");
    let (split, order, to): (Vec<SymInt>, [usize; 6], [SymInt; 4]) = if to_space {
        let depth = over(over(c, block)?, block)?;
        let to = [n, depth, times(h)?, times(w)?];
        match is_crd {
            true => (vec![n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3], to),
            false => (vec![n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2], to),
        }
    } else {
        let (h, w) = (over(h, block)?, over(w, block)?);
        let to = [n, times(times(c)?)?, h, w];
        (vec![n, c, h, b, w, b], [0, 3, 5, 1, 2, 4], to)
    };
    let split = import.graph.reshape(&view, &split, ctx.name)?;
    let moved = split.transposed(&order);
    computed(import.graph.reshape(&moved, &to, ctx.name)?)
}
