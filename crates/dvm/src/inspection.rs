//! One picture that is looked at again and again: what the network computed of it is kept.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use dvm_attribution::perturbation::cover;
use dvm_attribution::{Baseline, Kept, Subject, Walks};
use dvm_image::{Input, Picture};

use crate::{Classifier, Error, Explain, Explanation, Prediction, Progress};

/// A prepared picture with the values that a network has of it, for questions that follow each other. Can be asked
/// from several threads.
pub struct Inspection {
    classifier: Arc<Classifier>,
    input: Arc<Input>,
    memory: usize,
    kept: Mutex<Kept>,
}

impl Inspection {
    /// Prepares the picture; `memory` is as [`Explain::memory`].
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

    /// The network that is asked.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The prepared picture.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// As [`Classifier::explain_each`].
    ///
    /// # Errors
    /// As [`Classifier::explain_each`].
    pub fn explain<E: From<Error>>(
        &self,
        options: &Explain,
        progress: &Progress,
        each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        let told = (progress, &self.kept);
        self.classifier
            .explain_kept(&self.input, options, told, each)
    }

    /// What the network says of the picture.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn prediction(&self) -> Result<Prediction, Error> {
        let numbers = self.asked(|subject| Ok(subject.numbers()?.to_vec()))?;
        self.classifier.prediction(&numbers)
    }

    /// What the network says while these rows and columns of the crop are covered by `fill`. After the first
    /// question only what the window can change is computed.
    ///
    /// # Errors
    /// [`Error::Usage`] for a window that does not lie within the crop; as [`Classifier::classify`].
    pub fn covered(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        fill: &Baseline,
    ) -> Result<Prediction, Error> {
        let numbers = self.asked(|subject| cover(subject, rows, columns, fill))?;
        self.classifier.prediction(&numbers)
    }

    fn asked(
        &self,
        ask: impl FnOnce(&Subject) -> Result<Vec<f32>, dvm_attribution::Error>,
    ) -> Result<Vec<f32>, Error> {
        self.classifier.allow(&self.input)?;
        let known = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let network = self.classifier.network();
        let subject = Subject::new(network, &self.input, self.classifier.preprocess())
            .with_memory(self.memory)
            .with_kept(known);
        subject.expect(Walks {
            changes: true,
            ..Walks::default()
        });
        let numbers = ask(&subject).map_err(|error| self.classifier.failed(error))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = subject.kept().or(&kept);
        Ok(numbers)
    }
}
