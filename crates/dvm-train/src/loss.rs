//! The training loss.

use dvm_engine::Tensor;

use crate::Error;

/// Cross-entropy of the softmax probabilities, as PyTorch's `CrossEntropyLoss` with reduction
/// `mean`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// The share of every target that is distributed evenly over all classes, 0…1 (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// The weight of each class, greater than 0; `None` for equal weights.
    pub class_weights: Option<Vec<f32>>,
}

/// The targets of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// The class of every sample. The mean is weighted: the sum of the losses divided by the sum of
    /// the class weights.
    Classes(Vec<usize>),
    /// Mixed samples. The mean is the sum of the losses divided by the number of samples, as
    /// PyTorch's for targets that are probabilities.
    Mixtures(Vec<Mixture>),
}

/// The target of a sample mixed from two (arXiv 1710.09412).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    /// Class of the first.
    pub first: usize,
    /// Class of the second.
    pub second: usize,
    /// Share of the first, 0…1.
    pub share: f32,
}

/// The loss of a batch.
#[derive(Clone, Debug)]
pub struct LossValue {
    /// The sum of the weighted losses of the samples.
    pub sum: f64,
    /// The mean, see [`Targets`].
    pub mean: f64,
    /// The gradient of the mean with respect to the logits, `[N, K]`.
    pub gradient: Tensor,
    /// The weighted loss of every sample.
    pub per_sample: Vec<f32>,
}

impl Targets {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Mixtures(mixtures) => mixtures.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CrossEntropy {
    /// The loss of `logits` `[N, K]` and its gradient, computed in f64: finite logits have a finite
    /// loss.
    ///
    /// # Errors
    /// [`Error::Loss`] if the logits are not `[N, K]` with N targets and K weights, if a class is
    /// not less than K, or if a setting is out of range. Logits that are not finite are not an
    /// error here: the loss is then not finite either, and the caller knows the step.
    pub fn value_and_gradient(
        &self,
        logits: &Tensor,
        targets: &Targets,
    ) -> Result<LossValue, Error> {
        let classes = self.check(logits, targets)?;
        let smoothing = f64::from(self.label_smoothing);
        let weight = |class: usize| match &self.class_weights {
            Some(weights) => f64::from(weights[class]),
            None => 1.0,
        };
        let divisor = match targets {
            Targets::Classes(all) => all.iter().map(|&class| weight(class)).sum(),
            Targets::Mixtures(all) => all.len() as f64,
        };
        let mut sum = 0.0;
        let mut per_sample = Vec::with_capacity(targets.len());
        let mut gradient = Vec::with_capacity(logits.len());
        let mut wanted = vec![0.0; classes];
        for (sample, row) in logits.data().chunks_exact(classes).enumerate() {
            for (class, wanted) in wanted.iter_mut().enumerate() {
                *wanted = weight(class) * smoothing / classes as f64;
            }
            let mut add = |class, share: f64| wanted[class] += weight(class) * share;
            match targets {
                Targets::Classes(all) => add(all[sample], 1.0 - smoothing),
                Targets::Mixtures(all) => {
                    let share = f64::from(all[sample].share);
                    add(all[sample].first, share * (1.0 - smoothing));
                    add(all[sample].second, (1.0 - share) * (1.0 - smoothing));
                }
            }
            let logarithms = log_softmax(row);
            let loss: f64 = wanted.iter().zip(&logarithms).map(|(w, l)| -w * l).sum();
            let total: f64 = wanted.iter().sum();
            let slopes = wanted.iter().zip(&logarithms);
            gradient.extend(slopes.map(|(w, l)| ((total * l.exp() - w) / divisor) as f32));
            sum += loss;
            per_sample.push(loss as f32);
        }
        Ok(LossValue {
            sum,
            mean: sum / divisor,
            gradient: Tensor::from_stored(logits.shape(), gradient),
            per_sample,
        })
    }

    /// Checks the shapes and returns the number of classes.
    fn check(&self, logits: &Tensor, targets: &Targets) -> Result<usize, Error> {
        let refuse = |detail: String| {
            Err(Error::Loss {
                logits: logits.shape().to_vec(),
                detail,
            })
        };
        let &[samples, classes] = logits.shape() else {
            return refuse("the shape must be [samples, classes]".into());
        };
        if samples == 0 || classes == 0 {
            return refuse("there are no samples or no classes".into());
        }
        if targets.len() != samples {
            return refuse(format!("there are {} targets", targets.len()));
        }
        let beyond = match targets {
            Targets::Classes(all) => all.iter().copied().find(|&class| class >= classes),
            Targets::Mixtures(all) => {
                if let Some(mixture) = all.iter().find(|m| !(0.0..=1.0).contains(&m.share)) {
                    return refuse(format!(
                        "the share of a mixture must be from 0 to 1, but is {}",
                        mixture.share
                    ));
                }
                let both = all.iter().flat_map(|m| [m.first, m.second]);
                both.into_iter().find(|&class| class >= classes)
            }
        };
        if let Some(class) = beyond {
            return refuse(format!("a target has the class index {class}"));
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return refuse(format!(
                "label smoothing must be from 0 to 1, but is {}",
                self.label_smoothing
            ));
        }
        if let Some(weights) = &self.class_weights {
            if weights.len() != classes {
                return refuse(format!("there are {} class weights", weights.len()));
            }
            if let Some(weight) = weights.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
                return refuse(format!(
                    "class weights must be greater than 0, but one is {weight}"
                ));
            }
        }
        Ok(classes)
    }
}

/// Logarithms of the softmax probabilities.
pub(crate) fn log_softmax(row: &[f32]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = || row.iter().map(|&z| f64::from(z) - f64::from(largest));
    let log_sum = shifted().map(f64::exp).sum::<f64>().ln();
    shifted().map(|z| z - log_sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_logits_have_a_finite_loss() {
        let logits = Tensor::from_stored(&[1, 3], vec![3e38, -3e38, 0.0]);
        let loss = CrossEntropy::default()
            .value_and_gradient(&logits, &Targets::Classes(vec![1]))
            .unwrap();
        assert!((loss.mean / (2.0 * f64::from(3e38f32)) - 1.0).abs() < 1e-12);
        assert_eq!(loss.gradient.data(), [1.0, -1.0, 0.0]);
    }

    #[test]
    fn a_nan_logit_gives_a_nan_loss() {
        let logits = Tensor::from_stored(&[1, 2], vec![f32::NAN, 0.0]);
        let loss = CrossEntropy::default()
            .value_and_gradient(&logits, &Targets::Classes(vec![1]))
            .unwrap();
        assert!(loss.mean.is_nan());
    }

    #[test]
    fn targets_and_weights_that_do_not_fit_are_errors() {
        let logits = Tensor::zeros(&[2, 3]);
        let refused = |loss: CrossEntropy, targets| {
            let error = loss.value_and_gradient(&logits, &targets).unwrap_err();
            error.to_string()
        };
        let plain = CrossEntropy::default();
        let classes = |all: &[usize]| Targets::Classes(all.to_vec());
        assert_eq!(
            refused(plain.clone(), classes(&[0])),
            "the loss of logits of shape [2, 3]: there are 1 targets"
        );
        assert_eq!(
            refused(plain.clone(), classes(&[0, 3])),
            "the loss of logits of shape [2, 3]: a target has the class index 3"
        );
        let half = |share| Mixture {
            first: 0,
            second: 2,
            share,
        };
        let mixtures = Targets::Mixtures(vec![half(0.5), half(1.5)]);
        assert!(refused(plain, mixtures).ends_with("must be from 0 to 1, but is 1.5"));
        let smooth = CrossEntropy {
            label_smoothing: f32::NAN,
            class_weights: None,
        };
        assert!(refused(smooth, classes(&[0, 1])).contains("label smoothing"));
        let weighted = |weights: &[f32]| CrossEntropy {
            label_smoothing: 0.0,
            class_weights: Some(weights.to_vec()),
        };
        assert!(refused(weighted(&[1.0, 2.0]), classes(&[0, 1])).contains("2 class weights"));
        assert!(refused(weighted(&[1.0, 0.0, 1.0]), classes(&[0, 1])).contains("greater than 0"));
    }
}
