//! Integers that may depend on the batch size.

use std::cmp::Ordering;
use std::fmt;

/// `fixed + per_picture · N`, where the batch size N is 1 or more and not known: a side of an array, or what a graph
/// computes from sides. All arithmetic is exact, or returns `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SymInt {
    /// The part that does not depend on the batch.
    pub fixed: i64,
    /// How much each picture adds.
    pub per_picture: i64,
}

impl From<i64> for SymInt {
    fn from(fixed: i64) -> Self {
        let per_picture = 0;
        Self { fixed, per_picture }
    }
}

/// `3`, `N`, `4·N` or `2·N + 1`.
impl fmt::Display for SymInt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.fixed, self.per_picture) {
            (fixed, 0) => write!(f, "{fixed}"),
            (0, 1) => write!(f, "N"),
            (0, per) => write!(f, "{per}·N"),
            (fixed, 1) => write!(f, "N + {fixed}"),
            (fixed, per) => write!(f, "{per}·N + {fixed}"),
        }
    }
}

/// Sides as a shape for messages: `[N, 3, 224, 224]`.
pub(crate) fn shown(sides: &[SymInt]) -> String {
    let sides: Vec<String> = sides.iter().map(SymInt::to_string).collect();
    format!("[{}]", sides.join(", "))
}

impl SymInt {
    /// `per_picture · N`.
    pub fn batch(per_picture: i64) -> Self {
        let fixed = 0;
        Self { fixed, per_picture }
    }

    /// The number, if it does not depend on the batch.
    pub fn known(self) -> Option<i64> {
        (self.per_picture == 0).then_some(self.fixed)
    }

    /// The number for a batch of `n`.
    pub fn at(self, n: i64) -> Option<i64> {
        self.per_picture.checked_mul(n)?.checked_add(self.fixed)
    }

    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            fixed: self.fixed.checked_add(other.fixed)?,
            per_picture: self.per_picture.checked_add(other.per_picture)?,
        })
    }

    pub fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            fixed: self.fixed.checked_sub(other.fixed)?,
            per_picture: self.per_picture.checked_sub(other.per_picture)?,
        })
    }

    /// `None` for N².
    pub fn times(self, other: Self) -> Option<Self> {
        let (factor, scaled) = match (self.known(), other.known()) {
            (Some(factor), _) => (factor, other),
            (_, Some(factor)) => (factor, self),
            _ => return None,
        };
        Some(Self {
            fixed: scaled.fixed.checked_mul(factor)?,
            per_picture: scaled.per_picture.checked_mul(factor)?,
        })
    }

    /// The product of all; `None` for powers of N.
    pub fn product(all: &[Self]) -> Option<Self> {
        all.iter().try_fold(1.into(), |p: Self, &one| p.times(one))
    }

    /// Rounded towards zero, as ONNX divides integers. A number that depends on the batch is divided only without
    /// remainder.
    pub fn over(self, other: Self) -> Option<Self> {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return a.checked_div(b).map(Self::from);
        }
        if let Some(b) = other.known() {
            let exact =
                b != 0 && self.fixed.checked_rem(b)? == 0 && self.per_picture.checked_rem(b)? == 0;
            return exact.then(|| Self {
                fixed: self.fixed / b,
                per_picture: self.per_picture / b,
            });
        }
        // k · (fixed + per_picture · N) over (fixed + per_picture · N).
        let factor = self.per_picture.checked_div(other.per_picture)?;
        (other.times(factor.into())? == self).then(|| factor.into())
    }

    /// As [`SymInt::over`], and also with a remainder if it does not depend on the batch and nothing is negative:
    /// half of `2 · N + 1` is `N`.
    pub fn quotient(self, other: Self) -> Option<Self> {
        if let Some(b) = other.known().filter(|&b| b > 0)
            && self.per_picture % b == 0
            && self.per_picture >= 0
            && self.fixed >= 0
        {
            return Some(Self {
                fixed: self.fixed / b,
                per_picture: self.per_picture / b,
            });
        }
        self.over(other)
    }

    /// Which number is larger, if that is the same for every N.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let difference = self.minus(other)?;
        let least = difference.fixed.checked_add(difference.per_picture)?;
        match difference.per_picture.cmp(&0) {
            Ordering::Equal => Some(difference.fixed.cmp(&0)),
            Ordering::Greater if least > 0 => Some(Ordering::Greater),
            Ordering::Less if least < 0 => Some(Ordering::Less),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_size_is_never_minus_one() {
        let n = SymInt::batch(1);
        assert_eq!(n.compare((-1).into()), Some(Ordering::Greater));
        assert_eq!(n.compare(2.into()), None);
    }

    #[test]
    fn division_of_a_batch_size_with_a_remainder_is_not_possible() {
        let tokens = SymInt::batch(12);
        assert_eq!(tokens.over(4.into()), Some(SymInt::batch(3)));
        assert_eq!(tokens.over(5.into()), None);
        assert_eq!(tokens.over(SymInt::batch(1)), Some(12.into()));
        assert_eq!(SymInt::from(i64::MIN).over((-1).into()), None);
        assert_eq!(SymInt::from(1).over(0.into()), None);
    }

    #[test]
    fn a_quotient_drops_a_remainder_that_is_the_same_for_every_batch() {
        let per_picture = 2;
        let twice = |fixed| SymInt { fixed, per_picture };
        assert_eq!(twice(1).over(2.into()), None);
        assert_eq!(twice(1).quotient(2.into()), Some(SymInt::batch(1)));
        assert_eq!(twice(1).quotient(3.into()), None);
        assert_eq!(twice(-1).quotient(2.into()), None);
    }

    #[test]
    fn the_square_of_the_batch_size_is_not_possible() {
        let n = SymInt::batch(1);
        assert_eq!(n.times(n), None);
        assert_eq!(n.times(3.into()), Some(SymInt::batch(3)));
    }

    #[test]
    fn sides_are_shown_with_n_for_the_batch_size() {
        let sides = [
            SymInt::batch(1),
            3.into(),
            SymInt::batch(4).plus(1.into()).unwrap(),
        ];
        assert_eq!(shown(&sides), "[N, 3, 4·N + 1]");
    }
}
