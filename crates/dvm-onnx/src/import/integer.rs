//! Whole numbers that may depend on how many pictures there are.

use std::cmp::Ordering;

/// `fixed + per · N`, where N, the number of pictures in a batch, is 1 or more and not known: a side of
/// an array, or what a graph computes from sides. All arithmetic is exact, or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    /// What does not depend on the batch.
    pub fixed: i64,
    /// How much each picture adds.
    pub per: i64,
}

impl From<i64> for Integer {
    fn from(fixed: i64) -> Self {
        Self { fixed, per: 0 }
    }
}

impl Integer {
    /// `per · N`.
    pub fn pictures(per: i64) -> Self {
        Self { fixed: 0, per }
    }

    /// The number, if it does not depend on the batch.
    pub fn known(self) -> Option<i64> {
        (self.per == 0).then_some(self.fixed)
    }

    /// The number for a batch of `n`.
    pub fn at(self, n: i64) -> Option<i64> {
        self.per.checked_mul(n)?.checked_add(self.fixed)
    }

    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            fixed: self.fixed.checked_add(other.fixed)?,
            per: self.per.checked_add(other.per)?,
        })
    }

    pub fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            fixed: self.fixed.checked_sub(other.fixed)?,
            per: self.per.checked_sub(other.per)?,
        })
    }

    /// Nothing for N².
    pub fn times(self, other: Self) -> Option<Self> {
        let (factor, scaled) = match (self.known(), other.known()) {
            (Some(factor), _) => (factor, other),
            (_, Some(factor)) => (factor, self),
            _ => return None,
        };
        Some(Self {
            fixed: scaled.fixed.checked_mul(factor)?,
            per: scaled.per.checked_mul(factor)?,
        })
    }

    /// Rounded towards zero, as ONNX divides whole numbers; of numbers that depend on the batch only
    /// if nothing is left over.
    pub fn over(self, other: Self) -> Option<Self> {
        if let (Some(a), Some(b)) = (self.known(), other.known()) {
            return a.checked_div(b).map(Self::from);
        }
        if let Some(b) = other.known() {
            let exact = b != 0 && self.fixed.checked_rem(b)? == 0 && self.per.checked_rem(b)? == 0;
            return exact.then(|| Self {
                fixed: self.fixed / b,
                per: self.per / b,
            });
        }
        // k · (fixed + per · N) over (fixed + per · N).
        let factor = self.per.checked_div(other.per)?;
        (other.times(factor.into())? == self).then(|| factor.into())
    }

    /// The same, where what is left over does not depend on the batch and nothing is negative: the half of
    /// 2 · N + 1 is N.
    pub fn quotient(self, other: Self) -> Option<Self> {
        if let Some(b) = other.known().filter(|&b| b > 0)
            && self.per % b == 0
            && self.per >= 0
            && self.fixed >= 0
        {
            return Some(Self {
                fixed: self.fixed / b,
                per: self.per / b,
            });
        }
        self.over(other)
    }

    /// Which is larger, if that is the same for every N.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let difference = self.minus(other)?;
        let least = difference.fixed.checked_add(difference.per)?;
        match difference.per.cmp(&0) {
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
    fn a_side_that_counts_pictures_is_never_minus_one() {
        let n = Integer::pictures(1);
        assert_eq!(n.compare((-1).into()), Some(Ordering::Greater));
        assert_eq!(n.compare(2.into()), None);
    }

    #[test]
    fn division_leaves_nothing_over_or_is_refused() {
        let tokens = Integer::pictures(12);
        assert_eq!(tokens.over(4.into()), Some(Integer::pictures(3)));
        assert_eq!(tokens.over(5.into()), None);
        assert_eq!(tokens.over(Integer::pictures(1)), Some(12.into()));
        assert_eq!(Integer::from(i64::MIN).over((-1).into()), None);
        assert_eq!(Integer::from(1).over(0.into()), None);
    }

    #[test]
    fn what_is_left_over_is_dropped_where_it_is_the_same_for_every_batch() {
        let twice = Integer { fixed: 1, per: 2 };
        assert_eq!(twice.over(2.into()), None);
        assert_eq!(twice.quotient(2.into()), Some(Integer::pictures(1)));
        assert_eq!(twice.quotient(3.into()), None);
        let negative = Integer { fixed: -1, per: 2 };
        assert_eq!(negative.quotient(2.into()), None);
    }

    #[test]
    fn the_square_of_the_batch_is_refused() {
        let n = Integer::pictures(1);
        assert_eq!(n.times(n), None);
        assert_eq!(n.times(3.into()), Some(Integer::pictures(3)));
    }
}
