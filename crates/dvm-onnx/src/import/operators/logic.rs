//! Comparisons, boolean operators and `Where`; conditions must be constant.

use std::cmp::Ordering;

use dvm_engine::ops::binary::Function;

use super::{Operator, constant};
use crate::import::value::array::broadcast;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Equal", |i, s| compare(i, s, Ordering::is_eq)),
    ("Greater", |i, s| compare(i, s, Ordering::is_gt)),
    ("GreaterOrEqual", |i, s| compare(i, s, Ordering::is_ge)),
    ("Less", |i, s| compare(i, s, Ordering::is_lt)),
    ("LessOrEqual", |i, s| compare(i, s, Ordering::is_le)),
    ("And", |i, s| truths(i, s, |a, b| a && b)),
    ("Or", |i, s| truths(i, s, |a, b| a || b)),
    ("Xor", |i, s| truths(i, s, |a, b| a != b)),
    ("Not", not),
    ("IsNaN", is_nan),
    ("Where", choose),
];

/// Two constants, broadcast to one shape.
fn broadcast_inputs(import: &mut Import, ctx: &NodeContext) -> Result<(Array, Array)> {
    let (a, b) = (ctx.constant(0)?, ctx.constant(1)?);
    let shape = broadcast(&a.shape, &b.shape)?;
    import.graph.check_array(&shape)?;
    Ok((a.broadcast_to(&shape)?, b.broadcast_to(&shape)?))
}

fn compare(
    import: &mut Import,
    ctx: &NodeContext,
    holds: fn(Ordering) -> bool,
) -> Result<Vec<Value>> {
    let (a, b) = broadcast_inputs(import, ctx)?;
    let truth = |order: Option<Ordering>| SymInt::from(i64::from(order.is_some_and(holds)));
    let values: Vec<SymInt> = match (&a.values, &b.values) {
        (Values::Integers(first), Values::Integers(second)) => {
            let mut values = Vec::with_capacity(first.len());
            for (a, b) in first.iter().zip(second.iter()) {
                let order = a.compare(*b);
                let unknown = || unsupported("depends on the batch size");
                values.push(truth(Some(order.ok_or_else(unknown)?)));
            }
            values
        }
        _ => {
            let (first, second) = (a.as_floats()?, b.as_floats()?);
            let pairs = first.iter().zip(second.iter());
            pairs.map(|(a, b)| truth(a.partial_cmp(b))).collect()
        }
    };
    constant(Array::integers(&a.shape, values))
}

fn truths(import: &mut Import, ctx: &NodeContext, f: fn(bool, bool) -> bool) -> Result<Vec<Value>> {
    let (a, b) = broadcast_inputs(import, ctx)?;
    let pairs = a.as_known()?.into_iter().zip(b.as_known()?);
    let values = pairs.map(|(a, b)| i64::from(f(a != 0, b != 0)).into());
    constant(Array::integers(&a.shape, values.collect()))
}

fn not(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let array = ctx.constant(0)?;
    import.graph.check_array(&array.shape)?;
    let values = array
        .as_known()?
        .into_iter()
        .map(|v| i64::from(v == 0).into());
    constant(Array::integers(&array.shape, values.collect()))
}

fn is_nan(_: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    match ctx.value(0)? {
        Value::Constant(array) => {
            let values = array
                .as_floats()?
                .iter()
                .map(|v| i64::from(v.is_nan()).into());
            constant(Array::integers(&array.shape, values.collect()))
        }
        Value::Computed(view) => Ok(vec![Value::IsNan(view.clone())]),
        _ => Err(unsupported("has an input of booleans or quantised values")),
    }
}

fn choose(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (yes, no) = (ctx.value(1)?.clone(), ctx.value(2)?.clone());
    let condition = match ctx.value(0)? {
        Value::Constant(condition) => condition.clone(),
        // Attention replaces rows of its softmax that are NaN; without masks there are none.
        Value::IsNan(asked) if matches!(&no, Value::Computed(view) if view == asked) => {
            return Ok(vec![no]);
        }
        _ => {
            return Err(unsupported(
                "has a condition that is computed from the picture",
            ));
        }
    };
    let known = condition.as_known()?;
    if !known.is_empty() && known.iter().all(|&truth| truth == known[0]) {
        let (chosen, other) = if known[0] != 0 {
            (&yes, &no)
        } else {
            (&no, &yes)
        };
        let sides = |value: &Value| match value {
            Value::Constant(array) => Some(array.len()),
            _ => None,
        };
        // Only if the other value and the condition would not broadcast it.
        let is_small = sides(other) == Some(1) && condition.len() == 1;
        if is_small
            || matches!(chosen, Value::Computed(_))
                && sides(other) == Some(1)
                && no_wider(import, chosen, &condition)
        {
            return Ok(vec![chosen.clone()]);
        }
    }
    let all_constant = [&yes, &no].iter().all(|v| matches!(v, Value::Constant(_)));
    if all_constant {
        let (yes, no) = (ctx.constant(1)?, ctx.constant(2)?);
        let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
        import.graph.check_array(&shape)?;
        let truth = condition.broadcast_to(&shape)?.as_known()?;
        let repeated = yes.repeated || no.repeated;
        let (yes, no) = (yes.broadcast_to(&shape)?, no.broadcast_to(&shape)?);
        fn chosen<T: Copy>(truth: &[i64], yes: &[T], no: &[T]) -> Vec<T> {
            let pairs = yes.iter().zip(no);
            let all = truth.iter().zip(pairs);
            all.map(|(&truth, (&yes, &no))| if truth != 0 { yes } else { no })
                .collect()
        }
        let mut made = match (&yes.values, &no.values) {
            (Values::Integers(yes), Values::Integers(no)) => {
                Array::integers(&shape, chosen(&truth, yes, no))
            }
            _ => Array::floats(&shape, chosen(&truth, yes.as_floats()?, no.as_floats()?)),
        };
        made.repeated = repeated;
        return constant(made);
    }
    // Each value times the mask of where it is chosen; then their sum.
    let mask = |keep: bool| {
        let values = known.iter().map(|&truth| f32::from((truth != 0) == keep));
        Array::floats(&condition.shape, values.collect())
    };
    let name = ctx.name;
    let mut part = |value: &Value, keep: bool, which: &str| -> Result<Value> {
        let mask = mask(keep);
        let Value::Constant(array) = value else {
            let name = format!("{name}.{which}");
            return import.binary(&name, Function::Mul, value, &Value::Constant(mask));
        };
        // Not a product, because infinity times 0 is NaN.
        let shape = broadcast(&array.shape, &mask.shape)?;
        import.graph.check_array(&shape)?;
        let (array, mask) = (array.broadcast_to(&shape)?, mask.broadcast_to(&shape)?);
        let pairs = array.as_floats()?.iter().zip(mask.as_floats()?.iter());
        let values = pairs.map(|(&value, &mask)| if mask != 0.0 { value } else { 0.0 });
        Ok(Value::Constant(Array::floats(&shape, values.collect())))
    };
    let (yes, no) = (part(&yes, true, "yes")?, part(&no, false, "no")?);
    if !matches!(
        (&yes, &no),
        (Value::Computed(_), _) | (_, Value::Computed(_))
    ) {
        return Err(invalid("chooses between values that are not computed"));
    }
    Ok(vec![import.binary(name, Function::Add, &yes, &no)?])
}

/// Whether broadcasting a value with a condition keeps its shape.
fn no_wider(import: &Import, value: &Value, condition: &Array) -> bool {
    let Value::Computed(view) = value else {
        return false;
    };
    let sides = import.graph.sides(view);
    condition.rank() <= sides.len()
        && condition
            .shape
            .iter()
            .rev()
            .zip(sides.iter().rev())
            .all(|(&own, side)| own == 1 || side.known() == Some(own as i64))
}
