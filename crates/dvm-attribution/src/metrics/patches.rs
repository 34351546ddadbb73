//! Covering square patches of a picture one after the other: the common part of pixel flipping and
//! region perturbation.
//!
//! Patches are laid side by side from the top left corner; those at the right and lower edges may
//! be smaller. The relevance of a patch is the sum of its pixels. Patches of equal relevance come
//! in a random order, like the pixels in `covering`.

use dvm_engine::incremental::Rectangle;
use dvm_options::{OptionSpec, Takes, words};

use super::covering::{ORDER_SEED, order, score_name};
use super::options::{BASELINE, SCORE};
use super::{Candidate, Curve};
use crate::probe::{Series, replace, rows_of};
use crate::random::Stream;
use crate::{Baseline, Error, OptionReader, Score, SettingError};

const PATCH: OptionSpec = OptionSpec {
    name: "patch",
    takes: Takes::WholeFrom(1),
    default: "8",
    help: "rows and columns of a patch, in pixels",
};

const ORDER: OptionSpec = OptionSpec {
    name: "order",
    takes: Takes::OneOf(Order::WORDS),
    default: "most-relevant-first",
    help: "order in which patches are covered; use the other orders for comparison",
};

const BLACK: OptionSpec = OptionSpec {
    default: "black",
    ..BASELINE
};

words! {
    /// The order in which patches are covered.
    pub(super) enum Order {
        /// The most relevant first.
        MostFirst = "most-relevant-first",
        /// The least relevant first.
        LeastFirst = "least-relevant-first",
        /// A random order.
        Random = "random",
    }
}

/// How patches are covered.
pub(super) struct Flipping {
    patch: usize,
    order: Order,
    baseline: Baseline,
    score: Score,
    seed: u64,
}

/// The scores of a picture while patches are covered.
pub(super) struct Flipped {
    /// The score of the picture itself.
    pub whole: f64,
    /// The share of pixels covered and the score after each patch.
    pub after: Vec<(f64, f64)>,
    /// The name of the score.
    pub score: &'static str,
}

impl Flipping {
    /// Its options.
    pub const OPTIONS: [OptionSpec; 5] = [PATCH, ORDER, BLACK, SCORE, ORDER_SEED];

    pub fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            patch: options.count(&PATCH)?,
            order: options.word(&ORDER)?,
            baseline: options.written(&BLACK)?,
            score: options.word(&SCORE)?,
            seed: options.plain(&ORDER_SEED)?,
        })
    }

    /// Covers the first `most` patches one after the other.
    pub fn flip(&self, candidate: &Candidate, most: usize) -> Result<Flipped, Error> {
        let subject = candidate.subject();
        let (height, width) = subject.size();
        if self.patch > height || self.patch > width {
            return Err(Error::Unfit(format!(
                "patches of {0}×{0} pixels are larger than the picture of {height}×{width}; choose \
                 a smaller `patch`",
                self.patch
            )));
        }
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        let mut patches = self.ordered(candidate.relevance(), (height, width));
        patches.truncate(most);
        let target = candidate.target();
        let covered = Covered {
            patches: &patches,
            baseline: baseline.data(),
            shape: subject.shape(),
        };
        let scores = subject.scores_along(&covered, std::slice::from_ref(target), self.score)?;
        let mut pixels = 0;
        let after = patches.iter().zip(scores).map(|(patch, score)| {
            pixels += patch.size().0 * patch.size().1;
            let share = pixels as f64 / (height * width) as f64;
            (share, f64::from(score))
        });
        let after = after.collect();
        let numbers = subject.numbers()?;
        let whole = target.score(self.score, subject.output(), &numbers)?;
        Ok(Flipped {
            whole: whole.into(),
            after,
            score: score_name(subject, self.score)?,
        })
    }

    /// All patches in the order in which they are covered.
    fn ordered(&self, relevance: &[f32], (height, width): (usize, usize)) -> Vec<Rectangle> {
        let stretches = |length: usize| {
            let starts = (0..length).step_by(self.patch);
            starts.map(move |start| start..(start + self.patch).min(length))
        };
        let patches: Vec<Rectangle> = stretches(height)
            .flat_map(|rows| {
                stretches(width).map(move |columns| Rectangle {
                    rows: rows.clone(),
                    columns,
                })
            })
            .collect();
        let sum = |patch: &Rectangle| -> f64 {
            let rows = patch.rows.clone();
            let pixels = rows.flat_map(|y| &relevance[y * width..][patch.columns.clone()]);
            pixels.map(|&value| f64::from(value)).sum()
        };
        let sums: Vec<f64> = patches.iter().map(sum).collect();
        let mut positions = match self.order {
            Order::Random => {
                Stream::new("patches in random order", self.seed).permutation(patches.len())
            }
            Order::MostFirst | Order::LeastFirst => order(&sums, self.seed),
        };
        if self.order == Order::LeastFirst {
            positions.reverse();
        }
        let ordered = positions.into_iter().map(|at| patches[at].clone());
        ordered.collect()
    }
}

impl Flipped {
    /// The score over the share of pixels covered, starting with the picture itself.
    pub fn curve(&self, name: &'static str) -> Curve {
        let picture = std::iter::once((0.0, self.whole));
        Curve {
            name,
            across: "share of pixels covered",
            up: self.score,
            points: picture.chain(self.after.iter().copied()).collect(),
        }
    }
}

/// Covers patch after patch.
struct Covered<'a> {
    patches: &'a [Rectangle],
    baseline: &'a [f32],
    shape: [usize; 4],
}

impl Series for Covered<'_> {
    fn count(&self) -> usize {
        self.patches.len()
    }

    fn rectangle(&self, index: usize) -> Rectangle {
        self.patches[index].clone()
    }

    fn change(&self, picture: &mut [f32], index: usize) {
        let [_, channels, _, width] = self.shape;
        let rows = rows_of(&self.patches[index], width, channels);
        replace(picture, self.baseline, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn ordered(
        options: &[(&str, &str)],
        relevance: &[f32],
        size: (usize, usize),
    ) -> Vec<Rectangle> {
        let settings = options
            .iter()
            .fold(Settings::new(), |all, (name, value)| all.with(name, value));
        let mut options = OptionReader::new(&Flipping::OPTIONS, &settings);
        Flipping::new(&mut options)
            .unwrap()
            .ordered(relevance, size)
    }

    #[test]
    fn patches_cover_every_pixel_once_in_the_order_of_their_sums() {
        // Patches of 2×2 on 3×3: sums 4, 5, 7, −9.
        let relevance = [1.0, 1.0, 2.0, 1.0, 1.0, 3.0, 7.0, 0.0, -9.0];
        let found = ordered(&[("patch", "2")], &relevance, (3, 3));
        let at = |rows, columns| Rectangle { rows, columns };
        let expected = [
            at(2..3, 0..2),
            at(0..2, 2..3),
            at(0..2, 0..2),
            at(2..3, 2..3),
        ];
        assert_eq!(found, expected);
        let options = [("patch", "2"), ("order", "least-relevant-first")];
        let least = ordered(&options, &relevance, (3, 3));
        assert!(least.iter().eq(expected.iter().rev()));
        let options = [("patch", "2"), ("order", "random")];
        let random = ordered(&options, &relevance, (3, 3));
        assert!(expected.iter().all(|patch| random.contains(patch)));
    }
}
