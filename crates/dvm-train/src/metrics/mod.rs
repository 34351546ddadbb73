//! How good a network is on labelled pictures.

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

/// All that a set of labelled pictures says about a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of pictures.
    pub pictures: usize,
    /// Share of pictures whose class has the largest logit, 0…1.
    pub accuracy: f64,
    /// Mean over the classes that have pictures of the share of them recognised, 0…1; none where only
    /// one class has pictures, so that there is nothing to balance.
    pub balanced_accuracy: Option<f64>,
    /// Mean of the F1 of classes that have pictures or were taken for one, 0…1; none where only one
    /// class has pictures.
    pub macro_f1: Option<f64>,
    /// Mean cross-entropy, in nats, without smoothing or weights ([`Prediction::loss`]).
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
    /// Compares a network's numbers `[N, K]`, which mean `output`, with the class of every picture.
    /// `names` are those of the classes.
    ///
    /// # Errors
    /// [`Error::Evaluation`] if there is no picture, these do not fit, a logit is not finite, or the
    /// bootstrap makes no sense.
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

    /// Of which classes the mean over classes is, where it is not of all: what a reader has to know.
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

    /// What schedules and early stopping look at.
    pub fn validation(&self) -> Validation {
        Validation {
            loss: self.loss,
            accuracy: self.accuracy,
            // Of one class alone it is the accuracy.
            balanced_accuracy: self.balanced_accuracy.unwrap_or(self.accuracy),
        }
    }
}
