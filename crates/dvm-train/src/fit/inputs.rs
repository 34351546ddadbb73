//! The inputs of the trained part: pictures that are loaded in each epoch, or features that were
//! computed once.

use std::ops::Range;

use dvm_data::{Batch, Loader};
use dvm_engine::{Network, Tensor};

use super::learner::through;
use crate::{Error, Targets};

/// Maximum bytes of features: 2 GiB. Beyond that they are computed in each epoch.
const MOST: usize = 2 << 30;

/// One batch for the trained part.
pub(super) struct InputBatch {
    /// Pictures or features, `[N, …]`.
    pub inputs: Tensor,
    /// The targets.
    pub targets: Targets,
    /// The index of each picture among the samples.
    pub samples: Vec<usize>,
    /// Pictures that could not be read.
    pub skipped: Vec<(usize, String)>,
}

/// Gives the targets of a batch; mixup changes its pictures, too.
pub(super) type Mix<'a> = dyn Fn(usize, &mut Batch) -> Targets + 'a;

/// The inputs of a split.
pub(super) enum Inputs {
    /// Pictures, which go through the frozen part batch by batch.
    Pictures(Loader),
    /// Outputs of the frozen part, computed once, `[samples, …]`.
    Features {
        loader: Loader,
        shape: Vec<usize>,
        values: Vec<f32>,
        /// For each sample its row in `values`; `None` if the picture cannot be read.
        places: Vec<Option<usize>>,
    },
}

impl Inputs {
    /// Computes the features of all pictures of the loader, if they fit into memory. The pictures
    /// must be the same in each epoch. `done` gets the number of pictures so far; if it returns
    /// false, the result is `None`.
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

    /// Number of batches in an epoch.
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

    /// The batches of an epoch from `first` on, each through `mix` and the frozen part.
    pub fn epoch<'a>(
        &'a self,
        epoch: u64,
        first: usize,
        front: Option<&'a Network>,
        mix: &'a Mix<'a>,
    ) -> Box<dyn Iterator<Item = Result<InputBatch, Error>> + 'a> {
        match self {
            Self::Pictures(loader) => {
                let batches = loader.epoch(epoch, first).enumerate();
                Box::new(batches.map(move |(index, batch)| {
                    let mut batch = batch?;
                    let targets = mix(first + index, &mut batch);
                    let pictures = Tensor::from_stored(&batch.shape, batch.values);
                    Ok(InputBatch {
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
                        let place = places[sample].expect("unreadable samples were removed");
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
                    Ok(InputBatch {
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
