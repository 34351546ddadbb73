//! Attributes of operators, and constant arrays.

use crate::proto::{Attribute, AttributeType, DataType, Tensor};

fn named(name: &str, r#type: AttributeType) -> Attribute {
    Attribute {
        name: name.into(),
        r#type: r#type.into(),
        ..Attribute::default()
    }
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        i: value,
        ..named(name, AttributeType::Int)
    }
}

pub(super) fn ints(name: &str, values: &[usize]) -> Attribute {
    Attribute {
        ints: values.iter().map(|&value| value as i64).collect(),
        ..named(name, AttributeType::Ints)
    }
}

pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        f: value,
        ..named(name, AttributeType::Float)
    }
}

pub(super) fn text(name: &str, value: &str) -> Attribute {
    Attribute {
        s: value.into(),
        ..named(name, AttributeType::String)
    }
}

pub(super) fn tensor(name: &str, value: Tensor) -> Attribute {
    Attribute {
        t: Some(value),
        ..named(name, AttributeType::Tensor)
    }
}

/// An array of floats, row-major.
pub(super) fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor {
        dims: dims(shape),
        data_type: DataType::Float.into(),
        raw_data: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        ..Tensor::default()
    }
}

/// A vector of integers.
pub(super) fn integers(values: &[i64]) -> Tensor {
    Tensor {
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        raw_data: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        ..Tensor::default()
    }
}

pub(super) fn dims(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&side| side as i64).collect()
}
