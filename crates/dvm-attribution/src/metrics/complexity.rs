//! Complexity: the entropy of the map.

use super::mu_fidelity::MU_FIDELITY;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::Error;

/// The entropy of the relevance.
pub const COMPLEXITY: MetricEntry = MetricEntry {
    name: "complexity",
    title: "complexity",
    summary: "the entropy of the absolute values, in nats: 0 if one pixel has all the relevance, \
              the logarithm of the number of pixels if all have the same",
    reference: MU_FIDELITY.reference,
    question: Question::Simplicity,
    better: Better::Neither,
    needs: Needs::Map,
    cost: "none",
    options: &[],
    build: |_| Ok(Box::new(Complexity)),
};

struct Complexity;

impl Metric for Complexity {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let relevance = candidate.relevance();
        let entropy = entropy(relevance);
        let largest = (relevance.len() as f64).ln();
        let share = if largest > 0.0 {
            entropy / largest
        } else {
            0.0
        };
        Ok(Measurement::of(entropy).with_figure("share of the largest possible", share))
    }
}

/// `−Σ p ln p` of the absolute values divided by their sum. If all are zero, it is the logarithm of
/// their number.
fn entropy(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|&v| f64::from(v.abs())).sum();
    if sum == 0.0 {
        return (values.len().max(1) as f64).ln();
    }
    let shares = values.iter().map(|&v| f64::from(v.abs()) / sum);
    let terms = shares.filter(|&p| p > 0.0).map(|p| -p * p.ln());
    // The entropy of one pixel must be 0, not −0.
    terms.fold(0.0, |sum, term| sum + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_is_0_for_one_pixel_and_the_logarithm_of_their_number_for_equal_ones() {
        assert_eq!(entropy(&[0.0, -7.0, 0.0]), 0.0);
        assert!((entropy(&[2.0, -2.0, 2.0, -2.0]) - 4f64.ln()).abs() < 1e-12);
        assert!((entropy(&[0.0; 5]) - 5f64.ln()).abs() < 1e-12);
        // By hand: shares 1/2, 1/4, 1/4.
        assert!((entropy(&[2.0, 1.0, -1.0]) - 1.5 * 2f64.ln()).abs() < 1e-12);
    }
}
