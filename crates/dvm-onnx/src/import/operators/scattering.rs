//! Values with some of their parts replaced, as exporters write assignments such as `x[:, 1:] = y`.

use std::ops::Range;

use super::super::Import;
use super::super::array::{Array, Values, strides};
use super::super::integer::Integer;
use super::super::site::{Site, Value, axis};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::shapes::sides;
use super::{Operator, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("ScatterND", scatter),
    ("ScatterElements", scatter_elements),
];

fn scatter(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if site.text("reduction").is_some_and(|how| how != "none") {
        return Err(unsupported("adds to parts of a value"));
    }
    let (value, new) = (site.value(0)?.clone(), site.value(2)?.clone());
    if let (Value::Constant(_), Value::Constant(_)) = (&value, &new) {
        return of_constants(import, site);
    }
    let from = sides(import, &value)?;
    let ranges = block(site.constant(1)?, &from, import.file_batch)?;
    replace_block(import, site, &ranges)
}

/// `ScatterElements` where it replaces whole positions along an axis, as exporters write `x[:, 3] = y`.
fn scatter_elements(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if site.text("reduction").is_some_and(|how| how != "none") {
        return Err(unsupported("adds to parts of a value"));
    }
    let from = sides(import, site.value(0)?)?;
    let indices = site.constant(1)?;
    let along = site.axis("axis", 0, from.len())?;
    let no_block = || unsupported("replaces parts of a value that are no block of it");
    if indices.rank() != from.len() || indices.len() == 0 {
        return Err(no_block());
    }
    let side = from[along].known().ok_or_else(no_block)?;
    // The same positions wherever one looks along the other axes.
    let places = indices.as_known()?;
    let step = strides(&indices.shape)[along];
    let count = indices.shape[along];
    let start = axis(places[0], side as usize)?;
    let mut all = places.iter().enumerate();
    let is_block = all.all(|(at, &place)| {
        let position = (start + at / step % count) as i64;
        place == position || place.checked_add(side) == Some(position)
    });
    if !is_block || start + count > side as usize {
        return Err(no_block());
    }
    let mut ranges = vec![None; from.len()];
    ranges[along] = Some(start..start + count);
    replace_block(import, site, &ranges)
}

/// The node's first input with its third in place of a block.
fn replace_block(
    import: &mut Import,
    site: &Site,
    ranges: &[Option<Range<usize>>],
) -> Result<Vec<Value>, Trouble> {
    let (value, new) = (site.value(0)?.clone(), site.value(2)?.clone());
    let from = sides(import, &value)?;
    let expected: Vec<Integer> = from
        .iter()
        .enumerate()
        .map(|(axis, &side)| match ranges.get(axis) {
            Some(Some(range)) => Integer::from(range.len() as i64),
            _ => side,
        })
        .collect();
    let given = sides(import, &new)?;
    let fits = |(given, side): (&Integer, &Integer)| {
        given == side || (side.known().is_none() && given.known() == import.file_batch)
    };
    if given.len() != expected.len() || !given.iter().zip(&expected).all(fits) {
        return Err(unsupported("replaces a part by a value of another shape"));
    }
    Ok(vec![import.replaced(value, ranges, 0, new, site.name)?])
}

/// The block of a value that indices `[…, depth]` stand for: for each of the first `depth` axes the
/// positions, or nothing where it is all of them.
fn block(
    indices: &Array,
    from: &[Integer],
    file_batch: Option<i64>,
) -> Result<Vec<Option<Range<usize>>>, Trouble> {
    let no_block = || unsupported("replaces parts of a computed value that are no block of it");
    let Some((&depth, outer)) = indices.shape.split_last() else {
        return Err(invalid("has no indices"));
    };
    if depth != outer.len() || depth > from.len() || outer.contains(&0) {
        return Err(no_block());
    }
    let places = indices.as_known()?;
    let first = &places[..depth];
    // One step along an axis is one position further along the same.
    let steps = strides(outer);
    let is_block = places.chunks_exact(depth).enumerate().all(|(at, place)| {
        let along = |axis: usize| (at / steps[axis] % outer[axis]) as i64;
        (0..depth).all(|axis| Some(place[axis]) == first[axis].checked_add(along(axis)))
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
            return Err(invalid(format!("replaces {count} positions of {side}")));
        }
        let is_all = start == 0 && count == side as usize;
        ranges.push((!is_all).then_some(start..start + count));
    }
    Ok(ranges)
}

impl Import<'_> {
    /// A value whose block is `new`, from one axis on: what lies before it, it, and what lies behind.
    fn replaced(
        &mut self,
        value: Value,
        ranges: &[Option<Range<usize>>],
        axis: usize,
        new: Value,
        name: &str,
    ) -> Result<Value, Trouble> {
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
            let own = self.part(&value, axis, part.clone(), name)?;
            parts.push(match part == range {
                true => self.replaced(own, ranges, axis + 1, new.clone(), name)?,
                false => own,
            });
        }
        self.side_by_side(&parts, axis, name)
    }
}

/// A constant with some of its parts replaced: masks that a graph makes of its own shapes.
fn of_constants(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (array, indices, updates) = (site.constant(0)?, site.constant(1)?, site.constant(2)?);
    import.draft.spend_on(&array.shape)?;
    let depth = *indices
        .shape
        .last()
        .ok_or_else(|| invalid("has no indices"))?;
    if depth == 0 || depth > array.rank() {
        return Err(invalid(format!(
            "replaces parts {depth} axes deep of {:?}",
            array.shape
        )));
    }
    let steps = strides(&array.shape);
    let size: usize = array.shape[depth..].iter().product();
    let places = indices.as_known()?;
    let mut starts = Vec::with_capacity(places.len() / depth);
    for place in places.chunks_exact(depth) {
        let mut start = 0;
        for (index, &position) in place.iter().enumerate() {
            start += axis(position, array.shape[index])? * steps[index];
        }
        starts.push(start);
    }
    if updates.len() != starts.len() * size {
        return Err(invalid("has not as many new values as places for them"));
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
