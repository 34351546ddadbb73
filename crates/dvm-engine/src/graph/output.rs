//! The meaning of a network's output.

mod recognition;

use std::fmt;
use std::str::FromStr;

use crate::ops::softmax::probabilities;

/// The meaning of a network's output `[N, K]`.
///
/// A network with one output value (K = 1) has two classes, *no* and *yes*; the value is about *yes*.
/// Its logit is that of a sigmoid, as in `BCEWithLogitsLoss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Output {
    /// Logits of exclusive classes: their softmax gives probabilities.
    #[default]
    Logits,
    /// Logarithms of the probabilities of exclusive classes.
    LogProbabilities,
    /// Probabilities of exclusive classes: from 0 to 1, with sum 1.
    Probabilities,
    /// Logits of labels of which several can be right: the sigmoid of each gives its probability.
    LabelLogits,
    /// Probabilities of labels of which several can be right: each from 0 to 1.
    LabelProbabilities,
    /// Activations of the channels of a layer ([`crate::passes::read_out`]): no output of a classifier,
    /// so they have no probabilities.
    Activations,
}

/// Largest difference of the sum of probabilities from 1: rounding to 16-bit floats, or clipping of very
/// small ones, causes it.
const SUM_TOLERANCE: f64 = 5e-3;

/// Smallest probability whose logarithm is taken; smaller ones are set to it.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

impl Output {
    /// All outputs of a complete network.
    pub const ALL: [Self; 5] = [
        Self::Logits,
        Self::LogProbabilities,
        Self::Probabilities,
        Self::LabelLogits,
        Self::LabelProbabilities,
    ];

    /// Its name in options and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::LogProbabilities => "log-probabilities",
            Self::Probabilities => "probabilities",
            Self::LabelLogits => "label-logits",
            Self::LabelProbabilities => "label-probabilities",
            Self::Activations => "activations",
        }
    }

    /// A sentence that describes it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Logits => "logits of classes of which one is right (softmax)",
            Self::LogProbabilities => "log-probabilities of classes of which one is right",
            Self::Probabilities => "probabilities of classes of which one is right",
            Self::LabelLogits => "logits of labels of which several can be right (sigmoids)",
            Self::LabelProbabilities => "probabilities of labels of which several can be right",
            Self::Activations => "activations of a layer",
        }
    }

    /// Number of classes for this number of output values: one value has the classes *no* and *yes*.
    pub fn classes(outputs: usize) -> usize {
        if outputs == 1 { 2 } else { outputs }
    }

    /// Whether the values are probabilities already, so that no softmax or sigmoid may follow.
    pub fn is_probability(self) -> bool {
        matches!(self, Self::Probabilities | Self::LabelProbabilities)
    }

    /// Whether several of the K classes can be right at once.
    pub fn is_of_labels(self) -> bool {
        matches!(self, Self::LabelLogits | Self::LabelProbabilities)
    }

    /// The probability of each class, 0 … 1, for the output `[K]` of one picture.
    pub fn probabilities(self, values: &[f32]) -> Vec<f32> {
        if self == Self::Activations {
            return values.to_vec();
        }
        if let &[value] = values {
            let yes = match self {
                Self::Logits | Self::LabelLogits => sigmoid(value.into()),
                Self::LogProbabilities => f64::from(value).exp(),
                Self::Probabilities | Self::LabelProbabilities | Self::Activations => value.into(),
            };
            let no = match self {
                // 1 − p would round away a small p.
                Self::Logits | Self::LabelLogits => sigmoid(-f64::from(value)),
                _ => 1.0 - yes,
            };
            return vec![no as f32, yes as f32];
        }
        match self {
            Self::Logits => probabilities(values),
            Self::LogProbabilities => values.iter().map(|v| v.exp()).collect(),
            Self::LabelLogits => {
                let sigmoids = values.iter().map(|&v| sigmoid(v.into()) as f32);
                sigmoids.collect()
            }
            Self::Probabilities | Self::LabelProbabilities | Self::Activations => values.to_vec(),
        }
    }

    /// The logit of each class for the output `[K]` of one picture. For exclusive probabilities these
    /// are logarithms (their softmax gives the probabilities); for labels, logits of a sigmoid.
    /// Probabilities of 0 (or of 1, for a sigmoid) get the logit of the nearest f32.
    pub fn logits(self, values: &[f32]) -> Vec<f32> {
        if self == Self::Activations {
            return values.to_vec();
        }
        if let &[value] = values {
            let yes = match self {
                Self::Logits | Self::LabelLogits | Self::Activations => value,
                Self::LogProbabilities => inverse_sigmoid(f64::from(value).exp()),
                Self::Probabilities | Self::LabelProbabilities => inverse_sigmoid(value.into()),
            };
            return vec![-yes, yes];
        }
        let each = |f: fn(f64) -> f32| values.iter().map(|&v| f(v.into())).collect();
        match self {
            Self::Logits | Self::LogProbabilities | Self::LabelLogits | Self::Activations => {
                values.to_vec()
            }
            Self::Probabilities => each(|p| p.max(LEAST).ln() as f32),
            Self::LabelProbabilities => each(inverse_sigmoid),
        }
    }

    /// The name of [`Output::logits`]: `logit`, or `log-probability`.
    pub fn logit_name(self, outputs: usize) -> &'static str {
        match self {
            Self::Activations => "activation",
            Self::LogProbabilities | Self::Probabilities if outputs > 1 => "log-probability",
            _ => "logit",
        }
    }

    /// Whether the output `[K]` of one picture is possible for this meaning.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with "the network's output".
    pub fn check(self, values: &[f32]) -> Result<(), String> {
        let outside = |low: f32, high: f32| {
            let found = values.iter().copied().enumerate();
            let mut found = found.filter(|(_, v)| !(low - 1e-4..=high + 1e-4).contains(v));
            found.next()
        };
        let (low, high) = match self {
            Self::Logits | Self::LabelLogits | Self::Activations => return Ok(()),
            Self::LogProbabilities => (f32::NEG_INFINITY, 0.0),
            Self::Probabilities | Self::LabelProbabilities => (0.0, 1.0),
        };
        let what = self.word();
        if let Some((index, value)) = outside(low, high) {
            return Err(format!(
                "is {value} for number {index}, so it is not {what}"
            ));
        }
        if self.is_of_labels() || values.len() == 1 {
            return Ok(());
        }
        let sum: f64 = self
            .probabilities(values)
            .iter()
            .map(|&p| f64::from(p))
            .sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(format!(
                "stands for probabilities that add up to {sum:.4} and not to 1, so it is not {what}"
            ));
        }
        Ok(())
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|output| output.word() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("`{text}` is none of {words}")
        })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln p − ln(1 − p).
fn inverse_sigmoid(p: f64) -> f32 {
    // The f32 before 1 is 1 − 2⁻²⁴.
    let p = p.clamp(LEAST, 1.0 - 2f64.powi(-24));
    (p.ln() - (-p).ln_1p()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!(
                (f - e).abs() <= 1e-6 * e.abs().max(1.0),
                "{found:?} {expected:?}"
            );
        }
    }

    #[test]
    fn probabilities_are_left_as_they_are() {
        let values = [0.523, 0.477];
        assert_eq!(Output::Probabilities.probabilities(&values), values);
        let labels = [0.9, 0.8, 0.1];
        assert_eq!(Output::LabelProbabilities.probabilities(&labels), labels);
    }

    #[test]
    fn labels_are_independent_sigmoids() {
        // σ(0) = 0.5, σ(ln 3) = 0.75
        near(
            &Output::LabelLogits.probabilities(&[0.0, 3f32.ln(), -(3f32.ln())]),
            &[0.5, 0.75, 0.25],
        );
    }

    #[test]
    fn a_single_number_is_a_no_and_a_yes() {
        let z = 3f32.ln();
        for output in [Output::Logits, Output::LabelLogits] {
            near(&output.probabilities(&[z]), &[0.25, 0.75]);
            near(&output.logits(&[z]), &[-z, z]);
        }
        for output in [Output::Probabilities, Output::LabelProbabilities] {
            near(&output.probabilities(&[0.75]), &[0.25, 0.75]);
            near(&output.logits(&[0.75]), &[-z, z]);
        }
        near(&Output::LogProbabilities.logits(&[0.75f32.ln()]), &[-z, z]);
        assert_eq!(Output::classes(1), 2);
    }

    #[test]
    fn probabilities_of_logits_are_inverse() {
        let p = [0.5, 0.3, 0.2];
        near(&probabilities(&Output::Probabilities.logits(&p)), &p);
        near(
            &Output::LabelLogits.probabilities(&Output::LabelProbabilities.logits(&p)),
            &p,
        );
    }

    #[test]
    fn probabilities_at_the_ends_have_finite_logits() {
        for output in [Output::Probabilities, Output::LabelProbabilities] {
            assert!(output.logits(&[0.0, 1.0]).iter().all(|l| l.is_finite()));
            assert!(output.logits(&[1.0]).iter().all(|l| l.is_finite()));
        }
    }

    #[test]
    fn impossible_outputs_are_an_error() {
        assert!(Output::Probabilities.check(&[0.7, 0.3]).is_ok());
        let not_one = Output::Probabilities.check(&[0.7, 0.7]).unwrap_err();
        assert!(not_one.contains("add up to 1.4"), "{not_one}");
        let negative = Output::LabelProbabilities.check(&[0.5, -2.0]).unwrap_err();
        assert!(negative.contains("-2 for number 1"), "{negative}");
        assert!(Output::LabelProbabilities.check(&[0.7, 0.7]).is_ok());
        assert!(
            Output::LogProbabilities
                .check(&[0.5f32.ln(), 0.5f32.ln()])
                .is_ok()
        );
        assert!(Output::LogProbabilities.check(&[0.0, 0.0]).is_err());
        assert!(Output::Logits.check(&[0.7, 9.0]).is_ok());
    }

    #[test]
    fn every_name_is_parsed() {
        for output in Output::ALL {
            assert_eq!(output.word().parse(), Ok(output));
        }
        assert!(
            "softmax"
                .parse::<Output>()
                .unwrap_err()
                .contains("log-probabilities")
        );
    }
}
