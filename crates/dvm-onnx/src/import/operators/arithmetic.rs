//! Arithmetic on values, and operators that pass a value on as it is.

use dvm_engine::ops::binary::Function;

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::tensor::is_float;
use super::super::trouble::{Trouble, invalid, unsupported};
use super::shapes::sides;
use super::{Operator, constant};
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

fn two(import: &mut Import, site: &Site, function: Function) -> Result<Vec<Value>, Trouble> {
    let (a, b) = (site.value(0)?.clone(), second(import, site)?);
    Ok(vec![import.binary(site.name, function, &a, &b)?])
}

fn times(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let b = second(import, site)?;
    match import.with_scale(site.value(0)?, &b, site.name)? {
        Some(made) => Ok(vec![made]),
        None => two(import, site, Function::Mul),
    }
}

/// The second operand. Before opset 7 the attribute `axis` says which axis of the first operand its first
/// axis belongs to.
fn second(import: &Import, site: &Site) -> Result<Value, Trouble> {
    let b = site.value(1)?.clone();
    let is_aligned = site.opset < 7 && site.int("broadcast", 0) != 0 && site.has("axis");
    if !is_aligned {
        return Ok(b);
    }
    let rank = sides(import, site.value(0)?)?.len();
    let first = site.axis("axis", 0, rank)?;
    let own = sides(import, &b)?.len();
    let after = rank.checked_sub(first + own).ok_or_else(|| {
        invalid(format!(
            "aligns {own} axes with those of {rank} from axis {first} on"
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

fn power(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (a, mut b) = (site.value(0)?.clone(), second(import, site)?);
    // The exponent may be of another type than the base.
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
        return super::activations::apply(import, site, dvm_engine::ops::unary::Unary::Sqrt);
    }
    Ok(vec![import.binary(site.name, Function::Pow, &a, &b)?])
}

fn several(import: &mut Import, site: &Site, function: Function) -> Result<Vec<Value>, Trouble> {
    let mut sum = site.value(0)?.clone();
    let last = site.inputs.len() - 1;
    for index in 1..site.inputs.len() {
        let name = match index == last {
            true => site.name.to_owned(),
            false => format!("{}.{index}", site.name),
        };
        sum = import.binary(&name, function, &sum, &site.value(index)?.clone())?;
    }
    Ok(vec![sum])
}

fn mean(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let sum = several(import, site, Function::Add)?.remove(0);
    let count = Value::Constant(Array::floats(&[], vec![site.inputs.len() as f32]));
    let name = format!("{}.mean", site.name);
    Ok(vec![import.binary(&name, Function::Div, &sum, &count)?])
}

/// An early operator of Core ML's and Windows ML's converters: a factor for all pixels, and a shift for
/// each channel.
fn image_scaler(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let scale = Value::Constant(Array::floats(&[], vec![site.float("scale", 1.0)]));
    let name = format!("{}.scale", site.name);
    let scaled = import.binary(&name, Function::Mul, site.value(0)?, &scale)?;
    let Some(shifts) = site.floats("bias") else {
        return Ok(vec![scaled]);
    };
    let shifts = Array::floats(&[1, shifts.len(), 1, 1], shifts.to_vec());
    let shifted = import.binary(site.name, Function::Add, &scaled, &Value::Constant(shifts))?;
    Ok(vec![shifted])
}

/// Whole numbers as floats.
pub(super) fn floats(array: &Array) -> Result<Array, Trouble> {
    let values = array.as_known()?.into_iter().map(|value| value as f32);
    Ok(Array {
        repeated: array.repeated,
        ..Array::floats(&array.shape, values.collect())
    })
}

fn cast(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let to = match site.text("to").filter(|name| !name.is_empty()) {
        // Before opset 6 the type is a name.
        Some(name) => {
            let known = named(name);
            known.ok_or_else(|| unsupported(format!("makes numbers of the type {name}")))? as i32
        }
        None => site.int("to", 1) as i32,
    };
    match site.value(0)? {
        Value::Constant(array) => {
            import.draft.spend_on(&array.shape)?;
            constant(converted(array, to)?)
        }
        // All floats are computed alike.
        other if is_float(to) => match other {
            Value::Computed(_) | Value::Rounded(_) => Ok(vec![other.clone()]),
            _ => Err(unsupported("makes numbers of truth values of the picture")),
        },
        // Pixels that are whole numbers stay what they are.
        Value::Computed(view) if import.is_raw(view.node) && is_wide_enough(to) => {
            Ok(vec![Value::Computed(view.clone())])
        }
        _ => Err(unsupported("makes whole numbers of computed values")),
    }
}

/// Whether a type of whole numbers has all of 0 to 255.
fn is_wide_enough(data_type: i32) -> bool {
    use DataType::{Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    [Uint8, Uint16, Int16, Uint32, Int32, Uint64, Int64]
        .map(|t| t as i32)
        .contains(&data_type)
}

/// The type of numbers that has this name in ONNX.
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

fn converted(array: &Array, to: i32) -> Result<Array, Trouble> {
    let is_bool = to == DataType::Bool as i32;
    match (&array.values, is_float(to)) {
        (Values::Floats(_) | Values::Absent, true) => Ok(array.clone()),
        (Values::Integers(_), true) => floats(array),
        (Values::Integers(values), false) if is_bool => {
            let truth = |value: &Integer| {
                let order = value.compare(0.into());
                order.map(|order| Integer::from(i64::from(order.is_ne())))
            };
            let truths: Option<Vec<Integer>> = values.iter().map(truth).collect();
            let truths =
                truths.ok_or_else(|| unsupported("depends on how many pictures there are"))?;
            Ok(Array::integers(&array.shape, truths))
        }
        (Values::Integers(_), false) if to == DataType::String as i32 => {
            Err(unsupported("makes text of numbers"))
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
                Integer::from(whole)
            };
            Ok(Array::integers(
                &array.shape,
                values.iter().map(whole).collect(),
            ))
        }
        (Values::Absent, false) => Err(invalid("needs the numbers of a tensor that has none here")),
    }
}
