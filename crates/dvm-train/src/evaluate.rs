//! The logits of labelled pictures.

use dvm_data::Batch;
use dvm_engine::{Network, Tensor};

use crate::Error;

/// The logits of labelled pictures, in the order of the batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledLogits {
    /// Logits, `[N, K]`, row-major.
    pub logits: Vec<f32>,
    /// The class of each picture.
    pub classes: Vec<usize>,
    /// The index of each picture among the samples.
    pub samples: Vec<usize>,
    /// The index of each picture that could not be read, with a message that names the file.
    pub skipped: Vec<(usize, String)>,
}

impl LabelledLogits {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no pictures.
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

/// Computes the logits of these batches. `done` gets the number of pictures after each batch.
///
/// # Errors
/// [`Error::Data`] if pictures cannot be read, [`Error::Engine`] if the network cannot compute
/// them.
pub fn labelled_logits(
    network: &Network,
    batches: impl Iterator<Item = Result<Batch, dvm_data::Error>>,
    mut done: impl FnMut(usize),
) -> Result<LabelledLogits, Error> {
    let mut labelled_logits = LabelledLogits::default();
    for batch in batches {
        let batch = batch?;
        labelled_logits.skipped.extend(batch.skipped);
        if !batch.classes.is_empty() {
            let pictures = Tensor::from_stored(&batch.shape, batch.values);
            let logits = network.fused().logits(&pictures)?;
            labelled_logits.extend(&logits, &batch.classes, &batch.samples);
        }
        done(labelled_logits.len() + labelled_logits.skipped.len());
    }
    Ok(labelled_logits)
}
