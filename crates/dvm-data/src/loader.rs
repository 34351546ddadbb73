//! From labelled pictures to batches of numbers, ahead of the training that wants them.
//!
//! Decoded pictures are not kept from one epoch to the next: decoding takes about half a
//! millisecond of the tens that a training step takes per picture, and thousands of decoded
//! pictures fill gigabytes.

mod check;
mod epoch;

use std::sync::Arc;

use dvm_image::{Limits, Picture, Preprocess, Reading};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::augment::{Augment, Seen};
use crate::{Error, Sample, random};

pub use check::broken;
pub use epoch::Epoch;

/// How a [`Loader`] makes batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Loading {
    /// What picture files may ask for.
    pub limits: Limits,
    /// Size of the crop, mean and standard deviation; without augmentations the resizing, too.
    pub preprocess: Preprocess,
    /// What changes pictures at random; without it they are as validation sees them.
    pub augment: Option<Augment>,
    /// Pictures in a batch.
    pub batch: usize,
    /// Which picture comes when.
    pub order: Order,
    /// What becomes of pictures that do not fill a batch.
    pub rest: Rest,
    /// What becomes of a picture that cannot be read.
    pub on_broken: OnBroken,
    /// What order and augmentations are drawn from, together with the epoch.
    pub seed: u64,
    /// Threads that decode, at least one. They change nothing but the time.
    pub workers: usize,
}

impl Loading {
    /// For training: shuffled, augmented as by default, broken pictures are an error.
    pub fn training(preprocess: Preprocess, batch: usize, seed: u64) -> Self {
        Self {
            augment: Some(Augment::default()),
            order: Order::Shuffled,
            seed,
            ..Self::validation(preprocess, batch)
        }
    }

    /// For validation: each picture once, in order, resized and cropped as in use.
    pub fn validation(preprocess: Preprocess, batch: usize) -> Self {
        Self {
            limits: Limits::default(),
            preprocess,
            augment: None,
            batch,
            order: Order::AsListed,
            rest: Rest::Keep,
            on_broken: OnBroken::Fail,
            seed: 0,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Loading {
    /// How picture files are read.
    pub fn reading(&self) -> Reading {
        Reading {
            limits: self.limits.clone(),
            range: self.preprocess.range,
        }
    }
}

/// Which picture comes when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each epoch in an order of its own, drawn from `random::stream(seed, &[epoch])`.
    Shuffled,
    /// As the samples are listed.
    AsListed,
}

/// What becomes of the pictures at the end of an epoch that do not fill a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are a smaller batch. A single one joins the batch before it, which then has one picture
    /// more than others: batch-norm cannot learn from one picture.
    Keep,
    /// They are left out of this epoch, unless there is no other batch.
    Drop,
}

/// What becomes of a picture that cannot be read or decoded. Truncated JPEGs can (see
/// `dvm_image::decode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBroken {
    /// The epoch ends with the error, which names the file, in the place of its batch.
    Fail,
    /// It is left out of its batch and listed in [`Batch::skipped`].
    Skip,
}

/// Pictures as a network takes them.
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
    /// Positions of broken pictures that belonged to this batch, and what was wrong with each; the
    /// message names the file. `N` can be zero.
    pub skipped: Vec<(usize, String)>,
}

/// Makes batches of labelled pictures. Whatever the number of workers, batches come in the same
/// order with the same bits.
#[derive(Clone, Debug)]
pub struct Loader {
    source: Arc<Source>,
}

/// What workers read.
#[derive(Debug)]
struct Source {
    samples: Arc<[Sample]>,
    loading: Loading,
    tables: Vec<[f32; 256]>,
}

impl Loader {
    /// A loader of `samples`.
    ///
    /// # Errors
    /// If preprocessing or an augmentation has an option that makes no sense.
    ///
    /// # Panics
    /// If [`Loading::batch`] is zero.
    pub fn new(samples: impl Into<Arc<[Sample]>>, loading: Loading) -> Result<Self, Error> {
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

    /// How batches are made.
    pub fn loading(&self) -> &Loading {
        &self.source.loading
    }

    /// Number of batches of an epoch, the same in all.
    pub fn batches(&self) -> usize {
        self.source.bounds().len()
    }

    /// Positions of the samples of each batch of an epoch.
    pub fn plan(&self, epoch: u64) -> Vec<Vec<usize>> {
        let order = self.source.order(epoch);
        let bounds = self.source.bounds().into_iter();
        bounds.map(|range| order[range].to_vec()).collect()
    }

    /// The batches of an epoch from `first_batch` on, decoded and augmented ahead by threads of
    /// their own. A run that was interrupted goes on in the middle: what came before is not decoded.
    pub fn epoch(&self, epoch: u64, first_batch: usize) -> Epoch {
        Epoch::start(&self.source, epoch, first_batch)
    }

    /// The pixels that the network sees in an epoch of the sample at `position`; what is erased has
    /// the mean colour.
    ///
    /// # Errors
    /// If the picture cannot be read.
    ///
    /// # Panics
    /// If there is no sample at `position`.
    pub fn preview(&self, position: usize, epoch: u64) -> Result<Picture, Error> {
        let seen = self.source.seen(position, epoch)?;
        Ok(seen.picture(&self.source.loading.preprocess))
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

    /// Where each batch lies in the order of an epoch.
    fn bounds(&self) -> Vec<std::ops::Range<usize>> {
        let (count, batch) = (self.samples.len(), self.loading.batch);
        let mut bounds: Vec<_> = (0..count)
            .step_by(batch)
            .map(|start| start..count.min(start + batch))
            .collect();
        if bounds.len() > 1 {
            match self.loading.rest {
                Rest::Keep => {
                    if bounds.last().is_some_and(|last| last.len() == 1) && batch > 1 {
                        bounds.pop();
                        bounds.last_mut().expect("there were two").end = count;
                    }
                }
                Rest::Drop => {
                    bounds.pop_if(|last| last.len() < batch);
                }
            }
        }
        bounds
    }

    fn seen(&self, position: usize, epoch: u64) -> Result<Seen, Error> {
        let reading = self.loading.reading();
        let original = dvm_image::read_as(&self.samples[position].path, &reading)?;
        let Loading {
            preprocess,
            augment,
            seed,
            ..
        } = &self.loading;
        let none = Augment::none();
        let augment = augment.as_ref().unwrap_or(&none);
        Ok(augment.apply(&original, preprocess, *seed, epoch, position))
    }

    /// The batch that `seen` of the samples at `positions` makes.
    fn batch(&self, positions: &[usize], seen: Vec<Result<Seen, Error>>) -> Result<Batch, Error> {
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
        for (&position, seen) in positions.iter().zip(seen) {
            match (seen, self.loading.on_broken) {
                (Ok(seen), _) => {
                    seen.append_to(&mut batch.values, channels, &self.tables);
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
