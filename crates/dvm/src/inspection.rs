//! Several calls for one picture, which reuse its activations.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use dvm_attribution::perturbation::cover;
use dvm_attribution::{Baseline, PictureCache, Subject, Walks};
use dvm_image::{Input, Picture};

use crate::lock::lock;
use crate::{Classifier, Error, Explain, Explanation, Prediction, Progress};

/// A prepared picture with its activations in a network, for several calls. Can be shared between threads.
pub struct Inspection {
    classifier: Arc<Classifier>,
    input: Arc<Input>,
    memory: usize,
    kept: Mutex<PictureCache>,
}

impl Inspection {
    /// Prepares the picture; `memory` is the limit of [`Explain::memory`].
    ///
    /// # Errors
    /// As [`Classifier::prepare`].
    pub fn new(
        classifier: Arc<Classifier>,
        picture: Picture,
        memory: usize,
    ) -> Result<Self, Error> {
        let input = Arc::new(classifier.prepare(picture)?);
        Ok(Self {
            classifier,
            input,
            memory,
            kept: Mutex::default(),
        })
    }

    /// The network.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The prepared picture.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// As [`Classifier::explain_input`].
    ///
    /// # Errors
    /// As [`Classifier::explain_input`].
    pub fn explain<E: From<Error>>(
        &self,
        options: &Explain,
        progress: &Progress,
        each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        let reporting = (progress, &self.kept);
        self.classifier
            .explain_kept(&self.input, options, reporting, each)
    }

    /// The prediction for the picture.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn prediction(&self) -> Result<Prediction, Error> {
        let numbers = self.outputs(|subject| Ok(subject.numbers()?.to_vec()))?;
        self.classifier.prediction(&numbers)
    }

    /// The prediction while these rows and columns of the crop are covered by `fill`. After the first call, only
    /// the part that the window can change is computed.
    ///
    /// # Errors
    /// [`Error::Usage`] for a window that is not inside the crop; as [`Classifier::classify`].
    pub fn covered(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        fill: &Baseline,
    ) -> Result<Prediction, Error> {
        let numbers = self.outputs(|subject| cover(subject, rows, columns, fill))?;
        self.classifier.prediction(&numbers)
    }

    fn outputs(
        &self,
        walk: impl FnOnce(&Subject) -> Result<Vec<f32>, dvm_attribution::Error>,
    ) -> Result<Vec<f32>, Error> {
        self.classifier.allow(&self.input)?;
        let known = lock(&self.kept).clone();
        let network = self.classifier.network();
        let subject = Subject::new(network, &self.input, self.classifier.preprocess())
            .with_memory(self.memory)
            .with_cache(known);
        subject.expect_walks(Walks {
            changes: true,
            ..Walks::default()
        });
        let numbers = walk(&subject).map_err(|error| self.classifier.failed(error))?;
        let mut kept = lock(&self.kept);
        *kept = subject.cache().or(&kept);
        Ok(numbers)
    }
}
