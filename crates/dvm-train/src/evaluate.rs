//! What a network says of labelled pictures.

use dvm_data::Batch;
use dvm_engine::{Network, Tensor};

use crate::Error;

/// What a network says of labelled pictures, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Logits, `[N, K]`, row-major.
    pub logits: Vec<f32>,
    /// The class of each picture.
    pub classes: Vec<usize>,
    /// The position of each picture among the samples.
    pub samples: Vec<usize>,
    /// Positions of pictures that could not be read, and why; the message names the file.
    pub skipped: Vec<(usize, String)>,
}

impl Answers {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Number of classes.
    pub fn outputs(&self) -> usize {
        self.logits.len().checked_div(self.len()).unwrap_or(0)
    }

    /// The logits as a tensor `[N, K]`.
    pub fn logits(&self) -> Tensor {
        Tensor::from_stored(&[self.len(), self.outputs()], self.logits.clone())
    }

    pub(crate) fn extend(&mut self, logits: &Tensor, classes: &[usize], samples: &[usize]) {
        self.logits.extend(logits.data());
        self.classes.extend(classes);
        self.samples.extend(samples);
    }
}

/// What `network` says of these batches. `done` is told the number of pictures after each.
///
/// # Errors
/// [`Error::Data`] for pictures that cannot be read, [`Error::Engine`] for a network that cannot
/// take them.
pub fn answers(
    network: &Network,
    batches: impl Iterator<Item = Result<Batch, dvm_data::Error>>,
    mut done: impl FnMut(usize),
) -> Result<Answers, Error> {
    let mut answers = Answers::default();
    for batch in batches {
        let batch = batch?;
        answers.skipped.extend(batch.skipped);
        if !batch.classes.is_empty() {
            let pictures = Tensor::from_stored(&batch.shape, batch.values);
            let logits = network.fused().logits(&pictures)?;
            answers.extend(&logits, &batch.classes, &batch.samples);
        }
        done(answers.len() + answers.skipped.len());
    }
    Ok(answers)
}
