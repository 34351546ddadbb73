//! Calibration: confidence compared with accuracy.

use serde::{Deserialize, Serialize};

use super::Prediction;

/// Calibration (arXiv 1706.04599).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The expected calibration error: the mean difference between confidence and accuracy,
    /// weighted by the pictures of each bin, 0…1.
    pub error: f64,
    /// Fifteen bins of equal width from 0 (exclusive) to 1 (inclusive).
    pub bins: Vec<Bin>,
}

/// The pictures in a range of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of pictures.
    pub pictures: usize,
    /// Mean confidence, 0…1; 0 if the bin is empty.
    pub confidence: f64,
    /// Accuracy, 0…1; 0 if the bin is empty.
    pub accuracy: f64,
}

/// Number of bins, as in the paper.
const BINS: usize = 15;

impl Calibration {
    pub(super) fn new(predictions: &[Prediction]) -> Self {
        let mut sums = [(0usize, 0.0, 0usize); BINS];
        for prediction in predictions {
            let sum = &mut sums[bin_of(prediction.confidence)];
            sum.0 += 1;
            sum.1 += prediction.confidence;
            sum.2 += usize::from(prediction.is_correct());
        }
        let bins: Vec<Bin> = sums
            .into_iter()
            .map(|(pictures, confidence, found)| {
                let count = pictures.max(1) as f64;
                Bin {
                    pictures,
                    confidence: confidence / count,
                    accuracy: found as f64 / count,
                }
            })
            .collect();
        let distance = |bin: &Bin| bin.pictures as f64 * (bin.accuracy - bin.confidence).abs();
        Self {
            error: bins.iter().map(distance).sum::<f64>() / predictions.len() as f64,
            bins,
        }
    }
}

/// Bin i has confidences greater than i / 15, up to (i + 1) / 15.
fn bin_of(confidence: f64) -> usize {
    let beyond = |bin: &usize| confidence <= (bin + 1) as f64 / BINS as f64;
    (0..BINS - 1).find(beyond).unwrap_or(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(confidence: f64, correct: bool) -> Prediction {
        Prediction {
            class: usize::from(!correct),
            predicted: 0,
            confidence,
            loss: 0.0,
            rank: 0,
        }
    }

    #[test]
    fn the_calibration_error_matches_a_hand_computed_value() {
        // Bin 11 is (0.7333, 0.8], bin 14 is (0.9333, 1].
        let all = [
            prediction(0.75, true),
            prediction(0.8, false),
            prediction(0.95, true),
            prediction(1.0, true),
        ];
        let calibration = Calibration::new(&all);
        let pictures: Vec<usize> = calibration.bins.iter().map(|bin| bin.pictures).collect();
        assert_eq!(pictures, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2]);
        let expected = (2.0 * (0.775 - 0.5) + 2.0 * (1.0 - 0.975)) / 4.0;
        assert!((calibration.error - expected).abs() < 1e-15);
    }

    #[test]
    fn a_confidence_on_a_border_belongs_to_the_lower_bin() {
        assert_eq!(bin_of(1.0 / 15.0), 0);
        assert_eq!(bin_of(0.2), 2);
        assert_eq!(bin_of(0.200_000_1), 3);
        // Rounding may give a softmax slightly greater than 1.
        assert_eq!(bin_of(1.0 + 1e-16), 14);
    }
}
