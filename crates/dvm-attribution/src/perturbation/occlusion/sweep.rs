//! Asking the network about every window, group by group.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dvm_engine::incremental::Change;
use dvm_engine::{Output, Tensor};
use rayon::prelude::*;

use super::asking::Asking;
use super::windows::Windows;
use crate::method::finite;
use crate::settings::words;
use crate::{Error, Scene};

words! {
    /// Which answer of the network is looked at.
    pub(super) enum Score {
        /// The probability of the class, 0 … 1: a softmax or sigmoid where the network's output is no
        /// probability yet.
        Probability = "probability",
        /// The logit; the logarithm of the probability where the network gives probabilities.
        Logit = "logit",
    }
}

impl Score {
    /// The score of each class for the numbers `[K]` of a network whose output is `output`.
    pub fn of(self, output: Output, values: &[f32]) -> Vec<f32> {
        match self {
            Self::Probability => output.probabilities(values),
            Self::Logit => output.logits(values),
        }
    }

    /// What the score is called for such a network.
    pub fn name(self, output: Output, outputs: usize) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Logit => output.logit_name(outputs),
        }
    }
}

/// The scores with each window covered, `[K, rows, columns]`; `whole` are those of the picture
/// itself, which a window keeps that changes nothing.
pub(super) fn scores(
    scene: &Scene,
    windows: &Windows,
    score: Score,
    whole: &[f32],
) -> Result<Vec<f32>, Error> {
    let count = windows.count();
    let needed = count
        .saturating_mul(whole.len())
        .saturating_mul(size_of::<f32>());
    if needed > scene.memory {
        return Err(Error::Unfit(format!(
            "{count} windows with {} classes each take {} MiB, more than the {} MiB allowed; \
             choose a larger --stride or more --memory",
            whole.len(),
            needed.div_ceil(1 << 20),
            scene.memory >> 20
        )));
    }
    let picture = scene.batch_of_one();
    let asking = Asking::new(scene, &picture)?;
    let groups = asking.groups(scene, windows);
    let sweep = Sweep {
        scene,
        windows,
        picture: &picture,
        asking: &asking,
    };
    let found = Mutex::new(Found {
        scores: vec![0.0; count * whole.len()],
        done: 0,
        failed: None,
    });
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let lane = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(group) = groups.get(index).filter(|_| lock().failed.is_none()) else {
                return;
            };
            let answers = sweep.answers(group);
            let mut found = lock();
            match answers {
                Err(error) => found.fail(index, error),
                Ok(answers) => {
                    for (window, logits) in answers {
                        let output = scene.network.output();
                        let values = logits.map(|logits| score.of(output, &logits));
                        found.keep(window, count, values.as_deref().unwrap_or(whole));
                    }
                    found.done += group.len();
                    // Told while nobody else can be, so that the count never goes back.
                    (scene.progress)(found.done, count);
                }
            }
        }
    };
    rayon::scope(|scope| {
        for _ in 0..asking.lanes {
            scope.spawn(|_| lane());
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    match found.failed {
        Some((_, error)) => Err(error),
        None => Ok(found.scores),
    }
}

/// What the lanes have found.
struct Found {
    /// `[K, rows, columns]`
    scores: Vec<f32>,
    /// Windows that are done.
    done: usize,
    /// The first group, in order, that failed.
    failed: Option<(usize, Error)>,
}

impl Found {
    fn keep(&mut self, window: usize, windows: usize, values: &[f32]) {
        for (class, &value) in values.iter().enumerate() {
            self.scores[class * windows + window] = value;
        }
    }

    fn fail(&mut self, group: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(first, _)| group < *first) {
            self.failed = Some((group, error));
        }
    }
}

/// A window's number with the logits `[K]`; `None` where covering it changes nothing.
type Answer = (usize, Option<Vec<f32>>);

/// All that a group of windows is worked on with.
struct Sweep<'a> {
    scene: &'a Scene<'a>,
    windows: &'a Windows<'a>,
    /// The picture itself, `[1, C, H, W]`.
    picture: &'a Tensor,
    asking: &'a Asking<'a>,
}

impl Sweep<'_> {
    fn answers(&self, group: &[usize]) -> Result<Vec<Answer>, Error> {
        let base = self.picture.data();
        let covered = |&window: &usize| {
            let covered = self.windows.covered(self.scene, base, window);
            covered.and_then(|covered| self.asking.change(self.picture, covered))
        };
        let covered: Vec<Option<Change>> = group.par_iter().map(covered).collect();
        let mut answers: Vec<Answer> = group.iter().map(|&window| (window, None)).collect();
        let (asked, changes): (Vec<&mut Answer>, Vec<Change>) = answers
            .iter_mut()
            .zip(covered)
            .filter_map(|(answer, change)| Some((answer, change?)))
            .unzip();
        if changes.is_empty() {
            return Ok(answers);
        }
        let logits = self.asking.logits(self.picture, changes)?;
        finite("a covered picture", logits.data())?;
        let classes = logits.len() / asked.len();
        for (answer, logits) in asked.into_iter().zip(logits.data().chunks(classes)) {
            answer.1 = Some(logits.to_vec());
        }
        Ok(answers)
    }
}
