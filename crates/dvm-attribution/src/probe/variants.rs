//! Outputs for changed versions of the picture. If a version differs only in a rectangle, it is
//! computed from the values of the unchanged picture, otherwise as a whole.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::{Graph, Tensor};
use rayon::prelude::*;

use super::batches::BatchSize;
use crate::subject::finite;
use crate::{Error, Score, Subject, Target};

/// Changed versions of the picture.
pub trait Variants: Sync {
    /// Number of variants.
    fn count(&self) -> usize;

    /// The rectangle outside of which a variant equals the picture; `None` if it may differ anywhere.
    fn rectangle(&self, _index: usize) -> Option<Rectangle> {
        None
    }

    /// Whether each variant is the picture with one window covered: users can watch these while they are computed.
    fn are_windows(&self) -> bool {
        false
    }

    /// The values of a variant, from those of the picture, both as stored (`H, W, C`, normalised);
    /// `None` if it equals the picture.
    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>>;
}

/// Largest number of groups of variants computed in parallel. Each gets this part of the memory for
/// any number of threads, so that results do not depend on it.
const MOST_LANES: usize = 8;

/// Variants whose last layers are computed together, so that the parameters are read once.
const BUNDLE: usize = 32;

impl Subject<'_> {
    /// Calls `each` with the index of every variant and the network's outputs `[K]` for it, in any order.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if an output is not finite, [`Error::Network`].
    pub fn outputs_of(
        &self,
        variants: &dyn Variants,
        each: &mut (dyn FnMut(usize, &[f32]) + Send),
    ) -> Result<(), Error> {
        let whole = self.numbers()?;
        let runner = VariantRunner::new(self, variants)?;
        let bundles = runner.bundles(self, variants);
        let count = variants.count();
        let found = Mutex::new(Found {
            each,
            done: 0,
            failed: None,
        });
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        let next = AtomicUsize::new(0);
        let lane = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(bundle) = bundles.get(index).filter(|_| lock().failed.is_none()) else {
                    return;
                };
                let answers = runner.outputs(self, variants, bundle);
                let mut found = lock();
                match answers {
                    Err(error) => found.fail(index, error),
                    Ok(answers) => {
                        for (variant, numbers) in answers {
                            let numbers = numbers.as_deref().unwrap_or(&whole);
                            (found.each)(variant, numbers);
                            if variants.are_windows() {
                                self.report_window(variants.rectangle(variant), numbers);
                            }
                        }
                        found.done += bundle.iter().map(Vec::len).sum::<usize>();
                        // Reported under the lock, so that the count never decreases.
                        self.progress(found.done, count);
                    }
                }
            }
        };
        rayon::scope(|scope| {
            for _ in 0..runner.lanes {
                scope.spawn(|_| lane());
            }
        });
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        match found.failed {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The scores of every variant, `[variants, targets]`.
    ///
    /// # Errors
    /// As [`Subject::outputs_of`]; [`Error::Unfit`] if they need too much memory; [`Error::Class`].
    pub fn scores(
        &self,
        variants: &dyn Variants,
        targets: &[Target],
        score: Score,
    ) -> Result<Vec<f32>, Error> {
        let output = self.output();
        Target::check_all(targets, score.of(output, &self.numbers()?).len())?;
        self.allow_scores(variants.count(), targets.len())?;
        let mut scores = vec![0.0; variants.count() * targets.len()];
        self.outputs_of(variants, &mut |index, numbers| {
            let of_classes = score.of(output, numbers);
            let own = scores[index * targets.len()..].iter_mut();
            for (own, target) in own.zip(targets) {
                *own = target.of(&of_classes).expect("the classes were checked");
            }
        })?;
        Ok(scores)
    }

    /// Refuses scores that do not fit in memory.
    pub(crate) fn allow_scores(&self, variants: usize, each: usize) -> Result<(), Error> {
        let needed = variants
            .saturating_mul(each)
            .saturating_mul(size_of::<f32>());
        if needed <= self.memory() {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "{variants} changed pictures with {each} scores each need {} MiB; the limit is {} MiB: \
             choose fewer of them (a larger stride, fewer samples) or a higher memory limit",
            needed.div_ceil(1 << 20),
            self.memory() >> 20
        )))
    }

    /// The largest batch whose activations stay within [`Subject::memory`], or within the memory of the device that
    /// computes the network.
    ///
    /// # Errors
    /// [`Error::Network`] if the picture does not fit the graph.
    pub fn batch_size(&self, graph: &Graph) -> Result<usize, Error> {
        let values = graph.peak_values(&self.shape())?;
        let most = self.largest_batch().max(1);
        Ok((self.walk_memory() / (values * size_of::<f32>())).clamp(1, most))
    }
}

/// The results of all lanes.
struct Found<'e> {
    each: &'e mut (dyn FnMut(usize, &[f32]) + Send),
    /// Number of finished variants.
    done: usize,
    /// The first group, in order, that failed.
    failed: Option<(usize, Error)>,
}

impl Found<'_> {
    fn fail(&mut self, group: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(first, _)| group < *first) {
            self.failed = Some((group, error));
        }
    }
}

/// A variant's index with its outputs `[K]`; `None` if it equals the picture.
type VariantOutput = (usize, Option<Vec<f32>>);

/// Computes the outputs of groups of variants.
struct VariantRunner<'a> {
    strategy: Strategy<'a>,
    /// Number of groups computed in parallel.
    lanes: usize,
}

enum Strategy<'a> {
    /// Only what a variant can change is computed.
    Incremental {
        incremental: Incremental<'a>,
        /// Values that a group may use at once.
        values: usize,
    },
    /// Every variant is computed as a whole, in batches of this size.
    Whole { graph: &'a Graph, batch: BatchSize },
}

impl<'a> VariantRunner<'a> {
    /// Chooses the strategy by the subject's settings and memory.
    fn new(subject: &Subject<'a>, variants: &dyn Variants) -> Result<Self, Error> {
        let graph = subject.network().fused();
        let is_local = (0..variants.count()).any(|index| variants.rectangle(index).is_some());
        let changes = if is_local { subject.changes()? } else { None };
        let Some(incremental) = changes else {
            let batch = BatchSize::new(subject.batch_size(graph)?);
            return Ok(Self {
                strategy: Strategy::Whole { graph, batch },
                lanes: 1,
            });
        };
        let base = Incremental::base_values(graph, &subject.shape())?;
        let room = (subject.memory() / size_of::<f32>()).saturating_sub(base);
        let side_by_side = room / graph.peak_values(&subject.shape())?.max(1);
        let threads = rayon::current_num_threads();
        Ok(Self {
            strategy: Strategy::Incremental {
                incremental,
                values: room / MOST_LANES,
            },
            lanes: side_by_side.clamp(1, threads.min(MOST_LANES)),
        })
    }

    /// Groups that are worked on together.
    fn bundles(&self, subject: &Subject, variants: &dyn Variants) -> Vec<Vec<Vec<usize>>> {
        let mut bundles: Vec<Vec<Vec<usize>>> = Vec::new();
        let mut room = 0;
        for group in self.groups(subject, variants) {
            if group.len() > room {
                bundles.push(Vec::new());
                room = match self.strategy {
                    Strategy::Incremental { .. } => BUNDLE,
                    // A group already fills the memory.
                    Strategy::Whole { .. } => 0,
                };
            }
            room = room.saturating_sub(group.len());
            bundles.last_mut().expect("one was pushed").push(group);
        }
        bundles
    }

    /// Indices of variants, by group.
    fn groups(&self, subject: &Subject, variants: &dyn Variants) -> Vec<Vec<usize>> {
        match &self.strategy {
            Strategy::Incremental { incremental, .. } => {
                let all = || Rectangle::whole(subject.size());
                let rectangles: Vec<Rectangle> = (0..variants.count())
                    .map(|index| variants.rectangle(index).unwrap_or_else(all))
                    .collect();
                incremental.groups(&rectangles)
            }
            Strategy::Whole { batch, .. } => {
                let all: Vec<usize> = (0..variants.count()).collect();
                all.chunks(batch.get()).map(<[usize]>::to_vec).collect()
            }
        }
    }

    fn outputs(
        &self,
        subject: &Subject,
        variants: &dyn Variants,
        bundle: &[Vec<usize>],
    ) -> Result<Vec<VariantOutput>, Error> {
        let picture = subject.picture();
        let changed = |&index: &usize| {
            let values = variants.variant(picture.data(), index);
            (
                index,
                values.and_then(|values| self.change(picture, values)),
            )
        };
        let mut answers: Vec<VariantOutput> = Vec::new();
        let (mut asked, mut groups): (Vec<usize>, Vec<Vec<Change>>) = Default::default();
        for group in bundle {
            let changed: Vec<(usize, Option<Change>)> = group.par_iter().map(changed).collect();
            let mut changes = Vec::new();
            for (index, change) in changed {
                asked.extend(change.is_some().then_some(answers.len()));
                answers.push((index, None));
                changes.extend(change);
            }
            if !changes.is_empty() {
                groups.push(changes);
            }
        }
        if asked.is_empty() {
            return Ok(answers);
        }
        let logits = self.logits(subject, &groups)?;
        finite("a changed picture", logits.data())?;
        let classes = logits.len() / asked.len();
        for (answer, logits) in asked.into_iter().zip(logits.data().chunks(classes)) {
            answers[answer].1 = Some(logits.to_vec());
        }
        Ok(answers)
    }

    /// The change of a variant with these values, stored `H, W, C`; `None` if there is none.
    fn change(&self, picture: &Tensor, values: Vec<f32>) -> Option<Change> {
        let &[_, channels, height, width] = picture.shape() else {
            unreachable!("a picture is [1, C, H, W]");
        };
        match self.strategy {
            Strategy::Incremental { .. } => {
                Change::between(picture.data(), &values, width, channels)
            }
            Strategy::Whole { .. } => Some(Change {
                rectangle: Rectangle::whole((height, width)),
                values,
            }),
        }
    }

    /// The outputs `[N, K]` of the picture with each change of these groups.
    fn logits(&self, subject: &Subject, groups: &[Vec<Change>]) -> Result<Tensor, Error> {
        match &self.strategy {
            Strategy::Incremental {
                incremental,
                values,
            } => {
                let groups: Vec<&[Change]> = groups.iter().map(|group| &group[..]).collect();
                subject.before_walk();
                Ok(incremental.logits(&groups, *values)?)
            }
            Strategy::Whole { graph, batch } => {
                let pictures: Vec<&[f32]> =
                    groups.iter().flatten().map(|c| &c.values[..]).collect();
                let mut shape = subject.shape();
                let walk = |cases: Range<usize>| {
                    shape[0] = cases.len();
                    let values = pictures[cases].concat();
                    subject.before_walk();
                    Ok(graph.logits(&Tensor::from_stored(&shape, values))?)
                };
                let mut outputs = Vec::new();
                batch.walk(pictures.len(), walk, |_, logits| {
                    outputs.extend(logits.data());
                    Ok(())
                })?;
                let shape = [pictures.len(), outputs.len() / pictures.len()];
                Ok(Tensor::from_stored(&shape, outputs))
            }
        }
    }
}
