//! Arrays of known numbers: weights, and what a graph computes from shapes.

use std::sync::Arc;

use dvm_engine::Tensor;

use super::tracked_vec::TrackedVec;
use crate::import::{NodeError, Result, SymInt, invalid, unsupported};

/// An array, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
    /// The initializer that holds these numbers, perhaps in another order.
    pub name: Option<Arc<str>>,
    /// Whether the first axis, of length 1, stands for the batch: every picture has the same numbers.
    pub repeated: bool,
    /// The [`DataType`](crate::proto::DataType) of its numbers in the file; 0 if they were computed.
    pub data_type: i32,
}

/// The numbers of an array.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Floats(Arc<TrackedVec<f32>>),
    /// Integers, and booleans as 0 and 1.
    Integers(Arc<TrackedVec<SymInt>>),
    /// Floats that are not in the file, which holds only the structure of a network.
    Absent,
}

impl Array {
    pub fn floats(shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self::new(shape, Values::Floats(Arc::new(values.into())))
    }

    pub fn integers(shape: &[usize], values: Vec<SymInt>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self::new(shape, Values::Integers(Arc::new(values.into())))
    }

    /// A vector of integers.
    pub fn row(values: Vec<SymInt>) -> Self {
        Self::integers(&[values.len()], values)
    }

    pub fn new(shape: &[usize], values: Values) -> Self {
        Self {
            shape: shape.to_vec(),
            values,
            name: None,
            repeated: false,
            data_type: 0,
        }
    }

    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The floats.
    ///
    /// # Errors
    /// For integers, and if the numbers are not in the file.
    pub fn as_floats(&self) -> Result<&Arc<TrackedVec<f32>>> {
        match &self.values {
            Values::Floats(values) => Ok(values),
            Values::Integers(_) => Err(invalid("has an input of integers instead of floats")),
            Values::Absent => Err(absent()),
        }
    }

    /// The integers.
    ///
    /// # Errors
    /// For floats.
    pub fn as_integers(&self) -> Result<&Arc<TrackedVec<SymInt>>> {
        match &self.values {
            Values::Integers(values) => Ok(values),
            _ => Err(invalid("has an input of floats instead of integers")),
        }
    }

    /// The integers, if none depends on the batch size.
    ///
    /// # Errors
    /// For floats, and for integers that depend on the batch size.
    pub fn as_known(&self) -> Result<Vec<i64>> {
        let known = |value: &SymInt| {
            value
                .known()
                .ok_or_else(|| unsupported("depends on the batch size"))
        };
        self.as_integers()?.iter().map(known).collect()
    }

    /// The only number, a float.
    ///
    /// # Errors
    /// If there are several, or it is an integer.
    pub fn as_scalar(&self) -> Result<f32> {
        match &self.as_floats()?[..] {
            [value] => Ok(*value),
            _ => Err(unsupported(format!(
                "needs a single number, but has an array of shape {:?}",
                self.shape
            ))),
        }
    }

    /// The floats as the engine stores them.
    pub fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_nchw(&self.shape, self.as_floats()?))
    }

    /// The same numbers under another shape.
    ///
    /// # Errors
    /// If the number of values differs.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        if count(shape) != Some(self.len()) {
            return Err(invalid(format!(
                "reshapes an array of shape {:?} to {shape:?}",
                self.shape
            )));
        }
        Ok(Self {
            shape: shape.to_vec(),
            ..self.clone()
        })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]`.
    pub fn transposed(&self, order: &[usize]) -> Self {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let moved = order.iter().copied().filter(|&axis| self.shape[axis] > 1);
        if moved.is_sorted() {
            return Self {
                shape,
                ..self.clone()
            };
        }
        let own = strides(&self.shape);
        let steps: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
        Self {
            name: self.name.clone(),
            ..self.strided(&shape, 0, &steps)
        }
    }

    /// Broadcast to a shape.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        let missing = shape.len().checked_sub(self.rank());
        let missing = missing.ok_or_else(|| self.cannot_broadcast(shape))?;
        let own = strides(&self.shape);
        let mut steps = vec![0; shape.len()];
        for (axis, &side) in self.shape.iter().enumerate() {
            if side != 1 {
                if shape[axis + missing] != side {
                    return Err(self.cannot_broadcast(shape));
                }
                steps[axis + missing] = own[axis];
            }
        }
        Ok(self.strided(shape, 0, &steps))
    }

    fn cannot_broadcast(&self, shape: &[usize]) -> NodeError {
        let own = &self.shape;
        invalid(format!("cannot broadcast shape {own:?} to {shape:?}"))
    }

    /// The values at `base` and at strides from there.
    pub fn strided(&self, shape: &[usize], base: usize, steps: &[usize]) -> Self {
        Self {
            repeated: self.repeated,
            data_type: self.data_type,
            ..self.picked(shape, places(shape, base, steps))
        }
    }

    /// The values at these indices, in order.
    pub fn picked(&self, shape: &[usize], indices: impl Iterator<Item = usize>) -> Self {
        match &self.values {
            Values::Floats(all) => Self::floats(shape, indices.map(|at| all[at]).collect()),
            Values::Integers(all) => Self::integers(shape, indices.map(|at| all[at]).collect()),
            Values::Absent => Self::new(shape, Values::Absent),
        }
    }
}

/// The error of a node that needs numbers which are not in the file.
pub(crate) fn absent() -> NodeError {
    invalid("needs the numbers of a tensor that has none in this file")
}

/// How many values a shape has; `None` if the product of its sides other than 0 overflows.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    let mut sides = shape.iter().filter(|&&side| side > 0);
    let most = sides.try_fold(1usize, |count, &side| count.checked_mul(side))?;
    Some(if shape.contains(&0) { 0 } else { most })
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    steps
}

/// The indices of all values of a shape, row-major.
fn places(shape: &[usize], base: usize, steps: &[usize]) -> impl Iterator<Item = usize> {
    let total: usize = shape.iter().product();
    let (shape, steps) = (shape.to_vec(), steps.to_vec());
    let mut index = vec![0; shape.len()];
    let mut at = base;
    (0..total).map(move |_| {
        let here = at;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
        here
    })
}

/// The shape that two are broadcast to.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| {
        (axis + shape.len())
            .checked_sub(rank)
            .map_or(1, |i| shape[i])
    };
    (0..rank)
        .map(|axis| match (side(a, axis), side(b, axis)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(invalid(format!("cannot broadcast shapes {a:?} and {b:?}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize]) -> Array {
        let count = shape.iter().product::<usize>();
        Array::floats(shape, (0..count).map(|i| i as f32).collect())
    }

    #[test]
    fn a_transposed_array_keeps_its_name() {
        let array = Array {
            name: Some("w".into()),
            ..numbers(&[2, 3])
        };
        let turned = array.transposed(&[1, 0]);
        assert_eq!(turned.shape, [3, 2]);
        assert_eq!(
            turned.as_floats().unwrap()[..],
            [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
        );
        assert_eq!(turned.name.as_deref(), Some("w"));
    }

    #[test]
    fn sides_that_overflow_cannot_be_counted_even_beside_a_zero() {
        assert_eq!(count(&[3, 0, 5]), Some(0));
        assert_eq!(count(&[1 << 40, 0, 1 << 40]), None);
        assert_eq!(count(&[]), Some(1));
    }

    #[test]
    fn broadcasting_repeats_axes_of_length_one() {
        let spread = numbers(&[2, 1]).broadcast_to(&[2, 2, 2]).unwrap();
        let expected = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        assert_eq!(spread.as_floats().unwrap()[..], expected);
        assert!(numbers(&[3]).broadcast_to(&[2]).is_err());
    }
}
