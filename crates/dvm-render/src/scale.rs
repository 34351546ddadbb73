//! Scales: from values to colours.

use crate::ColourMap;
use crate::ticks::{self, Tick};
use crate::value_summary::{ValueSummary, percentile_of};

/// The colour of values that are NaN or infinite; no colour map contains it.
pub const NOT_FINITE: [u8; 3] = [150, 150, 150];

/// The neutral position of a scale, where a colour overlay is transparent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neutral {
    /// The low end: magnitudes.
    Low,
    /// The middle: signed values.
    Middle,
    /// The high end: probabilities while a window is covered, where low means important.
    High,
}

impl Neutral {
    fn position(self) -> f32 {
        match self {
            Self::Low => 0.0,
            Self::Middle => 0.5,
            Self::High => 1.0,
        }
    }
}

/// A linear scale from values to colours: `low` has the first colour, `high` the last. It also
/// keeps facts about its values for notes: whether some are outside, whether all are equal, how
/// many are not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    low: f32,
    high: f32,
    map: ColourMap,
    neutral: Neutral,
    facts: ValueSummary,
}

impl Scale {
    /// For magnitudes: from 0 to the `percentile` (0..=100, as NumPy's) of the finite `values`, so
    /// that a few large values do not darken all others. If that percentile is not greater than 0,
    /// the largest value is used; if no value is greater than 0, the scale is the
    /// [`range`](Self::range) of the values.
    pub fn sequential(values: &[f32], map: ColourMap, percentile: f32) -> Self {
        let facts = ValueSummary::of(values);
        if facts.max <= 0.0 && facts.min < 0.0 {
            return Self::range(values, map);
        }
        let clip = percentile_of(values.iter().copied(), percentile);
        let high = if clip > 0.0 { clip } else { facts.max };
        Self::new(0.0, high, map, Neutral::Low, facts)
    }

    /// For signed values: symmetric around 0, up to the largest magnitude.
    pub fn diverging(values: &[f32], map: ColourMap) -> Self {
        Self::diverging_clipped(values, map, 100.0)
    }

    /// As [`diverging`](Self::diverging), up to the `percentile` (0..=100) of the magnitudes, or to
    /// the largest if that percentile is 0.
    pub fn diverging_clipped(values: &[f32], map: ColourMap, percentile: f32) -> Self {
        let facts = ValueSummary::of(values);
        let clip = percentile_of(values.iter().map(|v| v.abs()), percentile);
        let reach = if clip > 0.0 {
            clip
        } else {
            facts.max.max(-facts.min)
        };
        Self::new(-reach, reach, map, Neutral::Middle, facts)
    }

    /// For raw values such as probabilities: from the smallest to the largest finite value.
    pub fn range(values: &[f32], map: ColourMap) -> Self {
        let facts = ValueSummary::of(values);
        Self::new(facts.min, facts.max, map, Neutral::Low, facts)
    }

    /// From `low` to `high`, for panels that share one scale.
    ///
    /// # Panics
    /// If an end is not finite or `low > high`.
    pub fn between(low: f32, high: f32, values: &[f32], map: ColourMap) -> Self {
        assert!(
            low.is_finite() && high.is_finite() && low <= high,
            "the ends of a scale must be finite and ordered, but are {low} and {high}"
        );
        let neutral = if map.is_diverging() {
            Neutral::Middle
        } else {
            Neutral::Low
        };
        Self::new(low, high, map, neutral, ValueSummary::of(values))
    }

    /// Sets the neutral position.
    pub fn with_neutral(self, neutral: Neutral) -> Self {
        Self { neutral, ..self }
    }

    fn new(low: f32, high: f32, map: ColourMap, neutral: Neutral, facts: ValueSummary) -> Self {
        Self {
            low,
            high,
            map,
            neutral,
            facts,
        }
    }

    /// The value of the first colour.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// The value of the last colour.
    pub fn high(&self) -> f32 {
        self.high
    }

    /// The colours.
    pub fn map(&self) -> ColourMap {
        self.map
    }

    /// The neutral position.
    pub fn neutral(&self) -> Neutral {
        self.neutral
    }

    /// Number of values that are NaN or infinite.
    pub fn not_finite(&self) -> usize {
        self.facts.not_finite
    }

    /// Whether all finite values are equal, or there are none.
    pub fn is_flat(&self) -> bool {
        self.facts.min == self.facts.max
    }

    /// The position of `value`, clamped to 0 (low end) … 1 (high end); `None` if it is NaN or
    /// infinite. An empty scale has everything at its neutral position.
    pub fn position(&self, value: f32) -> Option<f32> {
        if !value.is_finite() {
            return None;
        }
        // In f64 the difference of two f32 does not overflow or lose digits.
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        if high <= low {
            return Some(self.neutral.position());
        }
        Some(((f64::from(value) - low) / (high - low)).clamp(0.0, 1.0) as f32)
    }

    /// The colour of `value`, [`NOT_FINITE`] if it is NaN or infinite.
    pub fn colour(&self, value: f32) -> [u8; 3] {
        self.position(value).map_or(NOT_FINITE, |t| self.map.at(t))
    }

    /// The strength of `value` in an overlay: 0 at the neutral position, 1 at the end farthest from
    /// it, and 1 for values that are not finite, so that they are visible.
    pub fn strength(&self, value: f32) -> f32 {
        let neutral = self.neutral.position();
        self.position(value)
            .map_or(1.0, |t| (t - neutral).abs() / neutral.max(1.0 - neutral))
    }

    /// About `count` ticks at most, at round numbers, from low to high. An end that values exceed
    /// has a tick marked `≤` or `≥`.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        if high <= low {
            return vec![Tick {
                position: self.neutral.position(),
                label: ticks::number(low),
            }];
        }
        let clipped = ticks::Clipped {
            below: self.facts.min < self.low,
            above: self.facts.max > self.high,
        };
        ticks::ticks(low, high, count, clipped)
    }

    /// A note if the map is all zero or constant, or has values that are not finite.
    pub fn note(&self) -> Option<String> {
        let ValueSummary {
            count,
            not_finite,
            min,
            ..
        } = self.facts;
        let flat = match () {
            () if count == 0 => return None,
            () if count == not_finite => return Some("no finite value".into()),
            () if !self.is_flat() => None,
            () if min == 0.0 => Some("all zero".into()),
            () => Some(format!("constant {}", ticks::number(f64::from(min)))),
        };
        let lost = match not_finite {
            0 => None,
            1 => Some(format!("1 of {count} values is not finite (grey)")),
            n => Some(format!("{n} of {count} values are not finite (grey)")),
        };
        let notes: Vec<_> = flat.into_iter().chain(lost).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks(6).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn a_sequential_scale_is_from_zero_to_the_percentile() {
        // numpy 2: np.percentile(np.arange(1, 11), 95) == 9.55
        let values: Vec<f32> = (1..=10).map(|v| v as f32).collect();
        let scale = Scale::sequential(&values, ColourMap::Inferno, 95.0);
        assert_eq!((scale.low(), scale.high()), (0.0, 9.55));
        assert_eq!(scale.position(0.0), Some(0.0));
        assert_eq!(scale.position(9.55), Some(1.0));
        assert_eq!(scale.position(10.0), Some(1.0));
    }

    #[test]
    fn a_map_with_one_bright_pixel_is_not_black() {
        let mut values = vec![0.0; 1000];
        values[7] = 3.0;
        let scale = Scale::sequential(&values, ColourMap::Inferno, 99.8);
        assert_eq!(scale.high(), 3.0);
    }

    #[test]
    fn a_sequential_scale_of_negative_values_is_their_range() {
        let scale = Scale::sequential(&[-3.0, -1.0], ColourMap::Inferno, 99.8);
        assert_eq!((scale.low(), scale.high()), (-3.0, -1.0));
    }

    #[test]
    fn zero_is_exactly_in_the_middle_of_a_diverging_scale() {
        for values in [[0.3, -0.1], [-7e-12, 1e-30], [f32::MAX, 1.0], [0.0, 1e-45]] {
            let scale = Scale::diverging(&values, ColourMap::RdBu);
            assert_eq!(scale.low(), -scale.high());
            assert_eq!(scale.position(0.0), Some(0.5));
            assert_eq!(scale.colour(0.0), [247, 247, 247]);
        }
    }

    #[test]
    fn a_clipped_diverging_scale_excludes_outliers_on_both_sides() {
        let mut values = [1.0, -1.0].repeat(500);
        values[0] = 90.0;
        values[1] = -80.0;
        let scale = Scale::diverging_clipped(&values, ColourMap::RdBu, 99.0);
        assert_eq!((scale.low(), scale.high()), (-1.0, 1.0));
        let labels = labels(&scale);
        assert_eq!(labels.first().unwrap(), "≤ −1.0");
        assert_eq!(labels.last().unwrap(), "≥ 1.0");
    }

    #[test]
    fn a_map_of_zeros_is_drawn_in_the_neutral_colour_and_noted() {
        let zeros = [0.0, -0.0, 0.0];
        let scale = Scale::sequential(&zeros, ColourMap::Inferno, 99.8);
        assert!(scale.is_flat());
        assert_eq!(scale.note().unwrap(), "all zero");
        assert_eq!(scale.colour(0.0), ColourMap::Inferno.at(0.0));
        assert_eq!(labels(&scale), ["0"]);

        let scale = Scale::diverging(&zeros, ColourMap::RdBu);
        assert_eq!(scale.note().unwrap(), "all zero");
        assert_eq!(scale.colour(0.0), [247, 247, 247]);
    }

    #[test]
    fn a_constant_map_has_one_colour_and_a_note() {
        for scale in [
            Scale::sequential(&[0.37; 4], ColourMap::Inferno, 99.8),
            Scale::diverging(&[0.37; 4], ColourMap::RdBu),
            Scale::range(&[0.37; 4], ColourMap::YlGnBu),
        ] {
            assert!(scale.is_flat());
            assert_eq!(scale.note().unwrap(), "constant 0.37");
            assert!(scale.position(0.37).is_some_and(f32::is_finite));
            assert!(!scale.ticks(6).is_empty());
        }
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_grey_and_do_not_change_the_scale() {
        let values = [0.0, f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
        for scale in [
            Scale::sequential(&values, ColourMap::Inferno, 100.0),
            Scale::diverging(&values, ColourMap::RdBu),
            Scale::range(&values, ColourMap::YlGnBu),
        ] {
            assert_eq!(scale.not_finite(), 3);
            assert_eq!(scale.high(), 1.0);
            assert_eq!(scale.colour(f32::NAN), NOT_FINITE);
            assert_eq!(scale.colour(f32::INFINITY), NOT_FINITE);
            assert!(!scale.is_flat());
            assert_eq!(scale.note().unwrap(), "3 of 5 values are not finite (grey)");
        }
    }

    #[test]
    fn no_colour_map_contains_the_colour_of_values_that_are_not_finite() {
        let grey = i32::from(NOT_FINITE[0]);
        for map in ColourMap::ALL {
            for i in 0..=1000 {
                let distance = map
                    .at(i as f32 / 1000.0)
                    .map(|c| (i32::from(c) - grey).pow(2));
                assert!(distance.iter().sum::<i32>() > 30 * 30, "{map} at {i}/1000");
            }
        }
    }

    #[test]
    fn a_map_of_nan_only_has_a_note() {
        let scale = Scale::sequential(&[f32::NAN; 3], ColourMap::Inferno, 99.8);
        assert!(scale.is_flat());
        assert_eq!(scale.note().unwrap(), "no finite value");
        assert_eq!(labels(&scale), ["0"]);
    }

    #[test]
    fn a_scale_without_values_has_no_note() {
        let scale = Scale::between(-1.0, 1.0, &[], ColourMap::RdBu);
        assert_eq!(scale.note(), None);
        assert_eq!(scale.colour(0.0), [247, 247, 247]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let scale = Scale::range(&[f32::MIN, 0.0, f32::MAX], ColourMap::Viridis);
        assert_eq!(scale.position(0.0), Some(0.5));
        assert!(scale.ticks(6).len() > 2);
    }

    #[test]
    fn strength_increases_from_the_neutral_position() {
        let values = [-2.0, 2.0];
        let signed = Scale::diverging(&values, ColourMap::RdBu);
        assert_eq!(
            [-2.0, 0.0, 1.0].map(|v| signed.strength(v)),
            [1.0, 0.0, 0.5]
        );
        let covered = Scale::range(&[0.0, 1.0], ColourMap::YlGnBu).with_neutral(Neutral::High);
        assert_eq!(
            [0.0, 0.75, 1.0].map(|v| covered.strength(v)),
            [1.0, 0.25, 0.0]
        );
        assert_eq!(signed.strength(f32::NAN), 1.0);
    }

    #[test]
    fn the_highest_tick_shows_that_values_exceed_the_scale() {
        let mut values = vec![0.0038; 1000];
        values[0] = 1.0;
        let scale = Scale::sequential(&values, ColourMap::Hot, 99.0);
        let labels = labels(&scale);
        assert_eq!(labels, ["0", "0.001", "0.002", "0.003", "≥ 0.0038"]);
    }
}
