//! The logits of labelled pictures.

use dvm_data::Batch;
use dvm_engine::{Graph, Network, Tensor};

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

/// The logits of a batch, in halves if a device does not have enough memory for all of it.
fn logits_of(graph: &Graph, pictures: &Tensor) -> Result<Tensor, dvm_engine::Error> {
    let count = pictures.shape()[0];
    match graph.logits(pictures) {
        Err(dvm_engine::Error::DeviceMemory { .. }) if count > 1 => {}
        found => return found,
    }
    let each = pictures.len() / count;
    let mut logits = Vec::new();
    for part in [0..count / 2, count / 2..count] {
        let mut shape = pictures.shape().to_vec();
        shape[0] = part.len();
        let values = &pictures.data()[part.start * each..part.end * each];
        let found = logits_of(graph, &Tensor::from_stored(&shape, values.to_vec()))?;
        logits.extend(found.data());
    }
    Ok(Tensor::from_stored(&[count, logits.len() / count], logits))
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
            let logits = logits_of(network.fused(), &pictures)?;
            labelled_logits.extend(&logits, &batch.classes, &batch.samples);
        }
        done(labelled_logits.len() + labelled_logits.skipped.len());
    }
    Ok(labelled_logits)
}
