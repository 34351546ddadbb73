//! Whole numbers that count the pictures of a batch.

use dvm_engine::ops::binary::Function;

use super::Import;
use super::array::Array;
use super::integer::Integer;
use super::trouble::{Trouble, unsupported};

/// Whole numbers `[N, …]` that are the same for each picture but for so much more from one to the next:
/// exporters number the values of a batch like this.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// Those of the first picture, `[1, …]`.
    pub first: Array,
    /// How much is added for each picture after it.
    pub step: i64,
}

impl Counted {
    /// What `Range` makes, if it numbers the pictures of a batch from 0 on.
    pub fn range(start: &Array, limit: &Array, delta: &Array) -> Option<Self> {
        let only = |array: &Array| match array.as_integers().ok()?[..] {
            [number] => Some(number),
            _ => None,
        };
        let (start, step) = (only(start)?.known()?, only(delta)?.known()?);
        let counts = start == 0 && step > 0 && only(limit)? == Integer::pictures(step);
        let first = Array::row(vec![Integer::from(0)]);
        counts.then_some(Self { first, step })
    }

    /// The same numbers under sides of which the first counts the pictures.
    ///
    /// # Errors
    /// For others.
    pub fn under(&self, sides: &[Integer]) -> Result<Self, Trouble> {
        let rest = sides.iter().skip(1);
        let rest = rest.map(|side| usize::try_from(side.known()?).ok());
        let rest: Option<Vec<usize>> = rest.collect();
        match (sides.first(), rest) {
            (Some(&pictures), Some(rest)) if pictures == Integer::pictures(1) => Ok(Self {
                first: self.first.reshaped(&[&[1], &rest[..]].concat())?,
                step: self.step,
            }),
            _ => Err(unsupported("moves the numbers of pictures")),
        }
    }
}

impl Import<'_> {
    /// Numbers that go on from picture to picture, with a constant that is the same for all.
    ///
    /// # Errors
    /// Where what comes of it does not go on from picture to picture.
    pub fn of_counted(
        &mut self,
        function: Function,
        numbers: &Counted,
        array: &Array,
        swapped: bool,
    ) -> Result<Counted, Trouble> {
        let unknown = || unsupported("computes with the numbers of pictures");
        let first = match swapped {
            true => self.of_constants(function, array, &numbers.first)?,
            false => self.of_constants(function, &numbers.first, array)?,
        };
        let keeps = first.rank() == numbers.first.rank() && first.shape.first() == Some(&1);
        let step = match (function, swapped) {
            (Function::Add, _) | (Function::Sub, false) => Some(numbers.step),
            (Function::Mul, _) if array.len() == 1 => {
                array.as_known()?[0].checked_mul(numbers.step)
            }
            _ => None,
        };
        let step = step.filter(|_| keeps && !first.repeated);
        Ok(Counted {
            first,
            step: step.ok_or_else(unknown)?,
        })
    }
}
