//! The values that are written under a name.

use crate::Tensor;

/// Integers with a shape, such as the counters in state dicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers {
    /// Extents, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// Row-major; as many as the product of `shape`.
    pub values: Vec<i64>,
}

/// One array to be written.
#[derive(Clone, Copy, Debug)]
pub enum TensorEntry<'a> {
    /// Written as f32.
    Floats(&'a Tensor),
    /// Written as i64.
    Integers(&'a Integers),
}

impl<'a> From<&'a Tensor> for TensorEntry<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Floats(tensor)
    }
}

impl<'a> From<&'a Integers> for TensorEntry<'a> {
    fn from(integers: &'a Integers) -> Self {
        Self::Integers(integers)
    }
}

impl TensorEntry<'_> {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(tensor) => tensor.shape(),
            Self::Integers(integers) => &integers.shape,
        }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Number of bytes.
    pub(super) fn size(&self) -> usize {
        self.len()
            * match self {
                Self::Floats(_) => size_of::<f32>(),
                Self::Integers(_) => size_of::<i64>(),
            }
    }

    /// Appends the values to `bytes`, little-endian and row-major.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Floats(tensor) => {
                bytes.extend(tensor.to_nchw().into_iter().flat_map(f32::to_le_bytes));
            }
            Self::Integers(integers) => {
                bytes.extend(integers.values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }
}
