//! What a network says of every picture, beside what it is.

use dvm_engine::Tensor;

use crate::Error;
use crate::loss::log_softmax;

/// What a network says of one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Its class.
    pub class: usize,
    /// The class of the largest logit; of equal ones the first.
    pub predicted: usize,
    /// Probability of the predicted class, 0…1.
    pub confidence: f64,
    /// Cross-entropy, in nats: the minus logarithm of its class's probability. The most wrong
    /// pictures are those of the largest.
    pub loss: f64,
    /// Number of classes that come before its own.
    pub rank: usize,
}

impl Prediction {
    /// Whether the picture was recognised.
    pub fn is_correct(&self) -> bool {
        self.class == self.predicted
    }
}

/// What `logits` `[N, K]` say of N pictures of these classes.
///
/// # Errors
/// [`Error::Evaluation`] if there is no picture, these do not fit, or a logit is not finite.
pub fn predictions(logits: &Tensor, labels: &[usize]) -> Result<Vec<Prediction>, Error> {
    let refuse = |detail: String| Err(Error::Evaluation(detail));
    let &[count, kinds] = logits.shape() else {
        return refuse(format!("logits are [N, K], not {:?}", logits.shape()));
    };
    if count == 0 || kinds == 0 {
        return refuse("there is no picture to compare".into());
    }
    if labels.len() != count {
        return refuse(format!("{count} logits have {} labels", labels.len()));
    }
    let mut all = Vec::with_capacity(count);
    for (picture, (row, &class)) in logits.data().chunks_exact(kinds).zip(labels).enumerate() {
        if class >= kinds {
            return refuse(format!(
                "picture {picture} is of class {class}, counted from 0, of {kinds}"
            ));
        }
        if !row.iter().all(|logit| logit.is_finite()) {
            return refuse(format!(
                "picture {picture} has logits that are not finite: the network's weights are broken"
            ));
        }
        let before = |a: usize, b: usize| row[a] > row[b] || (row[a] == row[b] && a < b);
        let rank = |class: usize| (0..kinds).filter(|&other| before(other, class)).count();
        let predicted = (1..kinds).fold(
            0,
            |best, other| if before(other, best) { other } else { best },
        );
        let logarithms = log_softmax(row);
        all.push(Prediction {
            class,
            predicted,
            confidence: logarithms[predicted].exp(),
            loss: -logarithms[class],
            rank: rank(class),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_comes_first() {
        let logits = Tensor::from_stored(&[2, 3], vec![1.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
        let all = predictions(&logits, &[2, 2]).unwrap();
        assert_eq!((all[0].predicted, all[0].rank), (1, 1));
        assert_eq!((all[1].predicted, all[1].rank), (0, 2));
        assert!((all[1].confidence - 1.0 / 3.0).abs() < 1e-15);
        assert!((all[1].loss - 3f64.ln()).abs() < 1e-15);
        assert!(!all[0].is_correct());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let refused = |shape: &[usize], values: Vec<f32>, labels: &[usize]| {
            let logits = Tensor::from_stored(shape, values);
            predictions(&logits, labels).unwrap_err().to_string()
        };
        assert!(refused(&[0, 2], vec![], &[]).contains("no picture"));
        assert!(refused(&[2], vec![0.0; 2], &[0]).contains("[N, K]"));
        assert!(refused(&[1, 2], vec![0.0; 2], &[0, 1]).contains("2 labels"));
        assert!(refused(&[1, 2], vec![0.0; 2], &[2]).contains("class 2"));
        assert!(refused(&[1, 2], vec![0.0, f32::NAN], &[0]).contains("not finite"));
    }
}
