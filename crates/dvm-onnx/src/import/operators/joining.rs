//! `Concat`, `Expand` and `Tile`.

use dvm_engine::Role;
use dvm_engine::ops::binary::Function;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::repeat::Repeat;

use super::constants::shape_of_one;
use super::shapes::{MOST_AXES, sides};
use super::{Operator, computed, constant};
use crate::import::value::array::broadcast;
use crate::import::value::sym_int::shown;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, View, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] =
    &[("Expand", expand), ("Tile", tile), ("Concat", concat)];

/// The most repetitions along an axis.
const MOST_REPEATS: usize = 1 << 16;

fn expand(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let to = ctx.constant(1)?.as_integers()?.to_vec();
    if to.len() > MOST_AXES {
        return Err(unsupported(format!(
            "has an output of {} axes; the limit is {MOST_AXES}",
            to.len()
        )));
    }
    match ctx.value(0)? {
        Value::Constant(array) => constant(expanded(import, array, &to)?),
        _ => {
            let view = ctx.view(0)?.clone();
            let from = import.graph.sides(&view);
            let batch = import.file_batch;
            let rank = to.len().max(from.len());
            let one = SymInt::from(1);
            let side = |sides: &[SymInt], axis: usize| {
                (axis + sides.len())
                    .checked_sub(rank)
                    .map_or(one, |i| sides[i])
            };
            let pairs: Vec<(SymInt, SymInt)> = (0..rank)
                .map(|axis| (side(&from, axis), side(&to, axis)))
                .collect();
            let fits = |&(from, to): &(SymInt, SymInt)| {
                // The file's batch may be merged with other axes: windows, heads.
                let of_file = batch.and_then(|batch| from.at(batch));
                let is_batch = from.known().is_none() && to.known() == of_file && of_file.is_some();
                from == one || to == one || from == to || is_batch
            };
            if !pairs.iter().all(fits) {
                return Err(invalid(format!(
                    "cannot broadcast shape {} to {}",
                    shown(&from),
                    shown(&to)
                )));
            }
            // Axes that become longer are multiplied by ones.
            let larger = |&(from, to): &(SymInt, SymInt)| from == one && to != one;
            if !pairs.iter().any(larger) {
                let fill = vec![Vec::new(); rank - view.rank()];
                let axes = [fill, view.axes].concat();
                return computed(View::new(view.node, axes));
            }
            let counts = pairs.iter().map(|pair| {
                let to = if larger(pair) {
                    pair.1.known()
                } else {
                    Some(1)
                };
                to.and_then(|to| usize::try_from(to).ok())
            });
            let counts: Option<Vec<usize>> = counts.collect();
            let counts = counts.ok_or_else(|| {
                unsupported("repeats a value by a number that depends on the batch size")
            })?;
            Ok(vec![import.broadcast_by_ones(view, &counts, ctx.name)?])
        }
    }
}

/// A constant broadcast to a shape, whose first side may be N.
fn expanded(import: &mut Import, array: &Array, to: &[SymInt]) -> Result<Array> {
    let (sides, is_repeated) = shape_of_one(to, |_| "has a negative side".into())?;
    let shape = broadcast(&array.shape, &sides)?;
    import.graph.check_array(&shape)?;
    let mut made = array.broadcast_to(&shape)?;
    if shape == array.shape {
        made.name = array.name.clone();
    }
    made.repeated = array.repeated || is_repeated;
    Ok(made)
}

fn tile(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let repeats = ctx.constant(1)?.as_integers()?.to_vec();
    let from = sides(import, ctx.value(0)?)?;
    if repeats.len() != from.len() {
        return Err(invalid(format!(
            "has {} repeats for a value of {} axes",
            repeats.len(),
            from.len()
        )));
    }
    if repeats.iter().all(|count| count.known() == Some(1)) {
        return Ok(vec![ctx.value(0)?.clone()]);
    }
    match ctx.value(0)? {
        Value::Constant(array) => {
            // A new axis before each axis, for its repetitions.
            let mut split = Vec::new();
            let mut spread = Vec::new();
            let mut joined = Vec::new();
            let mut repeated = array.repeated;
            for (axis, (&side, count)) in array.shape.iter().zip(&repeats).enumerate() {
                let count = match count.known() {
                    Some(count) => usize::try_from(count)
                        .map_err(|_| invalid("has a negative number of repeats"))?,
                    None if axis == 0 && side == 1 && *count == SymInt::batch(1) => {
                        repeated = true;
                        1
                    }
                    None => {
                        return Err(unsupported(
                            "repeats a constant by a number that depends on the batch size",
                        ));
                    }
                };
                split.extend([1, side]);
                spread.extend([count, side]);
                joined.push(count.saturating_mul(side));
            }
            import.graph.check_array(&joined)?;
            let mut made = array
                .reshaped(&split)?
                .broadcast_to(&spread)?
                .reshaped(&joined)?;
            made.repeated = repeated;
            constant(made)
        }
        _ => {
            let view = ctx.view(0)?.clone();
            let mut counts = Vec::new();
            for count in &repeats {
                let count = count.known().and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| (1..=MOST_REPEATS).contains(count));
                let count = count.ok_or_else(|| {
                    unsupported(format!(
                        "has repeats outside 1 to {MOST_REPEATS}, or that depend on the batch size"
                    ))
                })?;
                counts.push(count);
            }
            Ok(vec![import.tile(view, &counts, ctx.name)?])
        }
    }
}

fn concat(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let rank = sides(import, ctx.value(0)?)?.len();
    let along = ctx.axis("axis", 1, rank)?;
    let values: Vec<Value> = (0..ctx.inputs.len())
        .map(|index| ctx.value(index).cloned())
        .collect::<Result<_, _>>()?;
    Ok(vec![import.concatenate(&values, along, ctx.name)?])
}

/// Constants, concatenated.
fn joined(import: &mut Import, arrays: &[&Array], along: usize) -> Result<Array> {
    let rank = arrays[0].rank();
    let mut shape = arrays[0].shape.clone();
    shape[along] = 0;
    for array in arrays {
        let same = |axis: usize| axis == along || array.shape.get(axis) == Some(&shape[axis]);
        if array.rank() != rank || !(0..rank).all(same) {
            return Err(invalid(format!(
                "concatenates constants of shapes {:?} and {:?} along axis {along}",
                arrays[0].shape, array.shape
            )));
        }
        shape[along] = shape[along].saturating_add(array.shape[along]);
    }
    import.graph.check_array(&shape)?;
    let outer: usize = shape[..along].iter().product();
    let run = |array: &Array| array.len() / outer.max(1);
    let repeated = along > 0 && arrays.iter().any(|array| array.repeated);
    let parts = || (0..outer).flat_map(|row| arrays.iter().map(move |array| (row, array)));
    let range = |row: usize, array: &Array| row * run(array)..(row + 1) * run(array);
    let mut made = if matches!(arrays[0].values, Values::Integers(_)) {
        let mut values = Vec::new();
        for (row, array) in parts() {
            values.extend_from_slice(&array.as_integers()?[range(row, array)]);
        }
        Array::integers(&shape, values)
    } else {
        let mut values = Vec::new();
        for (row, array) in parts() {
            values.extend_from_slice(&array.as_floats()?[range(row, array)]);
        }
        Array::floats(&shape, values)
    };
    made.repeated = repeated;
    Ok(made)
}

impl Import<'_> {
    /// A value broadcast along axes of length 1, by a product with ones.
    fn broadcast_by_ones(&mut self, view: View, counts: &[usize], name: &str) -> Result<Value> {
        self.graph.check_array(counts)?;
        let ones = vec![1.0; counts.iter().product()];
        let ones = Value::Constant(Array::floats(counts, ones));
        self.binary(name, Function::Mul, &Value::Computed(view), &ones)
    }

    /// A value repeated along each axis.
    fn tile(&mut self, view: View, counts: &[usize], name: &str) -> Result<Value> {
        let sides = self.graph.sides(&view);
        let several = |(side, count): (&SymInt, &usize)| *count > 1 && side.known() != Some(1);
        if !sides.iter().zip(counts).any(several) {
            return self.broadcast_by_ones(view, counts, name);
        }
        // A new axis before each repeated axis.
        let mut split = Vec::new();
        let mut joined = Vec::new();
        let mut axes = Vec::new();
        for (axis, (&side, &count)) in sides.iter().zip(counts).enumerate() {
            if count > 1 {
                split.push(count);
                axes.push(Vec::new());
            }
            split.push(1);
            axes.push(view.axes[axis].clone());
            let whole = side.times((count as i64).into());
            joined.push(whole.ok_or_else(|| invalid("has too many values"))?);
        }
        let node = view.node;
        let made = self.broadcast_by_ones(View::new(node, axes), &split, name)?;
        match made {
            Value::Computed(view) => Ok(Value::Computed(self.graph.reshape(&view, &joined, name)?)),
            other => Ok(other),
        }
    }

    /// Values concatenated along an axis.
    ///
    /// # Errors
    /// If their kinds or shapes do not allow it.
    pub fn concatenate(&mut self, values: &[Value], along: usize, name: &str) -> Result<Value> {
        let arrays: Vec<&Array> = values
            .iter()
            .filter_map(|value| match value {
                Value::Constant(array) => Some(array),
                _ => None,
            })
            .collect();
        if arrays.len() == values.len() {
            return Ok(Value::Constant(joined(self, &arrays, along)?));
        }
        let of_pictures = |value: &Value| match value {
            Value::Computed(view) => view.axes.iter().position(|group| group.contains(&0)),
            _ => None,
        };
        let has_versions = values
            .iter()
            .any(|value| matches!(value, Value::Versions(_)));
        if has_versions || (along == 0 && values.iter().all(|v| of_pictures(v) == Some(0))) {
            return self.stack_versions(values);
        }
        let pictures = values.iter().find_map(of_pictures);
        let pictures = pictures.ok_or_else(|| unsupported("concatenates booleans"))?;
        let mut views = Vec::new();
        for (index, value) in values.iter().enumerate() {
            match value {
                Value::Computed(_) if of_pictures(value) != Some(pictures) => {
                    return Err(unsupported(
                        "concatenates values whose batch is at different axes",
                    ));
                }
                Value::Computed(view) => views.push(view.clone()),
                Value::Constant(array) if array.len() == 0 => {}
                Value::Constant(array) => {
                    let name = format!("{name}.{index}");
                    views.push(self.repeat_along(array, pictures, &name)?);
                }
                _ => return Err(unsupported("concatenates booleans")),
            }
        }
        let rank = views[0].rank();
        if views.iter().any(|view| view.rank() != rank) || along >= rank {
            return Err(invalid(
                "concatenates values with different numbers of axes",
            ));
        }
        let is_alike = views.iter().all(|view| {
            let nodes = &self.graph.nodes;
            view.axes == views[0].axes
                && nodes[view.node].shape.len() == nodes[views[0].node].shape.len()
        });
        let is_simple = is_alike && views[0].axes[along].len() == 1 && views[0].axes[along] != [0];
        let own = if is_simple {
            views[0].axes[along][0]
        } else {
            let mut own = 0;
            for view in &mut views {
                // An axis of length 1 must be listed.
                let canonical = self.graph.canonical(view, name)?;
                let (single, axis) = self.graph.with_single_axis(&canonical, along, name)?;
                (*view, own) = (single, axis);
            }
            own
        };
        let nodes: Vec<usize> = views.iter().map(|view| view.node).collect();
        let node = self.graph.emit(name, Concat { axis: own }, &nodes)?;
        let mut view = views[0].of(node);
        view.axes[along] = vec![own];
        // Axes that have length 1 in the first input only.
        for other in &views {
            for (group, other) in view.axes.iter_mut().zip(&other.axes) {
                if group.is_empty() {
                    group.clone_from(other);
                }
            }
        }
        Ok(Value::Computed(self.graph.without_ones(view)))
    }

    /// A constant of length 1 along the batch, repeated for each picture: a class token.
    fn repeat_along(&mut self, array: &Array, pictures: usize, name: &str) -> Result<View> {
        let is_one = array.shape.get(pictures) == Some(&1);
        let is_for_all = (array.repeated && pictures == 0) || self.file_batch == Some(1);
        if !is_one || !is_for_all {
            return Err(unsupported("concatenates pictures with a constant"));
        }
        if pictures == 0 {
            let parameter = self.graph.parameter(array, name, "value", Role::Weight)?;
            let node = self.graph.emit_layer(name, Repeat, &[0], &[parameter])?;
            return Ok(self.graph.view(node));
        }
        let mut shape = array.shape.clone();
        shape.remove(pictures);
        let node = self.repeat_per_picture(&array.reshaped(&shape)?, name)?;
        let mut view = self.graph.view(node);
        let of_pictures = view.axes.remove(0);
        view.axes.insert(pictures, of_pictures);
        Ok(view)
    }

    /// A node `[N, …]` that repeats a constant for each picture.
    ///
    /// # Errors
    /// For constants of integers.
    pub fn repeat_per_picture(&mut self, array: &Array, name: &str) -> Result<usize> {
        let array = array.reshaped(&[&[1], &array.shape[..]].concat())?;
        let parameter = self.graph.parameter(&array, name, "value", Role::Weight)?;
        self.graph.emit_layer(name, Repeat, &[0], &[parameter])
    }
}
