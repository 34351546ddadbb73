//! Arithmetic, `Cast` and `Identity`.

use dvm_engine::ops::binary::Function;

use super::shapes::sides;
use super::{Operator, constant};
use crate::import::tensor::is_float;
use crate::import::value::array::absent;
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, Values, invalid, unsupported,
};
use crate::proto::DataType;

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Add", |i, s| two(i, s, Function::Add)),
    ("Sub", |i, s| two(i, s, Function::Sub)),
    ("Mul", times),
    ("Div", |i, s| two(i, s, Function::Div)),
    ("Pow", power),
    ("Min", |i, s| several(i, s, Function::Min)),
    ("Max", |i, s| several(i, s, Function::Max)),
    ("Sum", |i, s| several(i, s, Function::Add)),
    ("Mean", mean),
    ("ImageScaler", image_scaler),
    ("Identity", |_, s| Ok(vec![s.value(0)?.clone()])),
    ("Cast", cast),
    ("CastLike", |_, s| Ok(vec![s.value(0)?.clone()])),
];

fn two(import: &mut Import, ctx: &NodeContext, function: Function) -> Result<Vec<Value>> {
    let (a, b) = (ctx.value(0)?.clone(), second(import, ctx)?);
    Ok(vec![import.binary(ctx.name, function, &a, &b)?])
}

fn times(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let b = second(import, ctx)?;
    match import.with_scale(ctx.value(0)?, &b, ctx.name)? {
        Some(made) => Ok(vec![made]),
        None => two(import, ctx, Function::Mul),
    }
}

/// The second operand. Before opset 7, the attribute `axis` says which axis of the first operand it starts at.
fn second(import: &Import, ctx: &NodeContext) -> Result<Value> {
    let b = ctx.value(1)?.clone();
    let is_aligned = ctx.opset < 7 && ctx.int("broadcast", 0) != 0 && ctx.has("axis");
    if !is_aligned {
        return Ok(b);
    }
    let rank = sides(import, ctx.value(0)?)?.len();
    let first = ctx.axis("axis", 0, rank)?;
    let own = sides(import, &b)?.len();
    let after = rank.checked_sub(first + own).ok_or_else(|| {
        invalid(format!(
            "aligns {own} axes with {rank} axes from axis {first}"
        ))
    })?;
    Ok(match b {
        Value::Constant(array) => {
            let shape = [&array.shape[..], &vec![1; after]].concat();
            let made = array.reshaped(&shape)?;
            Value::Constant(Array {
                name: array.name.clone(),
                ..made
            })
        }
        Value::Computed(mut view) => {
            view.axes.extend(vec![Vec::new(); after]);
            Value::Computed(view)
        }
        other => other,
    })
}

fn power(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (a, mut b) = (ctx.value(0)?.clone(), second(import, ctx)?);
    // The exponent may be an integer where the base is a float.
    let is_whole =
        |value: &Value| matches!(value, Value::Constant(array) if array.as_integers().is_ok());
    if let Value::Constant(array) = &b
        && is_whole(&b)
        && !is_whole(&a)
    {
        b = Value::Constant(floats(array)?);
    }
    if let Value::Constant(array) = &b
        && array.len() == 1
        && array.as_scalar().is_ok_and(|exponent| exponent == 0.5)
        && matches!(a, Value::Computed(_))
    {
        return super::activations::apply(import, ctx, dvm_engine::ops::unary::Unary::Sqrt);
    }
    Ok(vec![import.binary(ctx.name, Function::Pow, &a, &b)?])
}

fn several(import: &mut Import, ctx: &NodeContext, function: Function) -> Result<Vec<Value>> {
    let mut sum = ctx.value(0)?.clone();
    let last = ctx.inputs.len() - 1;
    for index in 1..ctx.inputs.len() {
        let name = match index == last {
            true => ctx.name.to_owned(),
            false => format!("{}.{index}", ctx.name),
        };
        sum = import.binary(&name, function, &sum, &ctx.value(index)?.clone())?;
    }
    Ok(vec![sum])
}

fn mean(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let sum = several(import, ctx, Function::Add)?.remove(0);
    let count = Value::Constant(Array::floats(&[], vec![ctx.inputs.len() as f32]));
    let name = format!("{}.mean", ctx.name);
    Ok(vec![import.binary(&name, Function::Div, &sum, &count)?])
}

/// An early operator of the converters of Core ML and Windows ML: a factor, and a shift per channel.
fn image_scaler(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let scale = Value::Constant(Array::floats(&[], vec![ctx.float("scale", 1.0)]));
    let name = format!("{}.scale", ctx.name);
    let scaled = import.binary(&name, Function::Mul, ctx.value(0)?, &scale)?;
    let Some(shifts) = ctx.floats("bias") else {
        return Ok(vec![scaled]);
    };
    let shifts = Array::floats(&[1, shifts.len(), 1, 1], shifts.to_vec());
    let shifted = import.binary(ctx.name, Function::Add, &scaled, &Value::Constant(shifts))?;
    Ok(vec![shifted])
}

/// Integers as floats.
pub(super) fn floats(array: &Array) -> Result<Array> {
    let values = array.as_known()?.into_iter().map(|value| value as f32);
    Ok(Array {
        repeated: array.repeated,
        ..Array::floats(&array.shape, values.collect())
    })
}

fn cast(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let to = match ctx.text("to").filter(|name| !name.is_empty()) {
        // Before opset 6, the type is a name.
        Some(name) => {
            let known = named(name);
            known.ok_or_else(|| unsupported(format!("converts to the type {name}")))? as i32
        }
        None => ctx.int("to", 1) as i32,
    };
    match ctx.value(0)? {
        Value::Constant(array) => {
            import.graph.check_array(&array.shape)?;
            constant(converted(array, to)?)
        }
        // All floats are computed as f32.
        other if is_float(to) => match other {
            Value::Computed(_) | Value::Quantised(_) => Ok(vec![other.clone()]),
            _ => Err(unsupported("converts booleans of the picture to floats")),
        },
        // Integer pixels stay.
        Value::Computed(view) if import.is_raw_pixels(view.node) && is_wide_enough(to) => {
            Ok(vec![Value::Computed(view.clone())])
        }
        _ => Err(unsupported("converts computed values to integers")),
    }
}

/// Whether an integer type has all of 0 to 255.
fn is_wide_enough(data_type: i32) -> bool {
    use DataType::{Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    [Uint8, Uint16, Int16, Uint32, Int32, Uint64, Int64]
        .map(|t| t as i32)
        .contains(&data_type)
}

/// The type of this name.
fn named(name: &str) -> Option<DataType> {
    Some(match name {
        "FLOAT" => DataType::Float,
        "FLOAT16" => DataType::Float16,
        "DOUBLE" => DataType::Double,
        "BOOL" => DataType::Bool,
        "UINT8" => DataType::Uint8,
        "UINT16" => DataType::Uint16,
        "UINT32" => DataType::Uint32,
        "UINT64" => DataType::Uint64,
        "INT8" => DataType::Int8,
        "INT16" => DataType::Int16,
        "INT32" => DataType::Int32,
        "INT64" => DataType::Int64,
        _ => return None,
    })
}

fn converted(array: &Array, to: i32) -> Result<Array> {
    let is_bool = to == DataType::Bool as i32;
    match (&array.values, is_float(to)) {
        (Values::Floats(_) | Values::Absent, true) => Ok(array.clone()),
        (Values::Integers(_), true) => floats(array),
        (Values::Integers(values), false) if is_bool => {
            let truth = |value: &SymInt| {
                let order = value.compare(0.into());
                order.map(|order| SymInt::from(i64::from(order.is_ne())))
            };
            let truths: Option<Vec<SymInt>> = values.iter().map(truth).collect();
            let truths = truths.ok_or_else(|| unsupported("depends on the batch size"))?;
            Ok(Array::integers(&array.shape, truths))
        }
        (Values::Integers(_), false) if to == DataType::String as i32 => {
            Err(unsupported("converts numbers to text"))
        }
        (Values::Integers(_), false) => Ok(Array {
            data_type: to,
            ..array.clone()
        }),
        (Values::Floats(values), false) => {
            let whole = |&value: &f32| {
                let whole = if is_bool {
                    i64::from(value != 0.0)
                } else {
                    value as i64
                };
                SymInt::from(whole)
            };
            Ok(Array::integers(
                &array.shape,
                values.iter().map(whole).collect(),
            ))
        }
        (Values::Absent, false) => Err(absent()),
    }
}
