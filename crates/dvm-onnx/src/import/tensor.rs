//! The tensors of a file, decoded into arrays.

use std::sync::Arc;

use half::{bf16, f16};

use crate::import::value::array::count;
use crate::import::{Array, Result, SymInt, Values, invalid, unsupported};
use crate::proto::{self, DataType};

/// The type of a tensor's numbers.
fn data_type(tensor: &proto::Tensor) -> Result<DataType> {
    DataType::try_from(tensor.data_type)
        .map_err(|_| unsupported(format!("has data of the unknown type {}", tensor.data_type)))
}

/// Whether this is a floating-point type that is decoded.
pub(crate) fn is_float(data_type: i32) -> bool {
    use DataType::{Bfloat16, Double, Float, Float16};
    [Float, Float16, Bfloat16, Double]
        .map(|t| t as i32)
        .contains(&data_type)
}

/// The shape of a tensor.
///
/// # Errors
/// For negative sides, and for more than 2³¹ values.
pub(crate) fn shape(tensor: &proto::Tensor) -> Result<Vec<usize>> {
    let sides = tensor.dims.iter().map(|&side| usize::try_from(side).ok());
    let shape: Option<Vec<usize>> = sides.collect();
    shape
        .filter(|shape| count(shape).is_some_and(|count| count <= 1 << 31))
        .ok_or_else(|| invalid(format!("has the invalid shape {:?}", tensor.dims)))
}

/// The bytes of a tensor as an array; 0 if `may_be_absent` and its numbers are.
pub(crate) fn cost(tensor: &proto::Tensor, may_be_absent: bool) -> usize {
    if may_be_absent && is_absent(tensor) {
        return 0;
    }
    let each = if is_float(tensor.data_type) { 4 } else { 16 };
    let values = shape(tensor).map_or(0, |shape| shape.iter().product());
    let values: usize = values;
    values.saturating_mul(each)
}

/// Whether a tensor of floats has no numbers in any field.
fn is_absent(tensor: &proto::Tensor) -> bool {
    let has_none = tensor.raw_data.is_empty()
        && tensor.float_data.is_empty()
        && tensor.double_data.is_empty()
        && tensor.int32_data.is_empty();
    has_none && is_float(tensor.data_type)
}

/// The array of a tensor. Half precision is converted to single exactly, double is rounded. If `may_be_absent`, floats
/// may be missing.
///
/// # Errors
/// If the number of values differs from the shape's, and for types that are not numbers.
pub(crate) fn array(tensor: &proto::Tensor, may_be_absent: bool) -> Result<Array> {
    let shape = shape(tensor)?;
    let count: usize = shape.iter().product();
    let kind = data_type(tensor)?;
    let raw = &tensor.raw_data[..];
    if tensor.data_location == 1 {
        return Err(invalid(
            "has its numbers in another file, but only this file was read",
        ));
    }
    if may_be_absent && is_absent(tensor) && count > 0 {
        return Ok(Array::new(&shape, Values::Absent));
    }
    let ints = |values: Vec<i64>| {
        let values: Vec<SymInt> = values.into_iter().map(SymInt::from).collect();
        Values::Integers(Arc::new(values.into()))
    };
    let floats = |values: Vec<f32>| Values::Floats(Arc::new(values.into()));
    let halves = || tensor.int32_data.iter().map(|&bits| bits as u16);
    let values = match kind {
        DataType::Float if raw.is_empty() => floats(tensor.float_data.clone()),
        DataType::Float => floats(each(raw, f32::from_le_bytes)?),
        DataType::Double if raw.is_empty() => {
            floats(tensor.double_data.iter().map(|&v| v as f32).collect())
        }
        DataType::Double => floats(each(raw, |b| f64::from_le_bytes(b) as f32)?),
        DataType::Float16 if raw.is_empty() => {
            floats(halves().map(|b| f16::from_bits(b).to_f32()).collect())
        }
        DataType::Float16 => floats(each(raw, |b| f16::from_le_bytes(b).to_f32())?),
        DataType::Bfloat16 if raw.is_empty() => {
            floats(halves().map(|b| bf16::from_bits(b).to_f32()).collect())
        }
        DataType::Bfloat16 => floats(each(raw, |b| bf16::from_le_bytes(b).to_f32())?),
        DataType::Int64 if raw.is_empty() => ints(tensor.int64_data.clone()),
        DataType::Int64 => ints(each(raw, i64::from_le_bytes)?),
        DataType::Uint64 | DataType::Uint32 if raw.is_empty() => {
            ints(tensor.uint64_data.iter().map(|&v| v as i64).collect())
        }
        DataType::Uint64 => ints(each(raw, |b| u64::from_le_bytes(b) as i64)?),
        DataType::Uint32 => ints(each(raw, |b| u32::from_le_bytes(b).into())?),
        DataType::Int32
        | DataType::Int16
        | DataType::Int8
        | DataType::Uint16
        | DataType::Uint8
        | DataType::Bool
            if raw.is_empty() =>
        {
            ints(tensor.int32_data.iter().map(|&v| v.into()).collect())
        }
        DataType::Int32 => ints(each(raw, |b| i32::from_le_bytes(b).into())?),
        DataType::Int16 => ints(each(raw, |b| i16::from_le_bytes(b).into())?),
        DataType::Uint16 => ints(each(raw, |b| u16::from_le_bytes(b).into())?),
        DataType::Int8 => ints(raw.iter().map(|&b| i64::from(b as i8)).collect()),
        DataType::Uint8 => ints(raw.iter().map(|&b| b.into()).collect()),
        DataType::Uint4 | DataType::Int4 => {
            let bytes = match raw.is_empty() {
                true => tensor.int32_data.iter().map(|&pair| pair as u8).collect(),
                false => raw.to_vec(),
            };
            let halves = bytes.into_iter().flat_map(|pair| [pair & 15, pair >> 4]);
            let number = |half: u8| match kind {
                // The highest bit is the sign.
                DataType::Int4 => i64::from((half << 4) as i8 >> 4),
                _ => i64::from(half),
            };
            ints(halves.take(count).map(number).collect())
        }
        DataType::Bool => ints(raw.iter().map(|&b| i64::from(b != 0)).collect()),
        other => {
            return Err(unsupported(format!("has data of type {}", other.name())));
        }
    };
    let found = match &values {
        Values::Floats(values) => values.len(),
        Values::Integers(values) => values.len(),
        Values::Absent => count,
    };
    if found != count {
        return Err(invalid(format!(
            "has {found} numbers, but its shape {shape:?} needs {count}"
        )));
    }
    Ok(Array {
        data_type: tensor.data_type,
        ..Array::new(&shape, values)
    })
}

/// Each group of `SIZE` bytes as a number.
fn each<const SIZE: usize, T>(raw: &[u8], f: impl Fn([u8; SIZE]) -> T) -> Result<Vec<T>> {
    let (groups, rest) = raw.as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(invalid("has data that ends in the middle of a number"));
    }
    Ok(groups.iter().map(|&bytes| f(bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bit_numbers_are_packed_two_per_byte_low_bits_first() {
        let read = |kind: DataType| {
            let tensor = proto::Tensor {
                dims: vec![3],
                data_type: kind as i32,
                raw_data: vec![0xf1, 0x08],
                ..proto::Tensor::default()
            };
            array(&tensor, false).unwrap().as_known().unwrap()
        };
        assert_eq!(read(DataType::Uint4), [1, 15, 8]);
        assert_eq!(read(DataType::Int4), [1, -1, -8]);
    }
}
