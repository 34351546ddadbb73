//! Values side by side, and values again and again.

use dvm_engine::Role;
use dvm_engine::ops::binary::Function;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::repeat::Repeat;

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::shapes::{MOST_AXES, sides};
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] =
    &[("Expand", expand), ("Tile", tile), ("Concat", concat)];

/// How often a value may be repeated along an axis.
const MOST_REPEATS: usize = 1 << 16;

fn expand(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let to = site.constant(1)?.as_integers()?.to_vec();
    if to.len() > MOST_AXES {
        return Err(unsupported(format!("makes a value of {} axes", to.len())));
    }
    match site.value(0)? {
        Value::Constant(array) => constant(expanded(import, array, &to)?),
        _ => {
            let view = site.view(0)?.clone();
            let from = import.draft.sides(&view);
            let batch = import.file_batch;
            let rank = to.len().max(from.len());
            let one = Integer::from(1);
            let side = |sides: &[Integer], axis: usize| {
                (axis + sides.len())
                    .checked_sub(rank)
                    .map_or(one, |i| sides[i])
            };
            let pairs: Vec<(Integer, Integer)> = (0..rank)
                .map(|axis| (side(&from, axis), side(&to, axis)))
                .collect();
            let fits = |&(from, to): &(Integer, Integer)| {
                // What the file was written for may hold more than the pictures: windows, heads.
                let of_file = batch.and_then(|batch| from.at(batch));
                let is_batch = from.known().is_none() && to.known() == of_file && of_file.is_some();
                from == one || to == one || from == to || is_batch
            };
            if !pairs.iter().all(fits) {
                let asked: Vec<_> = to.iter().map(|side| side.at(1).unwrap_or(0)).collect();
                return Err(invalid(format!(
                    "cannot spread {:?} to {asked:?}",
                    import.draft.sides_of_one(&view)
                )));
            }
            // What becomes larger is multiplied by ones.
            let larger = |&(from, to): &(Integer, Integer)| from == one && to != one;
            if !pairs.iter().any(larger) {
                let fill = vec![Vec::new(); rank - view.rank()];
                let axes = [fill, view.axes].concat();
                return computed(View {
                    node: view.node,
                    axes,
                });
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
            let counts = counts.ok_or_else(|| unsupported("repeats values for each picture"))?;
            Ok(vec![import.spread(view, &counts, site.name)?])
        }
    }
}

/// A constant spread to a shape, whose first side may be the batch.
fn expanded(import: &mut Import, array: &Array, to: &[Integer]) -> Result<Array, Trouble> {
    let mut sides = Vec::new();
    let mut repeated = array.repeated;
    for (axis, side) in to.iter().enumerate() {
        match side.known() {
            Some(side) => sides
                .push(usize::try_from(side).map_err(|_| invalid("asks for an impossible shape"))?),
            None if axis == 0 && *side == Integer::pictures(1) => {
                repeated = true;
                sides.push(1);
            }
            None => return Err(unsupported("makes a constant of as many rows as pictures")),
        }
    }
    let shape = super::super::array::broadcast(&array.shape, &sides)?;
    import.draft.spend_on(&shape)?;
    let mut made = array.spread(&shape)?;
    if shape == array.shape {
        made.name = array.name.clone();
    }
    made.repeated = repeated;
    Ok(made)
}

fn tile(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let repeats = site.constant(1)?.as_integers()?.to_vec();
    let from = sides(import, site.value(0)?)?;
    if repeats.len() != from.len() {
        return Err(invalid("repeats other axes than there are"));
    }
    if repeats.iter().all(|count| count.known() == Some(1)) {
        return Ok(vec![site.value(0)?.clone()]);
    }
    match site.value(0)? {
        Value::Constant(array) => {
            // An axis for the repetitions before each axis.
            let mut split = Vec::new();
            let mut spread = Vec::new();
            let mut joined = Vec::new();
            let mut repeated = array.repeated;
            for (axis, (&side, count)) in array.shape.iter().zip(&repeats).enumerate() {
                let count = match count.known() {
                    Some(count) => {
                        usize::try_from(count).map_err(|_| invalid("repeats less than 0 times"))?
                    }
                    None if axis == 0 && side == 1 && *count == Integer::pictures(1) => {
                        repeated = true;
                        1
                    }
                    None => return Err(unsupported("repeats a constant for each picture")),
                };
                split.extend([1, side]);
                spread.extend([count, side]);
                joined.push(count.saturating_mul(side));
            }
            import.draft.spend_on(&joined)?;
            let mut made = array.reshaped(&split)?.spread(&spread)?.reshaped(&joined)?;
            made.repeated = repeated;
            constant(made)
        }
        _ => {
            let view = site.view(0)?.clone();
            let mut counts = Vec::new();
            for count in &repeats {
                let count = count.known().and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| (1..=MOST_REPEATS).contains(count));
                let count = count.ok_or_else(|| {
                    unsupported("repeats a value very often, or for each picture")
                })?;
                counts.push(count);
            }
            Ok(vec![import.repeated(view, &counts, site.name)?])
        }
    }
}

fn concat(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let rank = sides(import, site.value(0)?)?.len();
    let along = site.axis("axis", 1, rank)?;
    let values: Vec<Value> = (0..site.inputs.len())
        .map(|index| site.value(index).cloned())
        .collect::<Result<_, _>>()?;
    Ok(vec![import.side_by_side(&values, along, site.name)?])
}

/// Constants side by side.
fn joined(import: &mut Import, arrays: &[&Array], along: usize) -> Result<Array, Trouble> {
    let rank = arrays[0].rank();
    let mut shape = arrays[0].shape.clone();
    shape[along] = 0;
    for array in arrays {
        let same = |axis: usize| axis == along || array.shape.get(axis) == Some(&shape[axis]);
        if array.rank() != rank || !(0..rank).all(same) {
            return Err(invalid("joins constants that do not go together"));
        }
        shape[along] = shape[along].saturating_add(array.shape[along]);
    }
    import.draft.spend_on(&shape)?;
    let outer: usize = shape[..along].iter().product();
    let run = |array: &Array| array.len() / outer.max(1);
    let repeated = along > 0 && arrays.iter().any(|array| array.repeated);
    let is_whole = matches!(arrays[0].values, Values::Integers(_));
    let mut made = if is_whole {
        let mut values = Vec::new();
        for row in 0..outer {
            for array in arrays {
                let count = run(array);
                values.extend_from_slice(&array.as_integers()?[row * count..(row + 1) * count]);
            }
        }
        Array::integers(&shape, values)
    } else {
        let mut values = Vec::new();
        for row in 0..outer {
            for array in arrays {
                let count = run(array);
                values.extend_from_slice(&array.as_floats()?[row * count..(row + 1) * count]);
            }
        }
        Array::floats(&shape, values)
    };
    made.repeated = repeated;
    Ok(made)
}

impl Import<'_> {
    /// A value whose axes of side 1 become this long; what becomes longer is multiplied by ones.
    fn spread(&mut self, view: View, counts: &[usize], name: &str) -> Result<Value, Trouble> {
        self.draft.spend_on(counts)?;
        let ones = vec![1.0; counts.iter().product()];
        let ones = Value::Constant(Array::floats(counts, ones));
        self.binary(name, Function::Mul, &Value::Computed(view), &ones)
    }

    /// A value so many times along each axis.
    fn repeated(&mut self, view: View, counts: &[usize], name: &str) -> Result<Value, Trouble> {
        let sides = self.draft.sides(&view);
        let several = |(side, count): (&Integer, &usize)| *count > 1 && side.known() != Some(1);
        if !sides.iter().zip(counts).any(several) {
            return self.spread(view, counts, name);
        }
        // An axis for the repetitions before each axis.
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
            joined.push(whole.ok_or_else(|| invalid("makes too many values"))?);
        }
        let node = view.node;
        let made = self.spread(View { node, axes }, &split, name)?;
        match made {
            Value::Computed(view) => Ok(Value::Computed(self.draft.reshape(&view, &joined, name)?)),
            other => Ok(other),
        }
    }

    /// Values side by side along an axis.
    ///
    /// # Errors
    /// Where they do not go together.
    pub fn side_by_side(
        &mut self,
        values: &[Value],
        along: usize,
        name: &str,
    ) -> Result<Value, Trouble> {
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
        let has_copies = values.iter().any(|value| matches!(value, Value::Copies(_)));
        if has_copies || (along == 0 && values.iter().all(|v| of_pictures(v) == Some(0))) {
            return self.behind_each_other(values);
        }
        let pictures = values.iter().find_map(of_pictures);
        let pictures = pictures.ok_or_else(|| unsupported("joins truth values"))?;
        let mut views = Vec::new();
        for (index, value) in values.iter().enumerate() {
            match value {
                Value::Computed(_) if of_pictures(value) != Some(pictures) => {
                    return Err(unsupported(
                        "joins values whose pictures lie along other axes",
                    ));
                }
                Value::Computed(view) => views.push(view.clone()),
                Value::Constant(array) if array.len() == 0 => {}
                Value::Constant(array) => {
                    let name = format!("{name}.{index}");
                    views.push(self.for_every_picture(array, pictures, &name)?);
                }
                _ => return Err(unsupported("joins truth values")),
            }
        }
        let rank = views[0].rank();
        if views.iter().any(|view| view.rank() != rank) || along >= rank {
            return Err(invalid("joins values with different numbers of axes"));
        }
        let is_alike = views.iter().all(|view| {
            let nodes = &self.draft.nodes;
            view.axes == views[0].axes
                && nodes[view.node].shape.len() == nodes[views[0].node].shape.len()
        });
        let is_simple = is_alike && views[0].axes[along].len() == 1 && views[0].axes[along] != [0];
        let own = if is_simple {
            views[0].axes[along][0]
        } else {
            let mut own = 0;
            for view in &mut views {
                // An axis of side 1 has to be there.
                let canonical = self.draft.canonical(view, name)?;
                let (single, axis) = self.draft.single(&canonical, along, name)?;
                (*view, own) = (single, axis);
            }
            own
        };
        let nodes: Vec<usize> = views.iter().map(|view| view.node).collect();
        let node = self.draft.emit(name, Concat { axis: own }, &nodes, &[])?;
        let mut view = views[0].of(node);
        view.axes[along] = vec![own];
        // Sides of 1 of the first input may be listed for others.
        for other in &views {
            for (group, other) in view.axes.iter_mut().zip(&other.axes) {
                if group.is_empty() {
                    group.clone_from(other);
                }
            }
        }
        Ok(Value::Computed(self.draft.tidy(view)))
    }

    /// A constant whose side is 1 along the axis of the pictures, as a value that every picture has: a class
    /// token.
    fn for_every_picture(
        &mut self,
        array: &Array,
        pictures: usize,
        name: &str,
    ) -> Result<View, Trouble> {
        let is_one = array.shape.get(pictures) == Some(&1);
        let is_for_all = (array.repeated && pictures == 0) || self.file_batch == Some(1);
        if !is_one || !is_for_all {
            return Err(unsupported("joins pictures with a constant"));
        }
        if pictures == 0 {
            let parameter = self.draft.parameter(array, name, "value", Role::Weight)?;
            let node = self.draft.emit(name, Repeat, &[0], &[parameter])?;
            return Ok(self.draft.whole(node));
        }
        let mut shape = array.shape.clone();
        shape.remove(pictures);
        let node = self.for_each_picture(&array.reshaped(&shape)?, name)?;
        let mut view = self.draft.whole(node);
        let of_pictures = view.axes.remove(0);
        view.axes.insert(pictures, of_pictures);
        Ok(view)
    }

    /// A node `[N, …]` with a constant for each picture, the same for all.
    ///
    /// # Errors
    /// For constants that are no floats.
    pub fn for_each_picture(&mut self, array: &Array, name: &str) -> Result<usize, Trouble> {
        let array = array.reshaped(&[&[1], &array.shape[..]].concat())?;
        let parameter = self.draft.parameter(&array, name, "value", Role::Weight)?;
        self.draft.emit(name, Repeat, &[0], &[parameter])
    }
}
