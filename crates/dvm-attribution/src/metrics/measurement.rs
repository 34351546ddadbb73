//! What a metric returns.

/// The result of a metric for one map.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The main figure, named after the metric; finite.
    pub value: f64,
    /// Further figures.
    pub figures: Vec<Figure>,
    /// Curves that the figure was computed from, to be drawn beside the map.
    pub curves: Vec<Curve>,
    /// What it means if the map does not pass: one sentence.
    pub finding: Option<String>,
}

/// A further figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name, such as `rank correlation`.
    pub name: String,
    /// Its value; finite.
    pub value: f64,
}

/// A curve that a metric draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name, such as `most relevant first`.
    pub name: &'static str,
    /// The name of the x axis, such as `share of pixels covered`.
    pub across: &'static str,
    /// The name of the y axis, such as `probability`.
    pub up: &'static str,
    /// The points `(x, y)`, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Measurement {
    /// A single figure.
    pub fn of(value: f64) -> Self {
        Self {
            value,
            figures: Vec::new(),
            curves: Vec::new(),
            finding: None,
        }
    }

    /// Adds a further figure.
    #[must_use]
    pub fn with_figure(mut self, name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        self.figures.push(Figure { name, value });
        self
    }

    /// Adds a curve.
    #[must_use]
    pub fn with_curve(mut self, curve: Curve) -> Self {
        self.curves.push(curve);
        self
    }

    /// Sets what it means that the map does not pass; `None` if it passes.
    #[must_use]
    pub fn with_finding(mut self, finding: Option<String>) -> Self {
        self.finding = finding;
        self
    }
}

impl Curve {
    /// The area under the curve by the trapezoid rule, divided by its width. This is the mean
    /// height if the points go from left to right.
    pub fn area(&self) -> f64 {
        let width = match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if last.0 > first.0 => last.0 - first.0,
            _ => return self.points.first().map_or(0.0, |point| point.1),
        };
        let area: f64 = self
            .points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum();
        area / width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_a_curve_is_the_sum_of_trapezoids_of_any_width() {
        let curve = |points: &[(f64, f64)]| Curve {
            name: "",
            across: "",
            up: "",
            points: points.to_vec(),
        };
        // By hand: 0.4 · 0.725 + 0.4 · 0.275 + 0.2 · 0.05.
        let uneven = curve(&[(0.0, 1.0), (0.4, 0.45), (0.8, 0.1), (1.0, 0.0)]);
        assert!((uneven.area() - 0.41).abs() < 1e-12);
        assert_eq!(curve(&[(0.0, 1.0), (2.0, 0.0)]).area(), 0.5);
        assert_eq!(curve(&[(0.0, 3.0)]).area(), 3.0);
    }
}
