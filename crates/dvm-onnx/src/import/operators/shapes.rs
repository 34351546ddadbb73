//! Other shapes for the same values, and numbers made of shapes.

use dvm_engine::ops::reshape::Reshape;

use super::super::Import;
use super::super::array::Array;
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
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
];

/// Axes that a value may have.
pub(super) const MOST_AXES: usize = 12;

/// The sides of any value.
pub(crate) fn sides(import: &Import, value: &Value) -> Result<Vec<Integer>, Trouble> {
    match value {
        Value::Constant(array) => {
            let mut sides: Vec<Integer> = array.shape.iter().map(|&s| (s as i64).into()).collect();
            if array.repeated && !sides.is_empty() {
                sides[0] = Integer::pictures(1);
            }
            Ok(sides)
        }
        Value::Computed(view) | Value::IsNan(view) => Ok(import.draft.sides(view)),
        Value::Counted(numbers) => {
            let sides = numbers.first.shape.iter().skip(1);
            let sides = sides.map(|&side| Integer::from(side as i64));
            Ok(std::iter::once(Integer::pictures(1)).chain(sides).collect())
        }
        Value::Rounded(rounded) => Ok(import.draft.sides(&rounded.view)),
        Value::Scale(_) | Value::Zero(_) => Ok(Vec::new()),
        Value::Copies(views) => {
            let mut sides = import.draft.sides(&views[0]);
            let all = sides
                .first()
                .and_then(|side| side.times((views.len() as i64).into()));
            sides[0] = all.ok_or_else(|| invalid("has more rows than can be counted"))?;
            Ok(sides)
        }
        Value::Unknown => Err(Trouble::Hidden),
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
        Value::Counted(numbers) => {
            let to = wanted(&from, &to, zero_copies)?;
            numbers.under(&to).map(|made| vec![Value::Counted(made)])
        }
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
                // A side that takes what is left is counted for the batch that the file was written
                // for, or it would take in the pictures wherever it stands.
                Some(batch) if takes_the_pictures(&from, &to, zero_copies) => {
                    let at = |side: &Integer| side.at(batch).map(Integer::from);
                    let fixed: Option<Vec<Integer>> = from.iter().map(at).collect();
                    let fixed = fixed.ok_or_else(|| invalid("has an impossible shape"))?;
                    wanted(&fixed, &to, zero_copies)?
                }
                _ => wanted(&from, &to, zero_copies)?,
            };
            let batch = import.file_batch.unwrap_or(1);
            let to = opened(import, &view, to, batch)?;
            let mut made = import.draft.reshape(&view, &to, site.name)?;
            // All values of the only picture in one row: no axis of pictures is left.
            if let (Some(1), [row]) = (import.file_batch, &mut made.axes[..])
                && row.first() == Some(&0)
            {
                row.remove(0);
            }
            // What has become a feature map again is one in the engine, too.
            let is_in_order = made.axes.iter().flatten().is_sorted();
            let has_parts = made.axes.iter().any(|group| group.len() > 1);
            if made.rank() == 4 && is_in_order && has_parts && made.axes[0] == [0] {
                let shape = import.draft.sides_of_one(&made);
                let sides = shape.iter().skip(1).map(|&side| Some(side));
                let sides = std::iter::once(None).chain(sides).collect();
                let op = Reshape { sides };
                let node = import.draft.emit(site.name, op, &[made.node], &[])?;
                return computed(import.draft.whole(node));
            }
            computed(made)
        }
    }
}

/// Whether no side that a `Reshape` asks for counts pictures, but the one that takes what is left.
fn takes_the_pictures(from: &[Integer], to: &[Integer], zero_copies: bool) -> bool {
    let mut sides = to.iter().enumerate();
    sides.all(|(axis, side)| match side.known() {
        Some(0) if zero_copies => from.get(axis).is_none_or(|side| side.known().is_some()),
        known => known.is_some(),
    })
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
    // A file for one picture may take the axis of the pictures away, too.
    let is_for_one = import.file_batch == Some(1);
    let is_one =
        |side: &Integer| side.known() == Some(1) || is_for_one && *side == Integer::pictures(1);
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
        Value::Counted(numbers) => {
            let mut old = from.into_iter();
            let one = Integer::from(1);
            let side = |axis| match new.contains(&axis) {
                true => Some(one),
                false => old.next(),
            };
            let to: Vec<Integer> = (0..rank).map_while(side).collect();
            numbers.under(&to).map(|made| vec![Value::Counted(made)])
        }
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
