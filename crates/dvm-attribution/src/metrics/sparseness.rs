//! Sparseness: the Gini index of the map.

use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::Error;
use crate::registry::{Published, Reference};

/// How unevenly relevance is spread over the pixels.
pub const SPARSENESS: MetricEntry = MetricEntry {
    name: "sparseness",
    title: "sparseness",
    summary: "how unevenly relevance is spread: 0 if all pixels have the same, close to 1 if few have all of it \
              (the Gini index of the absolute values)",
    reference: Reference {
        authors: "Chalasani, Chen, Chowdhury, Jha, Wu",
        year: 2018,
        title: "Concise Explanations of Neural Networks using Adversarial Training",
        published: Published::Arxiv("1810.06583"),
    },
    question: Question::Simplicity,
    better: Better::Neither,
    needs: Needs::Map,
    cost: "none",
    options: &[],
    build: |_| Ok(Box::new(Sparseness)),
};

struct Sparseness;

impl Metric for Sparseness {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        Ok(Measurement::of(gini(candidate.relevance())))
    }
}

/// The Gini index of the absolute values `x` in rising order, `Σ (2i − n − 1) x_i / (n Σ x_i)` with `i` from
/// 1; 0 if all are zero.
fn gini(values: &[f32]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|&v| f64::from(v.abs())).collect();
    sorted.sort_by(f64::total_cmp);
    let sum: f64 = sorted.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let count = sorted.len() as f64;
    let weighted: f64 = sorted
        .iter()
        .enumerate()
        .map(|(index, value)| (2.0 * (index + 1) as f64 - count - 1.0) * value)
        .sum();
    weighted / (count * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gini_index_is_0_for_equal_values_and_nearly_1_for_one_alone() {
        assert_eq!(gini(&[2.0, -2.0, 2.0]), 0.0);
        assert_eq!(gini(&[0.0; 5]), 0.0);
        let mut one = [0.0; 100];
        one[3] = -7.0;
        assert!((gini(&one) - 0.99).abs() < 1e-12);
        // By hand: (−2·1 + 0·2 + 2·3) / (3 · 6).
        assert!((gini(&[3.0, 1.0, -2.0]) - 4.0 / 18.0).abs() < 1e-12);
    }
}
