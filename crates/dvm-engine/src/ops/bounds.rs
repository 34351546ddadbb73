//! Bounds of the values of an op.

/// All values of a tensor are in `low..=high`, for every input and in exact arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower bound; may be −∞.
    pub low: f32,
    /// The upper bound; may be ∞.
    pub high: f32,
}

impl Bounds {
    /// Unknown.
    pub const ALL: Self = Self {
        low: f32::NEG_INFINITY,
        high: f32::INFINITY,
    };

    /// 0 to 1.
    pub const UNIT: Self = Self {
        low: 0.0,
        high: 1.0,
    };

    /// The bounds of these values; [`Bounds::ALL`] if there are none or one is NaN.
    pub fn of(values: &[f32]) -> Self {
        if values.is_empty() || values.iter().any(|v| v.is_nan()) {
            return Self::ALL;
        }
        Self {
            low: values.iter().copied().fold(f32::INFINITY, f32::min),
            high: values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        }
    }

    /// The narrowest bounds that contain both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// Whether all values are in `other`, except for rounding.
    pub fn is_within(self, other: Self) -> bool {
        const ROUNDING: f32 = 1e-5;
        self.low >= other.low - ROUNDING && self.high <= other.high + ROUNDING
    }

    /// The bounds of a monotonically increasing function.
    #[must_use]
    pub fn rising(self, f: impl Fn(f32) -> f32) -> Self {
        Self::checked(f(self.low), f(self.high))
    }

    /// The bounds of a function of two numbers whose extremes are at the extremes of both.
    #[must_use]
    pub fn between(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let corners = [
            f(self.low, other.low),
            f(self.low, other.high),
            f(self.high, other.low),
            f(self.high, other.high),
        ];
        Self::of(&corners)
    }

    fn checked(low: f32, high: f32) -> Self {
        if low.is_nan() || high.is_nan() {
            Self::ALL
        } else {
            Self { low, high }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_corners_that_are_no_numbers_are_unknown() {
        // ∞ − ∞
        assert_eq!(Bounds::ALL.between(Bounds::ALL, |a, b| a - b), Bounds::ALL);
        let difference = Bounds::UNIT.between(Bounds::UNIT, |a, b| a - b);
        assert_eq!((difference.low, difference.high), (-1.0, 1.0));
    }

    #[test]
    fn rounding_does_not_lead_out_of_bounds() {
        let nearly = Bounds {
            low: -1e-7,
            high: 1.000_001,
        };
        assert!(nearly.is_within(Bounds::UNIT));
        assert!(!Bounds::ALL.is_within(Bounds::UNIT));
    }
}
