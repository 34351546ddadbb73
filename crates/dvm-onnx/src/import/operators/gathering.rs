//! Parts of values, and borders around them.

use std::ops::Range;

use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::resample::{Continuation, Resample};
use dvm_engine::ops::slice::Slice;

use super::super::Import;
use super::super::array::{Array, Values, strides};
use super::super::integer::Integer;
use super::super::site::{Site, Value, axis};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Gather", gather),
    ("GatherND", gather_nd),
    ("Slice", slice),
    ("Split", split),
    ("Pad", pad),
];

/// Runs of a computed value that may be put side by side.
const MOST_RUNS: usize = 64;

/// Positions in falling order that are picked one by one; more are a mirrored axis.
const MOST_SINGLY: usize = 8;

/// A number larger than any batch: a slice that ends there takes all pictures.
const MOST_PICTURES: i64 = 9999;

/// The sides of any value for one picture.
fn sides(import: &Import, value: &Value) -> Result<Vec<Integer>, Trouble> {
    match value {
        Value::Constant(array) => Ok(array.shape.iter().map(|&s| (s as i64).into()).collect()),
        Value::Computed(view) => Ok(import.draft.sides(view)),
        _ => Err(unsupported("takes a part of truth values")),
    }
}

/// Positions of a constant along one axis.
fn taken(import: &mut Import, array: &Array, axis: usize, at: &[usize]) -> Result<Array, Trouble> {
    let mut shape = array.shape.clone();
    shape[axis] = at.len();
    import.draft.spend_on(&shape)?;
    let inner = strides(&array.shape)[axis];
    let side = array.shape[axis];
    let outer: usize = array.shape[..axis].iter().product();
    fn picked<T: Copy>(
        values: &[T],
        (outer, side, inner): (usize, usize, usize),
        at: &[usize],
    ) -> Vec<T> {
        let mut picked = Vec::with_capacity(outer * at.len() * inner);
        for block in 0..outer {
            for &position in at {
                let start = (block * side + position) * inner;
                picked.extend_from_slice(&values[start..start + inner]);
            }
        }
        picked
    }
    let sizes = (outer, side, inner);
    let mut made = match &array.values {
        Values::Floats(values) => Array::floats(&shape, picked(values, sizes, at)),
        Values::Integers(values) => Array::integers(&shape, picked(values, sizes, at)),
        Values::Absent => return Err(invalid("needs the numbers of a tensor that has none here")),
    };
    made.repeated = array.repeated && axis > 0;
    Ok(made)
}

impl Import<'_> {
    /// A run of positions of any value along one axis.
    ///
    /// # Errors
    /// For truth values.
    pub fn part(
        &mut self,
        value: &Value,
        axis: usize,
        at: Range<usize>,
        name: &str,
    ) -> Result<Value, Trouble> {
        let at: Vec<usize> = at.collect();
        match value {
            Value::Constant(array) => Ok(Value::Constant(taken(self, array, axis, &at)?)),
            Value::Computed(view) => Ok(Value::Computed(self.positions(view, axis, &at, name)?)),
            _ => Err(unsupported("takes a part of truth values")),
        }
    }

    /// Positions of a computed value along one axis: runs of equal steps, side by side.
    fn positions(
        &mut self,
        view: &View,
        axis: usize,
        at: &[usize],
        name: &str,
    ) -> Result<View, Trouble> {
        let sides = self.draft.sides(view);
        if sides[axis].known() == Some(at.len() as i64) && at.iter().copied().eq(0..at.len()) {
            return Ok(view.clone());
        }
        if at.is_empty() {
            return Err(unsupported("takes nothing of a value"));
        }
        let is_mirrored = at.len() > MOST_SINGLY
            && at.windows(2).all(|pair| pair[0] > pair[1])
            && at.windows(2).all(|pair| pair[0] - pair[1] == at[0] - at[1]);
        if is_mirrored {
            let rising: Vec<usize> = at.iter().rev().copied().collect();
            let part = self.positions(view, axis, &rising, &format!("{name}.rising"))?;
            return self.mirrored(&part, axis, name);
        }
        let (view, own) = self.draft.single(view, axis, name)?;
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for &position in at {
            match runs.last_mut() {
                Some((start, step, count @ 1)) if position > *start => {
                    (*step, *count) = (position - *start, 2);
                }
                Some((start, step, count)) if *count > 1 && position == *start + *step * *count => {
                    *count += 1;
                }
                _ => runs.push((position, 1, 1)),
            }
        }
        if runs.len() > MOST_RUNS {
            return Err(unsupported("takes positions in no order"));
        }
        let mut parts = Vec::new();
        let is_only = runs.len() == 1;
        for (index, (start, step, count)) in runs.into_iter().enumerate() {
            let part = Slice {
                axis: own,
                start,
                step,
                count: Some(count),
            };
            let name = match is_only {
                true => name.to_owned(),
                false => format!("{name}.{index}"),
            };
            parts.push(self.draft.emit(&name, part, &[view.node], &[])?);
        }
        let node = match parts[..] {
            [only] => only,
            _ => self.draft.emit(name, Concat { axis: own }, &parts, &[])?,
        };
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.draft.tidy(made))
    }
}

impl Import<'_> {
    /// A value with the positions along an axis, which is any, in the opposite order.
    fn mirrored(&mut self, view: &View, axis: usize, name: &str) -> Result<View, Trouble> {
        let (view, own) = self.draft.single(view, axis, name)?;
        let shape = self.draft.nodes[view.node].shape.clone();
        let is_map = shape.len() == 4 && own >= 2;
        let flip = |rows: bool| Resample::Flipped {
            rows,
            columns: !rows,
        };
        let node = if is_map {
            self.draft.emit(name, flip(own == 2), &[view.node], &[])?
        } else {
            // The axis as the rows of a map.
            let (outer, inner) = (shape[1..own].iter(), shape[own + 1..].iter());
            let map = [1, outer.product(), shape[own], inner.product()];
            let map = self.draft.under(view.node, &map, name)?;
            let node = self.draft.emit(name, flip(true), &[map], &[])?;
            self.draft.under(node, &shape, name)?
        };
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.draft.tidy(made))
    }

    /// A value with so many places of one number before and after those of an axis, which is any.
    fn longer(
        &mut self,
        view: &View,
        axis: usize,
        (before, after): (usize, usize),
        value: f32,
        name: &str,
    ) -> Result<View, Trouble> {
        let (view, own) = self.draft.single(view, axis, name)?;
        let mut shape = self.draft.nodes[view.node].shape.clone();
        // The axis as the rows of a map.
        let (outer, inner) = (shape[1..own].iter(), shape[own + 1..].iter());
        let map = [1, outer.product(), shape[own], inner.product()];
        let map = self.draft.under(view.node, &map, name)?;
        let amount = Amount::Fixed(Border {
            top: before,
            bottom: after,
            ..Border::default()
        });
        let node = self.draft.emit(name, Pad { amount, value }, &[map], &[])?;
        shape[own] += before + after;
        let node = self.draft.under(node, &shape, name)?;
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.draft.tidy(made))
    }
}

fn gather(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let rank = sides(import, site.value(0)?)?.len();
    let along = site.axis("axis", 0, rank)?;
    if let (Value::Computed(view), Value::Counted(numbers)) = (site.value(0)?, site.value(1)?) {
        let view = view.clone();
        let is_flat = import.draft.sides(&view) == [Integer::pictures(numbers.step)];
        if is_flat
            && let Some(made) = import.restrided(&view, &numbers.first, numbers.step, site.name)?
        {
            return computed(made);
        }
        return Err(unsupported("picks pictures of a batch"));
    }
    let indices = site.constant(1)?.clone();
    gather_along(import, site, along, &indices)
}

/// `GatherND` where it is a `Gather` along the first axis, as PyTorch writes `x[:, [2, 1, 0]]`.
fn gather_nd(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let indices = site.constant(1)?;
    match (site.int("batch_dims", 0), indices.shape.split_last()) {
        (0, Some((1, shape))) => {
            let indices = indices.reshaped(shape)?;
            gather_along(import, site, 0, &indices)
        }
        _ => Err(unsupported("picks along several axes at once")),
    }
}

fn gather_along(
    import: &mut Import,
    site: &Site,
    along: usize,
    indices: &Array,
) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    if along >= from.len() {
        return Err(invalid("picks from a single number"));
    }
    let Some(side) = from[along].known() else {
        let first = indices
            .as_integers()?
            .first()
            .and_then(|index| index.known());
        let is_first = indices.rank() == 0 && matches!(first, Some(0 | -1));
        if let (Some(1), true, Value::Computed(view)) =
            (import.file_batch, is_first, site.value(0)?)
            && from[along] == Integer::pictures(1)
        {
            return computed(view.without_pictures(along));
        }
        let values = from[along].per;
        let flat = from.len() == 1 && from[along] == Integer::pictures(values);
        if let (true, Value::Computed(view)) = (flat, site.value(0)?) {
            let view = view.clone();
            if let Some(made) = import.restrided(&view, indices, values, site.name)? {
                return computed(made);
            }
        }
        return Err(unsupported("picks pictures of a batch"));
    };
    let at: Vec<usize> = indices
        .as_known()?
        .into_iter()
        .map(|index| axis(index, side as usize))
        .collect::<Result<_, _>>()
        .map_err(|_| invalid(format!("picks a position that is not among {side}")))?;
    match site.value(0)? {
        Value::Constant(array) => {
            let array = array.clone();
            let picked = taken(import, &array, along, &at)?;
            let (before, after) = (&array.shape[..along], &array.shape[along + 1..]);
            constant(picked.reshaped(&[before, &indices.shape, after].concat())?)
        }
        _ => {
            let view = site.view(0)?.clone();
            let made = import.positions(&view, along, &at, site.name)?;
            match indices.rank() {
                1 => computed(made),
                0 => {
                    let mut axes = made.axes;
                    axes.remove(along);
                    computed(View {
                        node: made.node,
                        axes,
                    })
                }
                _ => {
                    let sides = import.draft.sides(&made);
                    let new = indices.shape.iter().map(|&side| (side as i64).into());
                    let new: Vec<Integer> = new.collect();
                    let to = [&sides[..along], &new, &sides[along + 1..]].concat();
                    computed(import.draft.reshape(&made, &to, site.name)?)
                }
            }
        }
    }
}

fn slice(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let numbers = |input: usize, attribute: &str| -> Result<Option<Vec<Integer>>, Trouble> {
        Ok(match site.optional_constant(input)? {
            Some(array) => Some(array.as_integers()?.to_vec()),
            None => site
                .ints(attribute)
                .map(|ints| ints.iter().map(|&i| i.into()).collect()),
        })
    };
    let starts = numbers(1, "starts")?.ok_or_else(|| invalid("lacks its starts"))?;
    let ends = numbers(2, "ends")?.ok_or_else(|| invalid("lacks its ends"))?;
    let axes: Vec<usize> = match numbers(3, "axes")? {
        Some(axes) => axes
            .iter()
            .map(|a| axis(a.known().unwrap_or(i64::MAX), from.len()))
            .collect::<Result<_, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = numbers(4, "steps")?.unwrap_or_else(|| vec![1.into(); starts.len()]);
    let alike = [ends.len(), axes.len(), steps.len()]
        .iter()
        .all(|&len| len == starts.len());
    if !alike || axes.iter().any(|&axis| axis >= from.len()) {
        return Err(invalid(
            "has starts, ends, axes and steps that do not go together",
        ));
    }
    let mut value = site.value(0)?.clone();
    for (index, &along) in axes.iter().enumerate() {
        let (start, end, step) = (starts[index], ends[index], steps[index]);
        let Some(side) = from[along].known() else {
            // All pictures of the batch, or it makes no sense.
            let begins = start
                .known()
                .is_some_and(|start| start == 0 || start <= -MOST_PICTURES);
            let most = import.file_batch.unwrap_or(MOST_PICTURES);
            let ends = end == from[along]
                || end
                    .known()
                    .is_some_and(|end| end >= most.min(MOST_PICTURES));
            if begins && ends && step.known() == Some(1) {
                continue;
            }
            return Err(unsupported("takes some of the pictures of a batch"));
        };
        let known = |number: Integer| {
            number
                .known()
                .ok_or_else(|| unsupported("depends on how many pictures there are"))
        };
        let at = positions(side, known(start)?, known(end)?, known(step)?)?;
        value = match value {
            Value::Constant(array) => Value::Constant(taken(import, &array, along, &at)?),
            Value::Computed(view) => {
                Value::Computed(import.positions(&view, along, &at, site.name)?)
            }
            _ => return Err(unsupported("takes a part of truth values")),
        };
    }
    Ok(vec![value])
}

/// The positions that a slice takes.
fn positions(side: i64, start: i64, end: i64, step: i64) -> Result<Vec<usize>, Trouble> {
    let counted = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
    if step == 0 {
        return Err(invalid("takes steps of 0"));
    }
    if step > 0 {
        let (start, end) = (counted(start).clamp(0, side), counted(end).clamp(0, side));
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        return Ok((start..end.max(start))
            .step_by(step)
            .map(|at| at as usize)
            .collect());
    }
    let start = counted(start).clamp(-1, side - 1);
    let end = counted(end).clamp(-1, side - 1);
    let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(((end + 1)..=start)
        .rev()
        .step_by(step)
        .map(|at| at as usize)
        .collect())
}

fn split(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let along = site.axis("axis", 0, from.len())?;
    let side = from[along]
        .known()
        .ok_or_else(|| unsupported("splits a batch"))?;
    let parts: Vec<i64> = match site.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => match site.ints("split") {
            Some(parts) => parts.to_vec(),
            None => {
                let outputs = site.node.output.len().max(1) as i64;
                let count = site.int("num_outputs", outputs).clamp(1, outputs);
                // The last one is smaller where it does not come out even.
                let each = side.unsigned_abs().div_ceil(count.unsigned_abs()) as i64;
                (0..count)
                    .map(|i| each.min(side - i * each).max(0))
                    .collect()
            }
        },
    };
    let sum = parts
        .iter()
        .try_fold(0i64, |sum, &part| sum.checked_add(part));
    if sum != Some(side) || parts.iter().any(|&part| part < 0) {
        return Err(invalid(format!("splits {side} into {parts:?}")));
    }
    let mut start = 0;
    let mut values = Vec::new();
    for (index, &part) in parts.iter().enumerate() {
        let at: Vec<usize> = (start..start + part).map(|at| at as usize).collect();
        start += part;
        if site.node.output.get(index).is_none_or(String::is_empty) {
            values.push(Value::Unknown);
            continue;
        }
        values.push(match site.value(0)? {
            Value::Constant(array) => Value::Constant(taken(import, &array.clone(), along, &at)?),
            _ => {
                let view = site.view(0)?.clone();
                let name = format!("{}.{index}", site.name);
                Value::Computed(import.positions(&view, along, &at, &name)?)
            }
        });
    }
    Ok(values)
}

/// The largest border.
const WIDEST: u64 = 1 << 12;

fn pad(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let rank = from.len();
    let given = match site.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => site
            .ints("pads")
            .or_else(|| site.ints("paddings"))
            .ok_or_else(|| invalid("lacks its pads"))?
            .to_vec(),
    };
    // Quantised maps get whole numbers around them, which stand for others.
    let code = site.node.input.first();
    let code = code.and_then(|name| import.codes.get(name)).copied();
    let stood_for = |whole: i64| match code {
        Some((scale, zero)) => whole.saturating_sub(zero) as f32 * scale,
        None => whole as f32,
    };
    let value = match site.optional_constant(2)? {
        Some(array) if array.as_integers().is_ok() => {
            stood_for(array.as_known()?.first().copied().unwrap_or(0))
        }
        Some(array) => array.as_scalar()?,
        None if code.is_some() => stood_for(0),
        None => site.float("value", 0.0),
    };
    let axes = match site.optional_constant(3)? {
        Some(array) => array
            .as_known()?
            .into_iter()
            .map(|a| axis(a, rank))
            .collect::<Result<_, _>>()?,
        None => (0..rank).collect::<Vec<usize>>(),
    };
    if given.len() != 2 * axes.len() {
        return Err(invalid(format!("pads {} axes by {given:?}", axes.len())));
    }
    if given.iter().any(|pad| pad.unsigned_abs() > WIDEST) {
        return Err(unsupported(format!("pads by {given:?}")));
    }
    let mut pads = vec![(0, 0); rank];
    for (index, &along) in axes.iter().enumerate() {
        pads[along] = (given[index], given[index + axes.len()]);
    }
    if pads.iter().all(|&pad| pad == (0, 0)) {
        return Ok(vec![site.value(0)?.clone()]);
    }
    let by = match site.text("mode") {
        None | Some("constant" | "") => None,
        Some("reflect") => Some(Continuation::Mirrored),
        Some("edge") => Some(Continuation::Repeated),
        Some(mode) => return Err(unsupported(format!("pads by mode {mode}"))),
    };
    let mut view = site.view(0)?.clone();
    // Negative borders take away.
    for (along, pad) in pads.iter_mut().enumerate() {
        let (before, after) = ((-pad.0).max(0), (-pad.1).max(0));
        if before + after > 0 {
            let side = from[along]
                .known()
                .ok_or_else(|| unsupported("cuts a batch"))?;
            let at: Vec<usize> = (before..side - after).map(|at| at as usize).collect();
            view = import.positions(&view, along, &at, &format!("{}.cut", site.name))?;
            *pad = (pad.0.max(0), pad.1.max(0));
        }
    }
    let padded: Vec<usize> = (0..rank).filter(|&axis| pads[axis] != (0, 0)).collect();
    // Rows and columns are axes 2 and 3 of a feature map, whatever they are called in the file.
    let own: Vec<Option<usize>> = padded
        .iter()
        .map(|&axis| match view.axes[axis][..] {
            [own] => Some(own),
            _ => None,
        })
        .collect();
    let is_map = import.draft.nodes[view.node].shape.len() == 4
        && own.iter().all(|own| matches!(own, Some(2 | 3)));
    if !is_map {
        let are_places = rank == 4 && padded.iter().all(|&axis| axis >= 2);
        let map = match are_places {
            true => import.draft.plain(&view, site.name).ok(),
            false => None,
        };
        match (map, by) {
            (Some(map), _) => view = import.draft.whole(map),
            (None, None) => {
                for &along in &padded {
                    let (before, after) = (pads[along].0 as usize, pads[along].1 as usize);
                    view = import.longer(&view, along, (before, after), value, site.name)?;
                }
                return computed(view);
            }
            (None, Some(_)) => {
                return Err(unsupported("continues other axes than rows and columns"));
            }
        }
    }
    let mut border = Border::default();
    for &along in &padded {
        let (before, after) = (pads[along].0 as usize, pads[along].1 as usize);
        match view.axes[along][..] {
            [2] => (border.top, border.bottom) = (before, after),
            [3] => (border.left, border.right) = (before, after),
            _ if along == 2 => (border.top, border.bottom) = (before, after),
            _ => (border.left, border.right) = (before, after),
        }
    }
    let node = match by {
        Some(by) => {
            let op = Resample::Continued { border, by };
            import.draft.emit(site.name, op, &[view.node], &[])?
        }
        None => {
            let amount = Amount::Fixed(border);
            let op = Pad { amount, value };
            import.draft.emit(site.name, op, &[view.node], &[])?
        }
    };
    if import.draft.nodes[view.node].shape[2..].contains(&1) {
        // A side that was 1 is one to be listed now.
        let rows_first = import.draft.whole(node);
        return match is_map {
            false => computed(rows_first),
            true => computed(view.of(node)),
        };
    }
    computed(view.of(node))
}
