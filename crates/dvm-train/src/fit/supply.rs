//! Where the part that learns gets its inputs: pictures as they are loaded, or features that were
//! computed once.

use std::ops::Range;

use dvm_data::{Batch, Loader};
use dvm_engine::{Network, Tensor};

use super::learner::through;
use crate::{Error, Targets};

/// Bytes of features that are kept at most: 2 GiB. What does not fit is computed in each epoch.
const MOST: usize = 2 << 30;

/// One batch for the part that learns.
pub(super) struct Given {
    /// What it is to see.
    pub inputs: Tensor,
    /// What it should say.
    pub targets: Targets,
    /// Positions of the pictures among the samples.
    pub samples: Vec<usize>,
    /// Pictures that could not be read.
    pub skipped: Vec<(usize, String)>,
}

/// Changes a batch of pictures before it is used and says what it should be taken for; mixup does.
pub(super) type Mix<'a> = dyn Fn(usize, &mut Batch) -> Targets + 'a;

/// The inputs of a split.
pub(super) enum Supply {
    /// Loaded, and taken through the part that stays, batch by batch.
    Pictures(Loader),
    /// Computed once, `[samples, …]`.
    Features {
        loader: Loader,
        shape: Vec<usize>,
        values: Vec<f32>,
        /// Of each sample, its place among the values; none for a picture that cannot be read.
        places: Vec<Option<usize>>,
    },
}

impl Supply {
    /// Features of all pictures of the loader, which must be the same in each epoch, if they fit
    /// into memory. `done` is told how many pictures are through, and stops by returning false:
    /// there is no supply then.
    pub fn features(
        loader: Loader,
        front: &Network,
        mut done: impl FnMut(usize, &[(usize, String)]) -> bool,
    ) -> Result<Option<Self>, Error> {
        let count = loader.samples().len();
        let mut values = Vec::new();
        let mut shape = Vec::new();
        let mut places = vec![None; count];
        let mut seen = 0;
        for batch in loader.epoch(0, 0) {
            let batch = batch?;
            seen += batch.samples.len() + batch.skipped.len();
            if !batch.samples.is_empty() {
                let pictures = Tensor::from_stored(&batch.shape, batch.values);
                let features = through(Some(front), pictures)?;
                let each = features.len() / batch.samples.len();
                if each * count * size_of::<f32>() > MOST {
                    return Ok(Some(Self::Pictures(loader)));
                }
                shape = features.shape()[1..].to_vec();
                for (row, &sample) in features.data().chunks_exact(each).zip(&batch.samples) {
                    places[sample] = Some(values.len() / each);
                    values.extend(row);
                }
            }
            if !done(seen, &batch.skipped) {
                return Ok(None);
            }
        }
        Ok(Some(Self::Features {
            loader,
            shape,
            values,
            places,
        }))
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.loader().batches()
    }

    /// Number of pictures.
    pub fn pictures(&self) -> usize {
        self.loader().samples().len()
    }

    fn loader(&self) -> &Loader {
        match self {
            Self::Pictures(loader) | Self::Features { loader, .. } => loader,
        }
    }

    /// The batches of an epoch from `first` on, each through `mix` and the part that stays.
    pub fn epoch<'a>(
        &'a self,
        epoch: u64,
        first: usize,
        front: Option<&'a Network>,
        mix: &'a Mix<'a>,
    ) -> Box<dyn Iterator<Item = Result<Given, Error>> + 'a> {
        match self {
            Self::Pictures(loader) => {
                let batches = loader.epoch(epoch, first).enumerate();
                Box::new(batches.map(move |(index, batch)| {
                    let mut batch = batch?;
                    let targets = mix(first + index, &mut batch);
                    let pictures = Tensor::from_stored(&batch.shape, batch.values);
                    Ok(Given {
                        inputs: if batch.samples.is_empty() {
                            pictures
                        } else {
                            through(front, pictures)?
                        },
                        targets,
                        samples: batch.samples,
                        skipped: batch.skipped,
                    })
                }))
            }
            Self::Features {
                loader,
                shape,
                values,
                places,
            } => {
                let each: usize = shape.iter().product();
                let plan = loader.plan(epoch).into_iter().skip(first);
                Box::new(plan.map(move |mut samples| {
                    samples.retain(|&sample| places[sample].is_some());
                    let row = |&sample: &usize| -> Range<usize> {
                        let place = places[sample].expect("others were left out");
                        place * each..(place + 1) * each
                    };
                    let inputs: Vec<f32> = samples
                        .iter()
                        .flat_map(|sample| &values[row(sample)])
                        .copied()
                        .collect();
                    let mut full = vec![samples.len()];
                    full.extend(shape);
                    let class = |&sample: &usize| loader.samples()[sample].class;
                    Ok(Given {
                        inputs: Tensor::from_stored(&full, inputs),
                        targets: Targets::Classes(samples.iter().map(class).collect()),
                        samples,
                        skipped: Vec::new(),
                    })
                }))
            }
        }
    }
}
