//! Covering the pixels of a picture step by step: the common part of deletion, insertion and the
//! symmetric relevance gain.
//!
//! Pixels are sorted by relevance, the most relevant first. Pixels of equal relevance come in a random order that
//! follows from the option `seed`: maps that consist of cells have many of them, and a fixed order, such as row by
//! row, would count as part of the map. Other tools use the order of their sort.
//!
//! With `steps` steps and `n` pixels, `⌈k · n / steps⌉` pixels are covered, or shown, after step `k`. The most
//! relevant pixels are covered step by step (deletion), or shown step by step on the baseline (insertion). Covering
//! the least relevant pixels first gives the pictures of insertion in reverse order, so two curves are enough.

use std::sync::Arc;

use dvm_engine::incremental::Rectangle;
use dvm_options::{OptionSpec, Takes};

use super::options::{BASELINE, SCORE, SEED};
use super::{Candidate, Curve};
use crate::probe::Series;
use crate::random::Stream;
use crate::{Baseline, Error, OptionReader, Score, SettingError, Subject};

const STEPS: OptionSpec = OptionSpec {
    name: "steps",
    takes: Takes::WholeFrom(1),
    default: "50",
    help: "number of steps in which all pixels are covered",
};

/// The seed of these metrics.
pub(super) const ORDER_SEED: OptionSpec = OptionSpec {
    help: "seed of the random numbers: the order of pixels of equal relevance, and the baseline `noise`",
    ..SEED
};

/// How pixels are covered.
#[derive(Debug)]
pub(super) struct Covering {
    steps: usize,
    baseline: Baseline,
    score: Score,
    seed: u64,
}

impl Covering {
    /// Its options.
    pub const OPTIONS: &'static [OptionSpec] = &[STEPS, BASELINE, SCORE, ORDER_SEED];

    pub fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            steps: options.count(&STEPS)?,
            baseline: options.written(&BASELINE)?,
            score: options.word(&SCORE)?,
            seed: options.plain(&ORDER_SEED)?,
        })
    }

    /// The score over the share of pixels covered, the most relevant first.
    pub fn deletion(&self, candidate: &Candidate) -> Result<Curve, Error> {
        let ends = ends(candidate.relevance().len(), self.steps);
        let covered = self.once("deletion", candidate, |baseline| {
            self.scores(candidate, &ends, baseline, None)
        })?;
        let scores = std::iter::once(self.score_of_picture(candidate)?);
        let scores = scores.chain(covered.iter().copied());
        let names = ("deletion", "share of pixels covered");
        self.curve(candidate, names, &ends, scores)
    }

    /// The score over the share of pixels shown on the baseline, the most relevant first.
    pub fn insertion(&self, candidate: &Candidate) -> Result<Curve, Error> {
        let ends = ends(candidate.relevance().len(), self.steps);
        let inserted = self.once("insertion", candidate, |baseline| {
            let picture = candidate.subject().picture();
            // The last step is the picture itself.
            let ends = &ends[..ends.len() - 1];
            self.scores(candidate, ends, picture.data(), Some(baseline))
        })?;
        let scores = inserted.iter().copied();
        let scores = scores.chain([self.score_of_picture(candidate)?]);
        let names = ("insertion", "share of pixels shown");
        self.curve(candidate, names, &ends, scores)
    }

    /// Computes scores with the baseline, once for all metrics with the same settings.
    fn once(
        &self,
        which: &str,
        candidate: &Candidate,
        compute: impl FnOnce(&[f32]) -> Result<Vec<f64>, Error>,
    ) -> Result<Arc<Vec<f64>>, Error> {
        candidate.shared(&format!("{which} {self:?}"), || {
            let baseline = self.baseline.of_whole(candidate.subject(), self.seed)?;
            compute(baseline.data())
        })
    }

    /// The score after each step, while pixels become those of `becomes`. The first step is the picture, or `begins`.
    fn scores(
        &self,
        candidate: &Candidate,
        ends: &[usize],
        becomes: &[f32],
        begins: Option<&[f32]>,
    ) -> Result<Vec<f64>, Error> {
        let subject = candidate.subject();
        let order = order(candidate.relevance(), self.seed);
        let rings = Rings::new(subject, &order, ends, becomes, begins);
        let target = std::slice::from_ref(candidate.target());
        let scores = subject.scores_along(&rings, target, self.score)?;
        Ok(scores.into_iter().map(f64::from).collect())
    }

    fn score_of_picture(&self, candidate: &Candidate) -> Result<f64, Error> {
        let (subject, target) = (candidate.subject(), candidate.target());
        let score = target.score(self.score, subject.output(), &subject.numbers()?)?;
        Ok(score.into())
    }

    fn curve(
        &self,
        candidate: &Candidate,
        (name, across): (&'static str, &'static str),
        ends: &[usize],
        scores: impl Iterator<Item = f64>,
    ) -> Result<Curve, Error> {
        let count = candidate.relevance().len() as f64;
        let shares = ends.iter().map(|&end| end as f64 / count);
        Ok(Curve {
            name,
            across,
            up: score_name(candidate.subject(), self.score)?,
            points: shares.zip(scores).collect(),
        })
    }
}

/// The name of the score for this network.
pub(super) fn score_name(subject: &Subject, score: Score) -> Result<&'static str, Error> {
    Ok(score.name(subject.output(), subject.numbers()?.len()))
}

/// The positions of `relevance` from the highest value to the lowest; equal values in a random order.
pub(super) fn order<T: PartialOrd + Copy>(relevance: &[T], seed: u64) -> Vec<usize> {
    let mut order = Stream::new("covering order", seed).permutation(relevance.len());
    // The sort is stable: equal values keep their random order.
    order.sort_by(|&a, &b| {
        let compared = relevance[b].partial_cmp(&relevance[a]);
        compared.expect("relevance is finite")
    });
    order
}

/// How many of `count` pixels are covered before the first step and after each step. Steps that
/// would cover no further pixel are left out.
fn ends(count: usize, steps: usize) -> Vec<usize> {
    let steps = steps.min(count);
    let end = |step: usize| (step as u128 * count as u128).div_ceil(steps as u128) as usize;
    (0..=steps).map(end).collect()
}

/// Replaces pixels in the order of the map, some per step.
struct Rings<'a> {
    begins: Option<&'a [f32]>,
    becomes: &'a [f32],
    order: &'a [usize],
    ends: &'a [usize],
    rectangles: Vec<Rectangle>,
    channels: usize,
}

impl<'a> Rings<'a> {
    fn new(
        subject: &Subject,
        order: &'a [usize],
        ends: &'a [usize],
        becomes: &'a [f32],
        begins: Option<&'a [f32]>,
    ) -> Self {
        let [_, channels, height, width] = subject.shape();
        let first = begins.map(|_| Rectangle::whole((height, width)));
        let rings = ends
            .windows(2)
            .map(|pair| around(&order[pair[0]..pair[1]], width));
        Self {
            begins,
            becomes,
            order,
            ends,
            rectangles: first.into_iter().chain(rings).collect(),
            channels,
        }
    }
}

impl Series for Rings<'_> {
    fn count(&self) -> usize {
        self.rectangles.len()
    }

    fn rectangle(&self, index: usize) -> Rectangle {
        self.rectangles[index].clone()
    }

    fn change(&self, picture: &mut [f32], index: usize) {
        let ring = match (self.begins, index) {
            (Some(begins), 0) => return picture.copy_from_slice(begins),
            (Some(_), _) => index - 1,
            (None, _) => index,
        };
        for &pixel in &self.order[self.ends[ring]..self.ends[ring + 1]] {
            let values = pixel * self.channels..(pixel + 1) * self.channels;
            picture[values.clone()].copy_from_slice(&self.becomes[values]);
        }
    }
}

/// The smallest rectangle around pixels of a picture that is `width` wide.
fn around(pixels: &[usize], width: usize) -> Rectangle {
    let range = |places: &dyn Fn(usize) -> usize| {
        let places = || pixels.iter().map(|&pixel| places(pixel));
        places().min().unwrap_or(0)..places().max().map_or(0, |last| last + 1)
    };
    Rectangle {
        rows: range(&|pixel| pixel / width),
        columns: range(&|pixel| pixel % width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_cover_every_pixel_once() {
        assert_eq!(ends(5, 3), [0, 2, 4, 5]);
        assert_eq!(ends(4, 2), [0, 2, 4]);
        assert_eq!(ends(3, 50), [0, 1, 2, 3]);
        assert_eq!(*ends(50_176, 50).last().unwrap(), 50_176);
    }

    #[test]
    fn the_most_relevant_pixel_comes_first_and_equal_ones_in_a_random_order() {
        assert_eq!(order(&[0.1, 0.4, -3.0, 0.2], 0), [1, 3, 0, 2]);
        let mut values = [1.0; 100];
        values[70] = 2.0;
        let (one, other) = (order(&values, 0), order(&values, 1));
        assert_eq!((one[0], other[0]), (70, 70));
        assert_ne!(one, other);
        assert!(!one[1..].is_sorted());
        // The sign of zero is ignored.
        values[..50].fill(-0.0);
        values[50..].fill(0.0);
        assert_eq!(order(&values, 0), order(&[5.0; 100], 0));
    }
}
