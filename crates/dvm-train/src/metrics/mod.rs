//! Scores of a network on labelled pictures.

mod bootstrap;
mod calibration;
mod confusion;
mod predictions;

use std::collections::BTreeMap;

use dvm_engine::{Output, Tensor};
use serde::{Deserialize, Serialize};

pub use bootstrap::{Bootstrap, Interval, Intervals};
pub use calibration::{Bin, Calibration};
pub use confusion::{ClassScores, Confusion};
pub use predictions::{Prediction, predictions};

use crate::{Error, Validation};

/// The scores of a network on labelled pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of pictures.
    pub pictures: usize,
    /// Accuracy, 0…1.
    pub accuracy: f64,
    /// Balanced accuracy: mean recall of the classes that have pictures, 0…1; `None` if only one
    /// class has pictures.
    pub balanced_accuracy: Option<f64>,
    /// Mean F1 of the classes that have pictures or predictions, 0…1; `None` if only one class has
    /// pictures.
    pub macro_f1: Option<f64>,
    /// Mean cross-entropy in nats, without label smoothing or class weights ([`Prediction::loss`]).
    pub loss: f64,
    /// Top-k accuracy for each k, 0…1.
    pub top_k: BTreeMap<usize, f64>,
    /// Confidence intervals, if requested.
    pub intervals: Option<Intervals>,
    /// Calibration of the probabilities.
    pub calibration: Calibration,
    /// Precision, recall and F1 of every class.
    pub classes: Vec<ClassScores>,
    /// The confusion matrix.
    pub confusion: Confusion,
}

/// The values of k for top-k accuracy, if there are more classes than k.
const TOP: [usize; 4] = [1, 2, 3, 5];

impl Evaluation {
    /// Compares the outputs of a network `[N, K]`, of the kind `output`, with the class of every
    /// picture. `names` are the class names.
    ///
    /// # Errors
    /// [`Error::Evaluation`] if there are no pictures, the lengths differ, a logit is not finite,
    /// or the bootstrap is invalid.
    pub fn new(
        outputs: &Tensor,
        labels: &[usize],
        output: Output,
        names: &[String],
        bootstrap: Option<&Bootstrap>,
    ) -> Result<Self, Error> {
        let predictions = predictions(outputs, labels, output)?;
        let kinds = Output::classes(outputs.shape()[1]);
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
        let is_balanced = confusion.classes_with_pictures() > 1;
        let count = predictions.len() as f64;
        let mean =
            |value: &dyn Fn(&Prediction) -> f64| predictions.iter().map(value).sum::<f64>() / count;
        let top = TOP.into_iter().filter(|&k| k < kinds.max(2));
        Ok(Self {
            pictures: predictions.len(),
            accuracy: confusion.accuracy(),
            balanced_accuracy: is_balanced.then(|| confusion.balanced_accuracy()),
            macro_f1: is_balanced.then(|| confusion.macro_f1()),
            loss: mean(&|p| p.loss),
            top_k: top
                .map(|k| (k, mean(&|p| f64::from(u8::from(p.rank < k)))))
                .collect(),
            intervals: match bootstrap {
                Some(bootstrap) => Some(bootstrap.intervals(kinds, &predictions)?),
                None => None,
            },
            calibration: Calibration::new(&predictions),
            classes: confusion.classes(names),
            confusion,
        })
    }

    /// A note for the reader if some classes have no pictures.
    pub fn about_classes(&self) -> Option<String> {
        let all = self.classes.len();
        let with: Vec<&str> = self
            .classes
            .iter()
            .filter(|c| c.support > 0)
            .map(|c| &c.name[..])
            .collect();
        match with[..] {
            [only] => Some(format!(
                "all pictures are of one class, `{only}`: balanced accuracy and macro F1 are not defined"
            )),
            _ if with.len() < all => Some(format!(
                "only {} of {all} classes have pictures: balanced accuracy is the mean of these",
                with.len()
            )),
            _ => None,
        }
    }

    /// The values for schedules and early stopping.
    pub fn validation(&self) -> Validation {
        Validation {
            loss: self.loss,
            accuracy: self.accuracy,
            // With a single class it equals the accuracy.
            balanced_accuracy: self.balanced_accuracy.unwrap_or(self.accuracy),
        }
    }
}
