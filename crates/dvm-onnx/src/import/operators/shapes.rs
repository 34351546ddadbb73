//! Other shapes for the same values, and numbers made of shapes.

use dvm_engine::Role;
use dvm_engine::ops::binary::Function;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::repeat::Repeat;

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::integer::Integer;
use super::super::site::{Site, Value, axis};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Shape", shape),
    ("Size", size),
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Transpose", transpose),
    ("Expand", expand),
    ("Tile", tile),
    ("Concat", concat),
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
    ("Resize", resize),
];

/// Axes that a value may have.
const MOST_AXES: usize = 12;

/// The sides of any value.
fn sides(import: &Import, value: &Value) -> Result<Vec<Integer>, Trouble> {
    match value {
        Value::Constant(array) => {
            let mut sides: Vec<Integer> = array.shape.iter().map(|&s| (s as i64).into()).collect();
            if array.repeated && !sides.is_empty() {
                sides[0] = Integer::pictures(1);
            }
            Ok(sides)
        }
        Value::Computed(view) | Value::IsNan(view) => Ok(import.draft.sides(view)),
        Value::Unknown => Err(unsupported("has an unknown input")),
    }
}

fn shape(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let sides = sides(import, site.value(0)?)?;
    let rank = sides.len() as i64;
    let place = |given: i64| {
        (if given < 0 {
            given.saturating_add(rank)
        } else {
            given
        })
        .clamp(0, rank)
    };
    let (start, end) = (place(site.int("start", 0)), place(site.int("end", rank)));
    let part = sides.get(start as usize..end.max(start) as usize);
    constant(Array::row(part.unwrap_or(&[]).to_vec()))
}

fn size(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let sides = sides(import, site.value(0)?)?;
    let product = sides
        .into_iter()
        .try_fold(Integer::from(1), |p, side| p.times(side));
    let product = product.ok_or_else(|| unsupported("counts too many values"))?;
    constant(Array::integers(&[], vec![product]))
}

fn product(sides: &[Integer]) -> Result<Integer, Trouble> {
    let product = sides
        .iter()
        .try_fold(Integer::from(1), |p, &side| p.times(side));
    product.ok_or_else(|| invalid("has more values than can be counted"))
}

/// The sides that a `Reshape` asks for: 0 copies, −1 takes what is left.
fn wanted(from: &[Integer], to: &[Integer], zero_copies: bool) -> Result<Vec<Integer>, Trouble> {
    let mut sides = to.to_vec();
    let mut open = None;
    for (index, side) in sides.iter_mut().enumerate() {
        match side.known() {
            Some(0) if zero_copies => {
                let same = from.get(index).copied();
                *side = same.ok_or_else(|| invalid("copies a side that is not there"))?;
            }
            Some(-1) if open.is_none() => open = Some(index),
            Some(known) if known < 0 => return Err(invalid(format!("asks for a side of {known}"))),
            _ => {}
        }
    }
    let Some(open) = open else {
        return Ok(sides);
    };
    sides[open] = Integer::from(1);
    let whole = product(from)?;
    let left = whole.over(product(&sides)?);
    sides[open] = left.ok_or_else(|| invalid(format!("cannot make {to:?} of {from:?}")))?;
    Ok(sides)
}

fn reshape(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let to = match site.optional(1) {
        Some(_) => site.constant(1)?.as_integers()?.to_vec(),
        None => {
            let sides = site
                .ints("shape")
                .ok_or_else(|| invalid("lacks its shape"))?;
            sides.iter().map(|&side| side.into()).collect()
        }
    };
    if to.len() > MOST_AXES {
        return Err(unsupported(format!("makes a value of {} axes", to.len())));
    }
    let zero_copies = site.int("allowzero", 0) == 0;
    let from = sides(import, site.value(0)?)?;
    match site.value(0)? {
        Value::Constant(array) => {
            let to = wanted(&from, &to, zero_copies)?;
            // Of a constant for every picture, a picture's share.
            let for_one: Option<Vec<usize>> = to
                .iter()
                .map(|side| usize::try_from(side.at(1)?).ok())
                .collect();
            let for_one = for_one.ok_or_else(|| invalid("asks for an impossible shape"))?;
            let mut made = array.reshaped(&for_one)?;
            made.repeated = to.first().is_some_and(|side| side.known().is_none());
            constant(made)
        }
        _ => {
            let view = site.view(0)?.clone();
            let to = match import.file_batch {
                None => wanted(&from, &to, zero_copies)?,
                // What is left is counted for the batch of the file, for which it was written.
                Some(batch) => match wanted(&from, &to, zero_copies) {
                    Ok(sides) if product(&sides)? == product(&from)? && has_one_batch(&sides) => {
                        sides
                    }
                    _ => {
                        let at = |side: &Integer| side.at(batch).map(Integer::from);
                        let fixed: Option<Vec<Integer>> = from.iter().map(at).collect();
                        let fixed = fixed.ok_or_else(|| invalid("has an impossible shape"))?;
                        wanted(&fixed, &to, zero_copies)?
                    }
                },
            };
            let batch = import.file_batch.unwrap_or(1);
            let to = opened(import, &view, to, batch)?;
            let made = import.draft.reshape(&view, &to, site.name)?;
            // What has become a feature map again is one in the engine, too.
            let is_in_order = made.axes.iter().flatten().is_sorted();
            let has_parts = made.axes.iter().any(|group| group.len() > 1);
            if made.rank() == 4 && is_in_order && has_parts && made.axes[0] == [0] {
                let shape = import.draft.sides_of_one(&made);
                let sides = shape.iter().skip(1).map(|&side| Some(side));
                let sides = std::iter::once(None).chain(sides).collect();
                let op = dvm_engine::ops::reshape::Reshape { sides };
                let node = import.draft.emit(site.name, op, &[made.node], &[])?;
                return computed(import.draft.whole(node));
            }
            computed(made)
        }
    }
}

/// Whether one side counts pictures and stands where pictures may.
fn has_one_batch(sides: &[Integer]) -> bool {
    let mut open = sides.iter().filter(|side| side.known().is_none());
    open.next().is_some_and(|side| side.fixed == 0) && open.next().is_none()
}

/// Sides that were written down for a batch of one size, for any: the batch goes to where it stands in
/// memory.
fn opened(
    import: &Import,
    view: &View,
    mut to: Vec<Integer>,
    batch: i64,
) -> Result<Vec<Integer>, Trouble> {
    let from = import.draft.sides(view);
    let whole = product(&from)?;
    let asked = product(&to)?;
    if asked == whole {
        return Ok(to);
    }
    let fixed: Option<Vec<i64>> = to.iter().map(|side| side.known()).collect();
    let for_one = whole.per.checked_mul(batch);
    let (Some(fixed), true) = (fixed, asked.known() == for_one && whole.fixed == 0) else {
        return Err(invalid(format!(
            "cannot make {:?} of {:?}",
            to.iter()
                .map(|side| side.at(1).unwrap_or(0))
                .collect::<Vec<_>>(),
            import.draft.sides_of_one(view)
        )));
    };
    // Values from one picture to the next, as they stand in memory.
    let shape = &import.draft.nodes[view.node].shape;
    let order = view.axes.iter().flatten().copied();
    let after = order.skip_while(|&axis| axis != 0).skip(1);
    let stride: i64 = after.map(|axis| shape[axis] as i64).product();
    // Its place is the outer end of a side, or the inner end of the side before: better a side of its
    // own, and never among the features, which are last.
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
    to[found] = Integer::pictures(fixed[found] / batch);
    Ok(to)
}

fn flatten(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let given = site.int("axis", 1);
    // All axes may lie before the cut.
    let at = match given == from.len() as i64 {
        true => from.len(),
        false => axis(given, from.len())?,
    };
    let to = [product(&from[..at])?, product(&from[at..])?];
    match site.value(0)? {
        Value::Constant(array) => {
            let shape = to.map(|side| side.at(1).unwrap_or(0) as usize);
            constant(array.reshaped(&shape)?)
        }
        _ => {
            let view = site.view(0)?.clone();
            computed(import.draft.reshape(&view, &to, site.name)?)
        }
    }
}

fn squeeze(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let axes = site.axes(1, from.len())?;
    let is_one = |side: &Integer| side.known() == Some(1);
    if let Some(axes) = &axes
        && let Some(&axis) = axes.iter().find(|&&axis| !is_one(&from[axis]))
    {
        return Err(invalid(format!("squeezes axis {axis}, which is not 1")));
    }
    let goes = |axis: &usize| match &axes {
        Some(axes) => axes.contains(axis),
        None => is_one(&from[*axis]),
    };
    let stay: Vec<usize> = (0..from.len()).filter(|axis| !goes(axis)).collect();
    match site.value(0)? {
        Value::Constant(array) => {
            let shape: Vec<usize> = stay.iter().map(|&axis| array.shape[axis]).collect();
            constant(array.reshaped(&shape)?)
        }
        _ => computed(site.view(0)?.transposed(&stay)),
    }
}

fn unsqueeze(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let from = sides(import, site.value(0)?)?;
    let given = match site.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => site.ints("axes").unwrap_or(&[]).to_vec(),
    };
    let rank = from.len() + given.len();
    if rank > MOST_AXES {
        return Err(unsupported(format!("makes a value of {rank} axes")));
    }
    let new: Vec<usize> = given
        .iter()
        .map(|&a| axis(a, rank))
        .collect::<Result<_, _>>()?;
    if (1..new.len()).any(|i| new[..i].contains(&new[i])) {
        return Err(invalid("adds an axis twice"));
    }
    match site.value(0)? {
        Value::Constant(array) => {
            let mut old = array.shape.iter();
            let side = |axis| {
                if new.contains(&axis) {
                    Some(1)
                } else {
                    old.next().copied()
                }
            };
            let shape: Vec<usize> = (0..rank).map_while(side).collect();
            constant(array.reshaped(&shape)?)
        }
        _ => {
            let view = site.view(0)?;
            let mut old = view.axes.iter();
            let group = |axis| match new.contains(&axis) {
                true => Some(Vec::new()),
                false => old.next().cloned(),
            };
            computed(View {
                node: view.node,
                axes: (0..rank).map_while(group).collect(),
            })
        }
    }
}

fn transpose(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let rank = sides(import, site.value(0)?)?.len();
    let order: Vec<usize> = match site.ints("perm") {
        Some(given) => given
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(invalid(format!("orders {rank} axes as {order:?}")));
    }
    match site.value(0)? {
        Value::Constant(array) => {
            import.draft.spend_on(&array.shape)?;
            constant(array.transposed(&order))
        }
        _ => computed(site.view(0)?.transposed(&order)),
    }
}

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
                let is_batch = from.known().is_none() && to.known() == import.file_batch;
                from == one || to == one || from == to || is_batch
            };
            if !pairs.iter().all(fits) {
                return Err(invalid(format!(
                    "cannot spread {:?}",
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
            let ones = pairs.iter().map(|pair| {
                let to = if larger(pair) {
                    pair.1.known()
                } else {
                    Some(1)
                };
                to.and_then(|to| usize::try_from(to).ok())
            });
            let shape: Option<Vec<usize>> = ones.collect();
            let shape = shape.ok_or_else(|| unsupported("repeats values for each picture"))?;
            import.draft.spend_on(&shape)?;
            let count = shape.iter().product::<usize>();
            let array = Value::Constant(Array::floats(&shape, vec![1.0; count]));
            let name = site.name;
            Ok(vec![import.binary(
                name,
                Function::Mul,
                &Value::Computed(view),
                &array,
            )?])
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
            let mut view = site.view(0)?.clone();
            for (axis, count) in repeats.iter().enumerate() {
                let count = count.known().filter(|count| (1..=64).contains(count));
                let count = count.ok_or_else(|| unsupported("repeats a value very often"))?;
                if count == 1 {
                    continue;
                }
                let (single, own) = import.draft.single(&view, axis, site.name)?;
                let inputs = vec![single.node; count as usize];
                let node = import
                    .draft
                    .emit(site.name, Concat { axis: own }, &inputs, &[])?;
                view = View {
                    node,
                    axes: single.axes,
                };
                if view.axes[axis].is_empty() {
                    view.axes[axis] = vec![own];
                }
            }
            computed(view)
        }
    }
}

fn concat(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let first = sides(import, site.value(0)?)?;
    let rank = first.len();
    let along = site.axis("axis", 1, rank)?;
    let values: Vec<Value> = (0..site.inputs.len())
        .map(|index| site.value(index).cloned())
        .collect::<Result<_, _>>()?;
    let arrays: Vec<&Array> = values
        .iter()
        .filter_map(|value| match value {
            Value::Constant(array) => Some(array),
            _ => None,
        })
        .collect();
    if arrays.len() == values.len() {
        return constant(joined(import, &arrays, along)?);
    }
    let mut views = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match value {
            Value::Computed(view) => views.push(view.clone()),
            Value::Constant(array) if array.len() == 0 => {}
            Value::Constant(array) => {
                let name = format!("{}.{index}", site.name);
                views.push(import.for_every_picture(array, &name)?);
            }
            _ => return Err(unsupported("joins truth values")),
        }
    }
    if views.iter().any(|view| view.rank() != rank) {
        return Err(invalid("joins values with different numbers of axes"));
    }
    let is_alike = views.iter().all(|view| {
        let nodes = &import.draft.nodes;
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
            let canonical = import.draft.canonical(view, site.name)?;
            let (single, axis) = import.draft.single(&canonical, along, site.name)?;
            (*view, own) = (single, axis);
        }
        own
    };
    let nodes: Vec<usize> = views.iter().map(|view| view.node).collect();
    let node = import
        .draft
        .emit(site.name, Concat { axis: own }, &nodes, &[])?;
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
    computed(import.draft.tidy(view))
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
    /// A constant `[1, …]` as a value that every picture has: a class token.
    fn for_every_picture(&mut self, array: &Array, name: &str) -> Result<View, Trouble> {
        let is_one = array.shape.first() == Some(&1);
        if !is_one || !(array.repeated || self.file_batch == Some(1)) {
            return Err(unsupported("joins pictures with a constant"));
        }
        let parameter = self.draft.parameter(array, name, "value", Role::Weight)?;
        let node = self.draft.emit(name, Repeat, &[0], &[parameter])?;
        Ok(self.draft.whole(node))
    }
}

fn depth_to_space(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    blocks(import, site, true)
}

fn space_to_depth(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    blocks(import, site, false)
}

/// Pixels of blocks to channels, or back.
fn blocks(import: &mut Import, site: &Site, to_space: bool) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let block = site.int("blocksize", 0);
    let sides = import.draft.sides(&view);
    let [n, c, h, w] = sides[..] else {
        return Err(unsupported("works on values that are no maps [N, C, H, W]"));
    };
    let over = |side: Integer, by: i64| {
        side.over(by.into())
            .filter(|_| by > 0 && side.known().is_some_and(|side| side % by == 0))
            .ok_or_else(|| invalid(format!("makes blocks of {block}")))
    };
    let b = Integer::from(block);
    let times = |side: Integer| {
        side.times(b)
            .ok_or_else(|| invalid("makes too many pixels"))
    };
    let is_crd = site.text("mode") == Some("CRD");
    let (split, order, to): (Vec<Integer>, [usize; 6], [Integer; 4]) = if to_space {
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
    let split = import.draft.reshape(&view, &split, site.name)?;
    let moved = split.transposed(&order);
    computed(import.draft.reshape(&moved, &to, site.name)?)
}

/// Only where it changes nothing.
fn resize(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let now = import.draft.sides(&view);
    let scales = site.optional_constant(2)?;
    let stays = match (site.optional_constant(3)?, scales) {
        (Some(sizes), _) if sizes.len() > 0 => {
            let sizes = sizes.as_integers()?;
            sizes.len() <= now.len() && now[now.len() - sizes.len()..] == sizes[..]
        }
        (_, Some(scales)) => scales.as_floats()?.iter().all(|&scale| scale == 1.0),
        _ => false,
    };
    match stays {
        true => computed(view),
        false => Err(unsupported("resizes maps inside the network")),
    }
}
