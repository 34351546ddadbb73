//! How good a network is on labelled pictures.

mod bootstrap;
mod calibration;
mod confusion;
mod predictions;

use std::collections::BTreeMap;

use dvm_engine::Tensor;
use serde::{Deserialize, Serialize};

pub use bootstrap::{Bootstrap, Interval, Intervals};
pub use calibration::{Bin, Calibration};
pub use confusion::{ClassScores, Confusion};
pub use predictions::{Prediction, predictions};

use crate::{Error, Validation};

/// All that a set of labelled pictures says about a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of pictures.
    pub pictures: usize,
    /// Share of pictures whose class has the largest logit, 0…1.
    pub accuracy: f64,
    /// Mean over the classes that have pictures of the share of them recognised, 0…1.
    pub balanced_accuracy: f64,
    /// Mean of the F1 of classes that have pictures or were taken for one, 0…1.
    pub macro_f1: f64,
    /// Mean cross-entropy, in nats, without smoothing or weights.
    pub loss: f64,
    /// For each k: share of pictures whose class is among those of the k largest logits, 0…1.
    pub top_k: BTreeMap<usize, f64>,
    /// How far the numbers above may be off for the choice of pictures; absent if not asked for.
    pub intervals: Option<Intervals>,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
    /// Precision, recall and F1 of every class.
    pub classes: Vec<ClassScores>,
    /// How often which class was taken for which.
    pub confusion: Confusion,
}

/// The k for which top-k accuracy is told, where there are more classes than k.
const TOP: [usize; 4] = [1, 2, 3, 5];

impl Evaluation {
    /// Compares `logits` `[N, K]` with the class of every picture. `names` are the K classes'.
    ///
    /// # Errors
    /// [`Error::Evaluation`] if there is no picture, these do not fit, a logit is not finite, or the
    /// bootstrap makes no sense.
    pub fn new(
        logits: &Tensor,
        labels: &[usize],
        names: &[String],
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Self, Error> {
        let predictions = predictions(logits, labels)?;
        let kinds = logits.shape()[1];
        if names.len() != kinds {
            return Err(Error::Evaluation(format!(
                "there are {} class names for {kinds} logits",
                names.len()
            )));
        }
        if let Some(bootstrap) = bootstrap {
            bootstrap.check()?;
        }
        let confusion = Confusion::new(kinds, predictions.iter().map(|p| (p.class, p.predicted)));
        let count = predictions.len() as f64;
        let mean =
            |value: &dyn Fn(&Prediction) -> f64| predictions.iter().map(value).sum::<f64>() / count;
        let top = TOP.into_iter().filter(|&k| k < kinds.max(2));
        Ok(Self {
            pictures: predictions.len(),
            accuracy: confusion.accuracy(),
            balanced_accuracy: confusion.balanced_accuracy(),
            macro_f1: confusion.macro_f1(),
            loss: mean(&|p| p.loss),
            top_k: top
                .map(|k| (k, mean(&|p| f64::from(u8::from(p.rank < k)))))
                .collect(),
            intervals: bootstrap.map(|bootstrap| bootstrap.intervals(kinds, &predictions)),
            calibration: Calibration::new(&predictions),
            classes: confusion.classes(names),
            confusion,
        })
    }

    /// What schedules and early stopping look at.
    pub fn validation(&self) -> Validation {
        Validation {
            loss: self.loss,
            accuracy: self.accuracy,
            balanced_accuracy: self.balanced_accuracy,
        }
    }
}
