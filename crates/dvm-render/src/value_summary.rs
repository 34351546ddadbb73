//! Statistics of the values of a scale.

/// Statistics of the values of a scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueSummary {
    pub count: usize,
    pub not_finite: usize,
    /// The smallest finite value; 0 if there are none.
    pub min: f32,
    /// The largest finite value; 0 if there are none.
    pub max: f32,
}

impl ValueSummary {
    pub fn of(values: &[f32]) -> Self {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        Self {
            count: values.len(),
            not_finite: values.len() - finite().count(),
            min: finite().reduce(f32::min).unwrap_or(0.0),
            max: finite().reduce(f32::max).unwrap_or(0.0),
        }
    }
}

/// The `percentile` (0..=100) of the finite values, with linear interpolation; 0 if there are none.
pub(crate) fn percentile_of(values: impl Iterator<Item = f32>, percentile: f32) -> f32 {
    let mut values: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len() - 1;
    let place = f64::from(percentile).clamp(0.0, 100.0) / 100.0 * last as f64;
    let first = place as usize;
    let (a, b) = (
        f64::from(values[first]),
        f64::from(values[(first + 1).min(last)]),
    );
    (a + (b - a) * (place - first as f64)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_equal_numpys() {
        // numpy.percentile(values, q) for each q, NumPy 2
        let values = [3.0, -1.0, 2.0, 10.0, 4.5];
        for (percentile, expected) in [
            (0.0, -1.0),
            (10.0, 0.2),
            (50.0, 3.0),
            (90.0, 7.8),
            (100.0, 10.0),
        ] {
            let actual = percentile_of(values.into_iter(), percentile);
            assert!((actual - expected).abs() < 1e-6, "{percentile}: {actual}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_ignored() {
        let values = [f32::NAN, 1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY];
        assert_eq!(percentile_of(values.into_iter(), 50.0), 2.0);
        assert_eq!(percentile_of([f32::NAN].into_iter(), 50.0), 0.0);
        let facts = ValueSummary::of(&values);
        assert_eq!((facts.count, facts.not_finite), (5, 3));
        assert_eq!((facts.min, facts.max), (1.0, 3.0));
    }
}
