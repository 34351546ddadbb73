//! Makes batches of labelled pictures, ahead of training.
//!
//! Decoded pictures are not kept for the next epoch: decoding takes about half a millisecond per picture, a
//! training step tens of milliseconds, and thousands of decoded pictures would need gigabytes.

mod check;
mod epoch;

use std::sync::Arc;

use dvm_image::{Limits, Picture, Preprocess, Reading};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::augment::{Augment, AugmentedCrop};
use crate::{Error, Sample, random};

pub use check::broken;
pub use epoch::Epoch;

/// Settings of a [`Loader`].
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Limits of picture files.
    pub limits: Limits,
    /// Size of the crop, mean and standard deviation; without augmentation also the resizing.
    pub preprocess: Preprocess,
    /// Augmentation; without it, inputs are the same as in validation.
    pub augment: Option<Augment>,
    /// Pictures in a batch.
    pub batch: usize,
    /// Order of the pictures.
    pub order: Order,
    /// What happens to the pictures that do not fill a batch.
    pub rest: LastBatch,
    /// What happens to a picture that cannot be read.
    pub on_broken: OnBroken,
    /// Random seed of order and augmentation, together with the epoch.
    pub seed: u64,
    /// Number of decoding threads, at least one. Results do not depend on it.
    pub workers: usize,
}

impl LoaderOptions {
    /// For training: shuffled, default augmentation, broken pictures are an error.
    pub fn training(preprocess: Preprocess, batch: usize, seed: u64) -> Self {
        Self {
            augment: Some(Augment::default()),
            order: Order::Shuffled,
            seed,
            ..Self::validation(preprocess, batch)
        }
    }

    /// For validation: each picture once, in order, with the usual preprocessing.
    pub fn validation(preprocess: Preprocess, batch: usize) -> Self {
        Self {
            limits: Limits::default(),
            preprocess,
            augment: None,
            batch,
            order: Order::AsListed,
            rest: LastBatch::Keep,
            on_broken: OnBroken::Fail,
            seed: 0,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl LoaderOptions {
    /// How picture files are read.
    pub fn reading(&self) -> Reading {
        Reading {
            limits: self.limits.clone(),
            range: self.preprocess.range,
        }
    }
}

/// Order of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A random order in each epoch, drawn from `random::stream(seed, &[epoch])`.
    Shuffled,
    /// The order of the samples.
    AsListed,
}

/// What happens to the pictures at the end of an epoch that do not fill a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastBatch {
    /// They form a smaller batch. A single picture is added to the batch before it, because batch-norm cannot
    /// learn from one picture.
    Keep,
    /// They are skipped in this epoch, unless there is no other batch.
    Drop,
}

/// What happens to a picture that cannot be read or decoded. Truncated JPEGs can be decoded (see
/// `dvm_image::decode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBroken {
    /// The epoch ends with an error, which names the file, instead of its batch.
    Fail,
    /// It is skipped and listed in [`Batch::skipped`].
    Skip,
}

/// A batch of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Normalised values, stored channels last, `[N, H, W, C]`.
    pub values: Vec<f32>,
    /// Class of each picture.
    pub classes: Vec<usize>,
    /// Position of each picture among the loader's samples.
    pub samples: Vec<usize>,
    /// Positions of broken pictures of this batch, with their errors, which name the file. `N` can be 0.
    pub skipped: Vec<(usize, String)>,
}

/// Makes batches of labelled pictures. Batches and their order do not depend on the number of workers.
#[derive(Clone, Debug)]
pub struct Loader {
    source: Arc<Source>,
}

/// Data shared by the workers.
#[derive(Debug)]
struct Source {
    samples: Arc<[Sample]>,
    loading: LoaderOptions,
    tables: Vec<[f32; 256]>,
}

impl Loader {
    /// A loader of `samples`.
    ///
    /// # Errors
    /// If an option of preprocessing or augmentation is invalid.
    ///
    /// # Panics
    /// If [`LoaderOptions::batch`] is zero.
    pub fn new(samples: impl Into<Arc<[Sample]>>, loading: LoaderOptions) -> Result<Self, Error> {
        assert!(loading.batch > 0, "a batch has at least one picture");
        loading.preprocess.validate()?;
        if let Some(augment) = &loading.augment {
            augment.validate()?;
        }
        let tables = loading.preprocess.tables();
        let source = Source {
            samples: samples.into(),
            loading,
            tables,
        };
        Ok(Self {
            source: Arc::new(source),
        })
    }

    /// The samples.
    pub fn samples(&self) -> &[Sample] {
        &self.source.samples
    }

    /// The settings.
    pub fn loading(&self) -> &LoaderOptions {
        &self.source.loading
    }

    /// Number of batches per epoch.
    pub fn batches(&self) -> usize {
        self.source.bounds().len()
    }

    /// Positions of the samples of each batch of an epoch.
    pub fn plan(&self, epoch: u64) -> Vec<Vec<usize>> {
        let order = self.source.order(epoch);
        let bounds = self.source.bounds().into_iter();
        bounds.map(|range| order[range].to_vec()).collect()
    }

    /// The batches of an epoch from `first_batch` on. Separate threads decode and augment ahead. Earlier
    /// batches are not decoded, so an interrupted run can resume in the middle of an epoch.
    pub fn epoch(&self, epoch: u64, first_batch: usize) -> Epoch {
        Epoch::start(&self.source, epoch, first_batch)
    }

    /// The pixels of the input of the sample at `position` in an epoch. The erased rectangle has the mean
    /// colour.
    ///
    /// # Errors
    /// If the picture cannot be read.
    ///
    /// # Panics
    /// If there is no sample at `position`.
    pub fn preview(&self, position: usize, epoch: u64) -> Result<Picture, Error> {
        let crop = self.source.augmented(position, epoch)?;
        Ok(crop.picture(&self.source.loading.preprocess))
    }
}

impl Source {
    /// Positions of the samples in the order of an epoch.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        if self.loading.order == Order::Shuffled {
            order.shuffle(&mut random::stream(self.loading.seed, &[epoch]));
        }
        order
    }

    /// The range of each batch in the order of an epoch.
    fn bounds(&self) -> Vec<std::ops::Range<usize>> {
        let (count, batch) = (self.samples.len(), self.loading.batch);
        let mut bounds: Vec<_> = (0..count)
            .step_by(batch)
            .map(|start| start..count.min(start + batch))
            .collect();
        if bounds.len() > 1 {
            match self.loading.rest {
                LastBatch::Keep => {
                    if bounds.last().is_some_and(|last| last.len() == 1) && batch > 1 {
                        bounds.pop();
                        bounds.last_mut().expect("there were two").end = count;
                    }
                }
                LastBatch::Drop => {
                    bounds.pop_if(|last| last.len() < batch);
                }
            }
        }
        bounds
    }

    fn augmented(&self, position: usize, epoch: u64) -> Result<AugmentedCrop, Error> {
        let reading = self.loading.reading();
        let original = dvm_image::read_as(&self.samples[position].path, &reading)?;
        let LoaderOptions {
            preprocess,
            augment,
            seed,
            ..
        } = &self.loading;
        let none = Augment::none();
        let augment = augment.as_ref().unwrap_or(&none);
        Ok(augment.apply(&original, preprocess, *seed, epoch, position))
    }

    /// The batch of these crops of the samples at `positions`.
    fn batch(
        &self,
        positions: &[usize],
        crops: Vec<Result<AugmentedCrop, Error>>,
    ) -> Result<Batch, Error> {
        let Preprocess {
            crop: (height, width),
            channels,
            ..
        } = self.loading.preprocess;
        let count = channels.count();
        let mut batch = Batch {
            shape: [0, count, height, width],
            values: Vec::with_capacity(positions.len() * height * width * count),
            classes: Vec::with_capacity(positions.len()),
            samples: Vec::with_capacity(positions.len()),
            skipped: Vec::new(),
        };
        for (&position, crop) in positions.iter().zip(crops) {
            match (crop, self.loading.on_broken) {
                (Ok(crop), _) => {
                    crop.append_to(&mut batch.values, channels, &self.tables);
                    batch.classes.push(self.samples[position].class);
                    batch.samples.push(position);
                }
                (Err(error), OnBroken::Fail) => return Err(error),
                (Err(error), OnBroken::Skip) => {
                    batch.skipped.push((position, error.to_string()));
                }
            }
        }
        batch.shape[0] = batch.samples.len();
        Ok(batch)
    }
}
