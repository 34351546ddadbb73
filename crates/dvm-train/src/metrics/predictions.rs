//! The prediction for each picture.

use dvm_engine::{Output, Tensor};

use crate::Error;
use crate::loss::log_softmax;

/// The prediction for one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The true class.
    pub class: usize,
    /// The class with the largest logit; if several are equal, the first.
    pub predicted: usize,
    /// Probability of the predicted class, 0…1.
    pub confidence: f64,
    /// Cross-entropy in nats: the negative logarithm of the true class's probability; for
    /// multi-label outputs, the mean binary cross-entropy of all labels.
    pub loss: f64,
    /// Number of classes with a larger logit than the true class.
    pub rank: usize,
}

impl Prediction {
    /// Whether the prediction is correct.
    pub fn is_correct(&self) -> bool {
        self.class == self.predicted
    }
}

/// The predictions for N pictures of these classes, from outputs `[N, K]` of the kind `output`.
///
/// # Errors
/// [`Error::Evaluation`] if there are no pictures, the lengths differ, or a value is not finite or
/// not valid for `output`.
pub fn predictions(
    outputs: &Tensor,
    labels: &[usize],
    output: Output,
) -> Result<Vec<Prediction>, Error> {
    let refuse = |detail: String| Err(Error::Evaluation(detail));
    let &[count, numbers] = outputs.shape() else {
        return refuse(format!(
            "logits must have the shape [N, K], but have {:?}",
            outputs.shape()
        ));
    };
    let kinds = Output::classes(numbers);
    if count == 0 || numbers == 0 {
        return refuse("there are no pictures".into());
    }
    if labels.len() != count {
        return refuse(format!(
            "there are {count} rows of logits, but {} labels",
            labels.len()
        ));
    }
    let mut all = Vec::with_capacity(count);
    for (picture, (row, &class)) in outputs.data().chunks_exact(numbers).zip(labels).enumerate() {
        if class >= kinds {
            return refuse(format!(
                "picture {picture} has the class index {class}, but there are {kinds} classes"
            ));
        }
        if !row.iter().all(|logit| logit.is_finite()) {
            return refuse(format!(
                "picture {picture} has logits that are not finite; the weights are probably damaged"
            ));
        }
        if let Err(why) = output.check(row) {
            return refuse(format!("picture {picture}: the network's output {why}"));
        }
        let logits = output.logits(row);
        let before =
            |a: usize, b: usize| logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
        let rank = |class: usize| (0..kinds).filter(|&other| before(other, class)).count();
        let predicted = (1..kinds).fold(
            0,
            |best, other| if before(other, best) { other } else { best },
        );
        let (confidence, loss) = match output {
            Output::Logits if numbers > 1 => {
                let logarithms = log_softmax(row);
                (logarithms[predicted].exp(), -logarithms[class])
            }
            output => (
                output.probabilities(row)[predicted].into(),
                loss(output, row, &logits, class),
            ),
        };
        all.push(Prediction {
            class,
            predicted,
            confidence,
            loss,
            rank: rank(class),
        });
    }
    Ok(all)
}

/// The loss of one picture of `class`; `row` are its outputs, `logits` the class logits made of
/// them.
fn loss(output: Output, row: &[f32], logits: &[f32], class: usize) -> f64 {
    // ln(1 + eᶻ) without overflow.
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    match row {
        [_] => softplus(-f64::from(logits[class])),
        _ if output.is_of_labels() => {
            let losses = logits.iter().enumerate().map(|(label, &logit)| {
                let sign = if label == class { -1.0 } else { 1.0 };
                softplus(sign * f64::from(logit))
            });
            losses.sum::<f64>() / logits.len() as f64
        }
        // Logarithms of probabilities.
        _ => -f64::from(logits[class]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(logits: &Tensor, labels: &[usize]) -> Result<Vec<Prediction>, Error> {
        super::predictions(logits, labels, Output::Logits)
    }

    #[test]
    fn probabilities_and_single_outputs_are_supported() {
        let of = |output, values: &[f32], class| {
            let outputs = Tensor::from_stored(&[1, values.len()], values.to_vec());
            super::predictions(&outputs, &[class], output).unwrap()[0]
        };
        let p = of(Output::Probabilities, &[0.25, 0.75], 0);
        assert_eq!((p.predicted, p.confidence), (1, 0.75));
        assert!((p.loss - 4f64.ln()).abs() < 1e-6);
        // The logit ln 3 of a yes: 75 %.
        let p = of(Output::LabelLogits, &[3f32.ln()], 0);
        assert_eq!(p.predicted, 1);
        assert!((p.confidence - 0.75).abs() < 1e-6);
        assert!((p.loss - 4f64.ln()).abs() < 1e-6);
        // Labels of 75 and 50 %: the mean of -ln 0.75 and -ln 0.5.
        for (output, values) in [
            (Output::LabelLogits, [3f32.ln(), 0.0]),
            (Output::LabelProbabilities, [0.75, 0.5]),
        ] {
            let p = of(output, &values, 0);
            assert_eq!(p.predicted, 0);
            assert!((p.confidence - 0.75).abs() < 1e-6);
            let expected = -(0.75f64.ln() + 0.5f64.ln()) / 2.0;
            assert!((p.loss - expected).abs() < 1e-6, "{}", p.loss);
        }
    }

    #[test]
    fn outputs_that_are_not_probabilities_are_an_error() {
        let outputs = Tensor::from_stored(&[1, 2], vec![3.0, -2.0]);
        let error = super::predictions(&outputs, &[0], Output::Probabilities).unwrap_err();
        assert!(error.to_string().contains("not probabilities"), "{error}");
    }

    #[test]
    fn of_equal_logits_the_first_is_predicted() {
        let logits = Tensor::from_stored(&[2, 3], vec![1.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
        let all = predictions(&logits, &[2, 2]).unwrap();
        assert_eq!((all[0].predicted, all[0].rank), (1, 1));
        assert_eq!((all[1].predicted, all[1].rank), (0, 2));
        assert!((all[1].confidence - 1.0 / 3.0).abs() < 1e-15);
        assert!((all[1].loss - 3f64.ln()).abs() < 1e-15);
        assert!(!all[0].is_correct());
    }

    #[test]
    fn logits_and_labels_that_do_not_fit_are_errors() {
        let refused = |shape: &[usize], values: Vec<f32>, labels: &[usize]| {
            let logits = Tensor::from_stored(shape, values);
            predictions(&logits, labels).unwrap_err().to_string()
        };
        assert!(refused(&[0, 2], vec![], &[]).contains("no pictures"));
        assert!(refused(&[2], vec![0.0; 2], &[0]).contains("[N, K]"));
        assert!(refused(&[1, 2], vec![0.0; 2], &[0, 1]).contains("2 labels"));
        assert!(refused(&[1, 2], vec![0.0; 2], &[2]).contains("class index 2"));
        assert!(refused(&[1, 2], vec![0.0, f32::NAN], &[0]).contains("not finite"));
    }
}
