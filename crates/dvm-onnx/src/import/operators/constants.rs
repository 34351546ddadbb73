//! Constants, and functions that only constants go through.

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::counted::Counted;
use super::super::integer::Integer;
use super::super::site::{Site, Value, axis};
use super::super::tensor;
use super::super::trouble::{Trouble, invalid, unsupported};
use super::{Operator, constant};

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

fn written(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if let Some(tensor) = site.tensor("value") {
        import.draft.room_for(tensor::cost(tensor, false))?;
        return constant(tensor::array(tensor, false)?);
    }
    if site.has("value_float") {
        return constant(Array::floats(&[], vec![site.float("value_float", 0.0)]));
    }
    if site.has("value_int") {
        return constant(Array::integers(&[], vec![site.int("value_int", 0).into()]));
    }
    if let Some(values) = site.floats("value_floats") {
        return constant(Array::floats(&[values.len()], values.to_vec()));
    }
    if let Some(values) = site.ints("value_ints") {
        return constant(Array::row(values.iter().map(|&v| v.into()).collect()));
    }
    Err(unsupported("holds a constant that is no array of numbers"))
}

fn of_shape(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let sides = site.constant(0)?.as_integers()?;
    let value = match site.tensor("value") {
        Some(tensor) => tensor::array(tensor, false)?,
        None => Array::floats(&[1], vec![0.0]),
    };
    let mut repeated = false;
    let mut shape = Vec::new();
    for (axis, side) in sides.iter().enumerate() {
        match side.known() {
            Some(side) => {
                shape.push(
                    usize::try_from(side).map_err(|_| invalid(format!("has a side of {side}")))?,
                );
            }
            None if axis == 0 && *side == Integer::pictures(1) => {
                repeated = true;
                shape.push(1);
            }
            None => return Err(unsupported("makes a constant of as many rows as pictures")),
        }
    }
    import.draft.spend_on(&shape)?;
    if value.len() != 1 {
        return Err(invalid("fills an array with several numbers"));
    }
    let mut made = value.reshaped(&[])?.spread(&shape)?;
    made.repeated = repeated;
    constant(made)
}

fn range(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let [start, limit, delta] = [0, 1, 2].map(|input| site.constant(input));
    let (start, limit, delta) = (start?, limit?, delta?);
    if let Some(numbers) = Counted::range(start, limit, delta) {
        return Ok(vec![Value::Counted(numbers)]);
    }
    if let Ok(start) = start.as_known() {
        let (limit, delta) = (limit.as_known()?, delta.as_known()?);
        let (&[start], &[limit], &[delta]) = (&start[..], &limit[..], &delta[..]) else {
            return Err(invalid("counts between several numbers"));
        };
        if delta == 0 {
            return Err(invalid("counts in steps of 0"));
        }
        let distance = i128::from(limit) - i128::from(start);
        let count = (distance as f64 / delta as f64).ceil().max(0.0) as usize;
        import.draft.spend_on(&[count])?;
        let value = |i: usize| {
            i64::try_from(i)
                .ok()?
                .checked_mul(delta)?
                .checked_add(start)
        };
        let values = (0..count).map(|i| value(i).map(Integer::from));
        let values: Option<Vec<Integer>> = values.collect();
        return constant(Array::row(values.ok_or_else(|| invalid("overflows"))?));
    }
    let (start, limit, delta) = (start.as_scalar()?, limit.as_scalar()?, delta.as_scalar()?);
    if delta == 0.0 || !delta.is_finite() {
        return Err(invalid(format!("counts in steps of {delta}")));
    }
    let count = ((limit - start) / delta).ceil().max(0.0) as usize;
    import.draft.spend_on(&[count])?;
    let values = (0..count).map(|i| start + i as f32 * delta);
    constant(Array::floats(&[count], values.collect()))
}

fn modulo(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (a, b) = (site.constant(0)?, site.constant(1)?);
    let shape = super::super::array::broadcast(&a.shape, &b.shape)?;
    import.draft.spend_on(&shape)?;
    let like_c = site.int("fmod", 0) != 0;
    let rest = |a: i64, b: i64| {
        let rest = a.checked_rem(b)?;
        // The sign of the divisor, unless told otherwise.
        Some(if !like_c && rest != 0 && (rest < 0) != (b < 0) {
            rest + b
        } else {
            rest
        })
    };
    let pairs = a
        .spread(&shape)?
        .as_known()?
        .into_iter()
        .zip(b.spread(&shape)?.as_known()?);
    let values = pairs.map(|(a, b)| rest(a, b).map(Integer::from));
    let values: Option<Vec<Integer>> = values.collect();
    constant(Array::integers(
        &shape,
        values.ok_or_else(|| invalid("divides by 0"))?,
    ))
}

/// Sums of all numbers up to each, along an axis.
fn running_sum(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let array = site.constant(0)?.clone();
    let axis = match site.constant(1)?.as_known()?[..] {
        [given] => axis(given, array.rank())?,
        _ => return Err(invalid("sums along several axes")),
    };
    let is_exclusive = site.int("exclusive", 0) != 0;
    let is_reverse = site.int("reverse", 0) != 0;
    import.draft.spend_on(&array.shape)?;
    let side = array.shape[axis];
    let inner: usize = array.shape[axis + 1..].iter().product();
    // The places of each line in the order of the sum.
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
                let mut sum = Integer::from(0);
                for at in line {
                    let next = sum.plus(values[at]).ok_or_else(|| invalid("overflows"))?;
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

/// Ones on a diagonal of a matrix that is as large as another.
fn identity(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let like = site.constant(0)?;
    let &[rows, columns] = &like.shape[..] else {
        return Err(invalid("is like a value that is no matrix"));
    };
    let k = site.int("k", 0);
    import.draft.spend_on(&[rows, columns])?;
    let is_one = |at: usize| (at % columns) as i64 - (at / columns) as i64 == k;
    let is_float = match site.int("dtype", 0) {
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
            let values = places.map(|at| Integer::from(i64::from(is_one(at))));
            Array::integers(&[rows, columns], values.collect())
        }
    })
}

fn rounded(import: &mut Import, site: &Site, f: fn(f32) -> f32) -> Result<Vec<Value>, Trouble> {
    let array = site.constant(0)?;
    import.draft.spend_on(&array.shape)?;
    match &array.values {
        Values::Integers(_) => constant(array.clone()),
        _ => {
            let values = array.as_floats()?.iter().map(|&value| f(value));
            constant(Array::floats(&array.shape, values.collect()))
        }
    }
}
