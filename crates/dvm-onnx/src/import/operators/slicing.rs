//! `Slice` and `Split`.

use super::Operator;
use super::selection::sides;
use crate::import::{Import, NodeContext, Result, SymInt, Value, axis, invalid, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[("Slice", slice), ("Split", split)];

/// A number larger than any batch size: a slice that ends there selects all pictures.
const MOST_PICTURES: i64 = 9999;

fn slice(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let starts = ctx
        .integers(1, "starts")?
        .ok_or_else(|| invalid("has no starts"))?;
    let ends = ctx
        .integers(2, "ends")?
        .ok_or_else(|| invalid("has no ends"))?;
    let axes: Vec<usize> = match ctx.integers(3, "axes")? {
        Some(axes) => axes
            .iter()
            .map(|a| axis(a.known().unwrap_or(i64::MAX), from.len()))
            .collect::<Result<_, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = ctx
        .integers(4, "steps")?
        .unwrap_or_else(|| vec![1.into(); starts.len()]);
    let alike = [ends.len(), axes.len(), steps.len()]
        .iter()
        .all(|&len| len == starts.len());
    if !alike || axes.iter().any(|&axis| axis >= from.len()) {
        return Err(invalid(
            "has starts, ends, axes and steps of different lengths, or too many",
        ));
    }
    let mut value = ctx.value(0)?.clone();
    for (index, &along) in axes.iter().enumerate() {
        let (start, end, step) = (starts[index], ends[index], steps[index]);
        let Some(side) = from[along].known() else {
            // Only slices of all pictures are supported.
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
            return Err(unsupported("selects pictures of a batch"));
        };
        let known = |number: SymInt| {
            number
                .known()
                .ok_or_else(|| unsupported("depends on the batch size"))
        };
        let at = positions(side, known(start)?, known(end)?, known(step)?)?;
        value = import.select_positions(&value, along, &at, ctx.name)?;
    }
    Ok(vec![value])
}

/// The positions that a slice selects.
fn positions(side: i64, start: i64, end: i64, step: i64) -> Result<Vec<usize>> {
    let counted = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
    if step == 0 {
        return Err(invalid("has a step of 0"));
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

fn split(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let along = ctx.axis("axis", 0, from.len())?;
    let side = from[along]
        .known()
        .ok_or_else(|| unsupported("splits the batch"))?;
    let parts: Vec<i64> = match ctx.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => match ctx.ints("split") {
            Some(parts) => parts.to_vec(),
            None => {
                let outputs = ctx.node.output.len().max(1) as i64;
                let count = ctx.int("num_outputs", outputs).clamp(1, outputs);
                // The last part is smaller if there is a remainder.
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
        return Err(invalid(format!(
            "splits an axis of length {side} into {parts:?}"
        )));
    }
    let mut start = 0;
    let mut values = Vec::new();
    for (index, &part) in parts.iter().enumerate() {
        let at: Vec<usize> = (start..start + part).map(|at| at as usize).collect();
        start += part;
        if ctx.node.output.get(index).is_none_or(String::is_empty) {
            values.push(Value::Unknown);
            continue;
        }
        let name = format!("{}.{index}", ctx.name);
        values.push(import.select_positions(ctx.value(0)?, along, &at, &name)?);
    }
    Ok(values)
}
