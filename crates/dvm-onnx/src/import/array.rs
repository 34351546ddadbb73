//! Arrays that are known when a graph is read: weights, and what it computes from shapes.

use std::sync::Arc;

use dvm_engine::Tensor;

use super::integer::Integer;
use super::numbers::Numbers;
use super::trouble::{Trouble, invalid, unsupported};

/// Numbers of a known shape, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
    /// The initializer that it is, if its numbers stand in the file like this, or only in another order.
    pub name: Option<Arc<str>>,
    /// Whether its first side, which is 1, stands for as many as there are pictures.
    pub repeated: bool,
    /// The type of its numbers in the file; 0 where they were computed.
    pub data_type: i32,
}

/// The numbers.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Floats(Arc<Numbers<f32>>),
    /// Whole numbers and truth values (0 and 1).
    Integers(Arc<Numbers<Integer>>),
    /// Floats that the file leaves out: it tells the structure of a network alone.
    Absent,
}

impl Array {
    pub fn floats(shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self::new(shape, Values::Floats(Arc::new(values.into())))
    }

    pub fn integers(shape: &[usize], values: Vec<Integer>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self::new(shape, Values::Integers(Arc::new(values.into())))
    }

    /// A row of whole numbers.
    pub fn row(values: Vec<Integer>) -> Self {
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

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The floats.
    ///
    /// # Errors
    /// For whole numbers, and where the file leaves them out.
    pub fn as_floats(&self) -> Result<&Arc<Numbers<f32>>, Trouble> {
        match &self.values {
            Values::Floats(values) => Ok(values),
            Values::Integers(_) => Err(invalid("reads whole numbers where floats belong")),
            Values::Absent => Err(invalid("needs the numbers of a tensor that has none here")),
        }
    }

    /// The whole numbers.
    ///
    /// # Errors
    /// For floats.
    pub fn as_integers(&self) -> Result<&Arc<Numbers<Integer>>, Trouble> {
        match &self.values {
            Values::Integers(values) => Ok(values),
            _ => Err(invalid("reads floats where whole numbers belong")),
        }
    }

    /// The whole numbers, none of which depends on the number of pictures.
    ///
    /// # Errors
    /// For floats, and for what depends on the batch.
    pub fn as_known(&self) -> Result<Vec<i64>, Trouble> {
        let known = |value: &Integer| {
            value
                .known()
                .ok_or_else(|| unsupported("depends on how many pictures there are"))
        };
        self.as_integers()?.iter().map(known).collect()
    }

    /// The only value, as a float.
    ///
    /// # Errors
    /// If there are several, or it is no float.
    pub fn as_scalar(&self) -> Result<f32, Trouble> {
        match &self.as_floats()?[..] {
            [value] => Ok(*value),
            _ => Err(unsupported(format!(
                "takes one number, not {:?}",
                self.shape
            ))),
        }
    }

    /// The floats as the engine stores them.
    pub fn tensor(&self) -> Result<Tensor, Trouble> {
        Ok(Tensor::from_nchw(&self.shape, self.as_floats()?))
    }

    /// The same numbers under another shape.
    ///
    /// # Errors
    /// If there is not the same number of them.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, Trouble> {
        if count(shape) != Some(self.len()) {
            return Err(invalid(format!(
                "cannot make {shape:?} of {:?}",
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
            ..self.picked(&shape, 0, &steps)
        }
    }

    /// Spread to a shape, sides of 1 being repeated.
    ///
    /// # Errors
    /// If the shapes do not go together.
    pub fn spread(&self, shape: &[usize]) -> Result<Self, Trouble> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        let missing = shape.len().checked_sub(self.rank());
        let missing = missing.ok_or_else(|| invalid("spreads an array to fewer axes"))?;
        let own = strides(&self.shape);
        let mut steps = vec![0; shape.len()];
        for (axis, &side) in self.shape.iter().enumerate() {
            if side != 1 {
                if shape[axis + missing] != side {
                    let own = &self.shape;
                    return Err(invalid(format!("cannot spread {own:?} to {shape:?}")));
                }
                steps[axis + missing] = own[axis];
            }
        }
        Ok(self.picked(shape, 0, &steps))
    }

    /// The values at `base` and at steps from there.
    pub fn picked(&self, shape: &[usize], base: usize, steps: &[usize]) -> Self {
        let places = places(shape, base, steps);
        let values = match &self.values {
            Values::Floats(all) => {
                let picked: Vec<f32> = places.map(|at| all[at]).collect();
                Values::Floats(Arc::new(picked.into()))
            }
            Values::Integers(all) => {
                let picked: Vec<Integer> = places.map(|at| all[at]).collect();
                Values::Integers(Arc::new(picked.into()))
            }
            Values::Absent => Values::Absent,
        };
        Self {
            repeated: self.repeated,
            data_type: self.data_type,
            ..Self::new(shape, values)
        }
    }
}

/// How many values a shape has, if that can be counted, whatever the order; also of a shape with a side
/// of 0, parts of which are counted alone.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    let mut sides = shape.iter().filter(|&&side| side > 0);
    let most = sides.try_fold(1usize, |count, &side| count.checked_mul(side))?;
    Some(if shape.contains(&0) { 0 } else { most })
}

/// Row-major steps.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    steps
}

/// The places of all values of a shape, row-major.
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
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Trouble> {
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
            _ => Err(invalid(format!("{a:?} and {b:?} do not go together"))),
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
    fn transposing_moves_numbers_and_keeps_the_name() {
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
    fn a_side_of_zero_hides_no_others_that_cannot_be_counted() {
        assert_eq!(count(&[3, 0, 5]), Some(0));
        assert_eq!(count(&[1 << 40, 0, 1 << 40]), None);
        assert_eq!(count(&[]), Some(1));
    }

    #[test]
    fn spreading_repeats_sides_of_one() {
        let spread = numbers(&[2, 1]).spread(&[2, 2, 2]).unwrap();
        let expected = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        assert_eq!(spread.as_floats().unwrap()[..], expected);
        assert!(numbers(&[3]).spread(&[2]).is_err());
    }
}
