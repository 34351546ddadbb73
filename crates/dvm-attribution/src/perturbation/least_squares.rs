//! Weighted least squares over coalitions of segments, in f64.

/// A linear fit of scores.
pub(super) struct Fit {
    /// One coefficient per column.
    pub coefficients: Vec<f64>,
    /// The fitted score where every column is zero.
    pub intercept: f64,
    /// Part of the weighted variance of the scores that the fit explains, 1 at best; `None` if all scores are equal.
    pub r2: Option<f64>,
}

/// Rows of zeros and ones with their weights.
pub(super) struct Rows<'a> {
    /// `[N, M]`, row-major.
    pub rows: &'a [bool],
    /// `[N]`
    pub weights: &'a [f64],
    /// M.
    pub columns: usize,
}

impl Rows<'_> {
    fn with_weights(&self) -> impl Iterator<Item = (&[bool], f64)> {
        let rows = self.rows.chunks_exact(self.columns);
        rows.zip(self.weights.iter().copied())
    }

    /// Weighted ridge regression with an intercept that is not penalised: minimises Σ w (y − b −
    /// z·c)² + `ridge`·|c|². `None` if the rows do not determine the coefficients.
    pub fn ridge(&self, scores: &[f64], ridge: f64) -> Option<Fit> {
        let total: f64 = self.weights.iter().sum();
        let mut means = vec![0.0; self.columns];
        let mut score = 0.0;
        for ((row, weight), y) in self.with_weights().zip(scores) {
            for (mean, &kept) in means.iter_mut().zip(row) {
                *mean += if kept { weight / total } else { 0.0 };
            }
            score += weight / total * y;
        }
        let mut equations = Equations::new(self.columns);
        let mut centred = vec![0.0; self.columns];
        for ((row, weight), y) in self.with_weights().zip(scores) {
            for ((value, &kept), mean) in centred.iter_mut().zip(row).zip(&means) {
                *value = f64::from(u8::from(kept)) - mean;
            }
            equations.add(&centred, y - score, weight);
        }
        equations.penalise(ridge);
        let coefficients = equations.solved()?;
        let along: f64 = coefficients.iter().zip(&means).map(|(c, m)| c * m).sum();
        Some(self.fit(coefficients, score - along, scores))
    }

    /// Weighted least squares through two points: the fit is `empty` where all columns are zero and
    /// `whole` where all are one. `None` if the rows do not determine the coefficients.
    pub fn between(&self, scores: &[f64], empty: f64, whole: f64) -> Option<Fit> {
        let (last, sum) = (self.columns - 1, whole - empty);
        // The last coefficient follows from the sum of all.
        let mut equations = Equations::new(last);
        let mut differences = vec![0.0; last];
        for ((row, weight), y) in self.with_weights().zip(scores) {
            let kept = |column: usize| f64::from(u8::from(row[column]));
            for (column, value) in differences.iter_mut().enumerate() {
                *value = kept(column) - kept(last);
            }
            equations.add(&differences, y - empty - kept(last) * sum, weight);
        }
        let mut coefficients = equations.solved()?;
        coefficients.push(sum - coefficients.iter().sum::<f64>());
        Some(self.fit(coefficients, empty, scores))
    }

    fn fit(&self, coefficients: Vec<f64>, intercept: f64, scores: &[f64]) -> Fit {
        let total: f64 = self.weights.iter().sum();
        let weighted = self.weights.iter().zip(scores);
        let mean = weighted.map(|(w, y)| w * y).sum::<f64>() / total;
        let (mut left, mut all) = (0.0, 0.0);
        for ((row, weight), y) in self.with_weights().zip(scores) {
            let kept = row.iter().zip(&coefficients).filter(|(kept, _)| **kept);
            let said = intercept + kept.map(|(_, c)| c).sum::<f64>();
            left += weight * (y - said).powi(2);
            all += weight * (y - mean).powi(2);
        }
        Fit {
            coefficients,
            intercept,
            r2: (all > 0.0).then(|| 1.0 - left / all),
        }
    }
}

/// The normal equations: the lower half of a symmetric matrix, and the right side.
struct Equations {
    size: usize,
    /// `[size, size]`
    matrix: Vec<f64>,
    right: Vec<f64>,
}

/// A pivot smaller than this part of its diagonal is rounding only.
const ROUNDING: f64 = 1e-10;

impl Equations {
    fn new(size: usize) -> Self {
        Self {
            size,
            matrix: vec![0.0; size * size],
            right: vec![0.0; size],
        }
    }

    fn add(&mut self, row: &[f64], y: f64, weight: f64) {
        for (i, &value) in row.iter().enumerate() {
            let value = weight * value;
            if value != 0.0 {
                for (sum, other) in self.matrix[i * self.size..].iter_mut().zip(&row[..=i]) {
                    *sum += value * other;
                }
                self.right[i] += value * y;
            }
        }
    }

    fn penalise(&mut self, ridge: f64) {
        self.matrix
            .iter_mut()
            .step_by(self.size + 1)
            .for_each(|v| *v += ridge);
    }

    /// The solution by Cholesky decomposition; `None` if the matrix is singular.
    fn solved(mut self) -> Option<Vec<f64>> {
        let n = self.size;
        let m = &mut self.matrix;
        for j in 0..n {
            let diagonal = m[j * n + j];
            let squares: f64 = m[j * n..j * n + j].iter().map(|v| v * v).sum();
            let pivot = diagonal - squares;
            if pivot.is_nan() || pivot <= ROUNDING * diagonal {
                return None;
            }
            let root = pivot.sqrt();
            m[j * n + j] = root;
            let (above, below) = m.split_at_mut((j + 1) * n);
            let row_j = &above[j * n..j * n + j];
            for row in below.chunks_exact_mut(n) {
                let product: f64 = row.iter().zip(row_j).map(|(a, b)| a * b).sum();
                row[j] = (row[j] - product) / root;
            }
        }
        let mut x = self.right;
        for i in 0..n {
            let known: f64 = (0..i).map(|k| m[i * n + k] * x[k]).sum();
            x[i] = (x[i] - known) / m[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| m[k * n + i] * x[k]).sum();
            x[i] = (x[i] - known) / m[i * n + i];
        }
        Some(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rows of three columns.
    fn all_of_three() -> Vec<bool> {
        (0..8)
            .flat_map(|row| [4, 2, 1].map(|bit| row & bit != 0))
            .collect()
    }

    #[test]
    fn a_linear_score_is_fitted_exactly() {
        let rows = all_of_three();
        let fitted = |row: &[bool]| {
            let terms = row.iter().zip([2.0, -1.0, 0.5]);
            3.0 + terms
                .map(|(&kept, c)| if kept { c } else { 0.0 })
                .sum::<f64>()
        };
        let scores: Vec<f64> = rows.chunks_exact(3).map(fitted).collect();
        let rows = Rows {
            rows: &rows,
            weights: &[1.0, 2.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0],
            columns: 3,
        };
        for fit in [rows.ridge(&scores, 0.0), rows.between(&scores, 3.0, 4.5)] {
            let fit = fit.unwrap();
            for (c, expected) in fit.coefficients.iter().zip([2.0, -1.0, 0.5]) {
                assert!((c - expected).abs() < 1e-12);
            }
            assert!((fit.intercept - 3.0).abs() < 1e-12);
            assert!((fit.r2.unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_penalty_shrinks_coefficients_but_not_the_intercept() {
        // One column, two rows: c = w (y1 − y0) / (w + ridge) with w = 1/2, halfway between.
        let rows = Rows {
            rows: &[false, true],
            weights: &[1.0, 1.0],
            columns: 1,
        };
        let fit = rows.ridge(&[10.0, 14.0], 0.5).unwrap();
        assert!((fit.coefficients[0] - 2.0).abs() < 1e-12);
        assert!((fit.intercept - 11.0).abs() < 1e-12);
        assert!((fit.r2.unwrap() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn columns_that_are_always_equal_are_not_determined() {
        let rows = Rows {
            rows: &[true, true, false, false, true, true],
            weights: &[1.0; 3],
            columns: 2,
        };
        assert!(rows.ridge(&[1.0, 0.0, 1.0], 0.0).is_none());
        assert!(rows.ridge(&[1.0, 0.0, 1.0], 1.0).is_some());
    }
}
