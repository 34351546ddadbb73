//! The points of a curve, with a limit on their number.

/// Most points; a terminal is narrower.
const MOST: usize = 2000;

/// Values over epochs, smoothed by an exponential moving average over about `span` values; 1: not smoothed. If there
/// are too many points, every second is dropped.
#[derive(Debug)]
pub struct Curve {
    points: Vec<(f64, f64)>,
    span: f64,
    mean: f64,
    /// Sum of the weights in `mean`.
    weight: f64,
    /// Values per point, and values since the last point.
    stride: usize,
    since: usize,
}

impl Curve {
    pub fn smoothed(span: f64) -> Self {
        Self {
            points: Vec::new(),
            span,
            mean: 0.0,
            weight: 0.0,
            stride: 1,
            since: 0,
        }
    }

    pub fn unsmoothed() -> Self {
        Self::smoothed(1.0)
    }

    /// Sets the number of values to smooth over.
    pub fn set_span(&mut self, span: f64) {
        self.span = span;
    }

    /// Adds a value; ignores NaN and infinity.
    pub fn push(&mut self, epoch: f64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let fading = 1.0 - 1.0 / self.span;
        self.weight = self.weight * fading + 1.0;
        self.mean += (value - self.mean) / self.weight;
        self.since += 1;
        if self.since < self.stride {
            return;
        }
        self.since = 0;
        self.points.push((epoch, self.mean));
        if self.points.len() == MOST {
            let mut position = 0;
            self.points.retain(|_| {
                position += 1;
                position % 2 == 0
            });
            self.stride *= 2;
        }
    }

    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The last smoothed value.
    #[cfg(test)]
    pub fn last(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_curve_starts_at_its_first_value_and_follows_slowly() {
        let mut curve = Curve::smoothed(10.0);
        curve.push(0.0, 5.0);
        assert_eq!(curve.last(), Some(5.0));
        for step in 1..200 {
            curve.push(f64::from(step), 1.0);
            assert!(curve.last().unwrap() > 1.0);
        }
        assert!(curve.last().unwrap() < 1.001);
        curve.push(200.0, f64::NAN);
        assert_eq!(curve.points().len(), 200);
    }

    #[test]
    fn a_long_training_keeps_a_limited_number_of_points() {
        let mut curve = Curve::unsmoothed();
        for step in 0..100_000 {
            curve.push(f64::from(step), f64::from(step));
        }
        assert!(curve.points().len() < MOST);
        assert!(curve.points().windows(2).all(|two| two[0].0 < two[1].0));
        assert!(curve.points().last().unwrap().0 > 99_900.0);
        assert!(curve.points()[0].0 < 100.0);
    }
}
