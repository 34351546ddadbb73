//! Constants, and functions that are supported on constants only.

use super::{Operator, constant};
use crate::import::tensor;
use crate::import::value::array::broadcast;
use crate::import::value::batch_indices::BatchIndices;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, axis, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Constant", written),
    ("ConstantOfShape", of_shape),
    ("Range", range),
    ("Mod", modulo),
    ("CumSum", running_sum),
    ("EyeLike", identity),
    ("Floor", |i, s| rounded(i, s, f32::floor)),
    ("Ceil", |i, s| rounded(i, s, f32::ceil)),
    ("Round", |i, s| rounded(i, s, f32::round_ties_even)),
    ("Sign", |i, s| {
        rounded(i, s, |x| if x == 0.0 { 0.0 } else { x.signum() })
    }),
    ("Sin", |i, s| rounded(i, s, f32::sin)),
    ("Cos", |i, s| rounded(i, s, f32::cos)),
];

fn written(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if let Some(tensor) = ctx.tensor("value") {
        import.graph.check_room(tensor::cost(tensor, false))?;
        return constant(tensor::array(tensor, false)?);
    }
    if ctx.has("value_float") {
        return constant(Array::floats(&[], vec![ctx.float("value_float", 0.0)]));
    }
    if ctx.has("value_int") {
        return constant(Array::integers(&[], vec![ctx.int("value_int", 0).into()]));
    }
    if let Some(values) = ctx.floats("value_floats") {
        return constant(Array::floats(&[values.len()], values.to_vec()));
    }
    if let Some(values) = ctx.ints("value_ints") {
        return constant(Array::row(values.iter().map(|&v| v.into()).collect()));
    }
    Err(unsupported(
        "holds a constant that is not an array of numbers",
    ))
}

fn of_shape(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let sides = ctx.constant(0)?.as_integers()?;
    let value = match ctx.tensor("value") {
        Some(tensor) => tensor::array(tensor, false)?,
        None => Array::floats(&[1], vec![0.0]),
    };
    let (shape, repeated) = shape_of_one(sides, |side| format!("has a side of {side}"))?;
    import.graph.check_array(&shape)?;
    if value.len() != 1 {
        return Err(invalid("has several numbers to fill an array with"));
    }
    let mut made = value.reshaped(&[])?.broadcast_to(&shape)?;
    made.repeated = repeated;
    constant(made)
}

/// The shape of a constant for one picture, whose first side may be N; and whether it is. `negative` is the error about a
/// negative side.
pub(super) fn shape_of_one(
    sides: &[SymInt],
    negative: impl Fn(i64) -> String,
) -> Result<(Vec<usize>, bool)> {
    let mut shape = Vec::new();
    for (axis, side) in sides.iter().enumerate() {
        shape.push(match side.known() {
            Some(side) => usize::try_from(side).map_err(|_| invalid(negative(side)))?,
            None if axis == 0 && *side == SymInt::batch(1) => 1,
            None => {
                return Err(unsupported(
                    "makes a constant whose shape depends on the batch size",
                ));
            }
        });
    }
    let is_repeated = sides.first().is_some_and(|side| side.known().is_none());
    Ok((shape, is_repeated))
}

fn range(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let [start, limit, delta] = [0, 1, 2].map(|input| ctx.constant(input));
    let (start, limit, delta) = (start?, limit?, delta?);
    if let Some(numbers) = BatchIndices::range(start, limit, delta) {
        return Ok(vec![Value::BatchIndices(numbers)]);
    }
    if let Ok(start) = start.as_known() {
        let (limit, delta) = (limit.as_known()?, delta.as_known()?);
        let (&[start], &[limit], &[delta]) = (&start[..], &limit[..], &delta[..]) else {
            return Err(invalid("has a start, limit or delta of several numbers"));
        };
        if delta == 0 {
            return Err(invalid("has a delta of 0"));
        }
        let distance = i128::from(limit) - i128::from(start);
        let count = (distance as f64 / delta as f64).ceil().max(0.0) as usize;
        import.graph.check_array(&[count])?;
        let value = |i: usize| {
            i64::try_from(i)
                .ok()?
                .checked_mul(delta)?
                .checked_add(start)
        };
        let values = (0..count).map(|i| value(i).map(SymInt::from));
        let values: Option<Vec<SymInt>> = values.collect();
        let values = values.ok_or_else(|| invalid("computes integers that overflow"))?;
        return constant(Array::row(values));
    }
    let (start, limit, delta) = (start.as_scalar()?, limit.as_scalar()?, delta.as_scalar()?);
    if delta == 0.0 || !delta.is_finite() {
        return Err(invalid(format!("has a delta of {delta}")));
    }
    let count = ((limit - start) / delta).ceil().max(0.0) as usize;
    import.graph.check_array(&[count])?;
    let values = (0..count).map(|i| start + i as f32 * delta);
    constant(Array::floats(&[count], values.collect()))
}

fn modulo(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (a, b) = (ctx.constant(0)?, ctx.constant(1)?);
    let shape = broadcast(&a.shape, &b.shape)?;
    import.graph.check_array(&shape)?;
    let like_c = ctx.int("fmod", 0) != 0;
    let rest = |a: i64, b: i64| {
        let rest = a.checked_rem(b)?;
        // The result has the sign of the divisor, unless `fmod` is set.
        Some(if !like_c && rest != 0 && (rest < 0) != (b < 0) {
            rest + b
        } else {
            rest
        })
    };
    let pairs = a
        .broadcast_to(&shape)?
        .as_known()?
        .into_iter()
        .zip(b.broadcast_to(&shape)?.as_known()?);
    let values = pairs.map(|(a, b)| rest(a, b).map(SymInt::from));
    let values: Option<Vec<SymInt>> = values.collect();
    constant(Array::integers(
        &shape,
        values.ok_or_else(|| invalid("divides by 0"))?,
    ))
}

/// Cumulative sums along an axis.
fn running_sum(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let array = ctx.constant(0)?.clone();
    let axis = match ctx.constant(1)?.as_known()?[..] {
        [given] => axis(given, array.rank())?,
        _ => return Err(invalid("has several axes instead of one")),
    };
    let is_exclusive = ctx.int("exclusive", 0) != 0;
    let is_reverse = ctx.int("reverse", 0) != 0;
    import.graph.check_array(&array.shape)?;
    let side = array.shape[axis];
    let inner: usize = array.shape[axis + 1..].iter().product();
    // The indices along each line, in the order of the sum.
    let lines = (0..array.len() / side.max(1)).map(|line| {
        let start = line / inner * inner * side + line % inner;
        let at = move |index: usize| match is_reverse {
            true => start + (side - 1 - index) * inner,
            false => start + index * inner,
        };
        (0..side).map(at)
    });
    match &array.values {
        Values::Integers(values) => {
            let mut sums = values.to_vec();
            for line in lines {
                let mut sum = SymInt::from(0);
                for at in line {
                    let next = sum.plus(values[at]);
                    let next = next.ok_or_else(|| invalid("computes integers that overflow"))?;
                    sums[at] = if is_exclusive { sum } else { next };
                    sum = next;
                }
            }
            constant(Array::integers(&array.shape, sums))
        }
        _ => {
            let values = array.as_floats()?;
            let mut sums = values.to_vec();
            for line in lines {
                let mut sum = 0.0f32;
                for at in line {
                    let next = sum + values[at];
                    sums[at] = if is_exclusive { sum } else { next };
                    sum = next;
                }
            }
            constant(Array::floats(&array.shape, sums))
        }
    }
}

/// An identity matrix of the shape of another matrix, with its ones on the diagonal `k`.
fn identity(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let like = ctx.constant(0)?;
    let &[rows, columns] = &like.shape[..] else {
        return Err(invalid(format!(
            "needs a matrix, but its input has shape {:?}",
            like.shape
        )));
    };
    let k = ctx.int("k", 0);
    import.graph.check_array(&[rows, columns])?;
    let is_one = |at: usize| (at % columns) as i64 - (at / columns) as i64 == k;
    let is_float = match ctx.int("dtype", 0) {
        0 => !matches!(like.values, Values::Integers(_)),
        kind => tensor::is_float(kind as i32),
    };
    let places = 0..rows * columns;
    constant(match is_float {
        true => {
            let values = places.map(|at| f32::from(is_one(at)));
            Array::floats(&[rows, columns], values.collect())
        }
        false => {
            let values = places.map(|at| SymInt::from(i64::from(is_one(at))));
            Array::integers(&[rows, columns], values.collect())
        }
    })
}

fn rounded(import: &mut Import, ctx: &NodeContext, f: fn(f32) -> f32) -> Result<Vec<Value>> {
    let array = ctx.constant(0)?;
    import.graph.check_array(&array.shape)?;
    match &array.values {
        Values::Integers(_) => constant(array.clone()),
        _ => {
            let values = array.as_floats()?.iter().map(|&value| f(value));
            constant(Array::floats(&array.shape, values.collect()))
        }
    }
}
