//! Confidence intervals of scores, by bootstrap.

use dvm_data::random;
use rand_distr::{Distribution, Uniform};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Confusion, Prediction};
use crate::Error;

/// Confidence intervals by the percentile bootstrap (Efron 1979): scores of resamples, drawn with
/// replacement from the pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Number of resamples, at least 1.
    pub resamples: usize,
    /// Share of resamples within the interval, such as 0.95.
    pub level: f64,
    /// The seed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 1000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// Confidence intervals of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Share of resamples within them.
    pub level: f64,
    /// Number of resamples.
    pub resamples: usize,
    /// Of the accuracy.
    pub accuracy: Interval,
    /// Of the balanced accuracy.
    pub balanced_accuracy: Interval,
    /// Of the mean F1.
    pub macro_f1: Interval,
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Separates these random streams from others of the same seed.
const STREAM: u64 = u64::from_be_bytes(*b"bootstra");

impl Bootstrap {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.resamples == 0 || !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::Evaluation(format!(
                "confidence intervals need at least 1 resample and a level between 0 and 1, but \
                 there are {} and {}",
                self.resamples, self.level
            )));
        }
        Ok(())
    }

    /// The interval of the mean of `values` minus the mean of `others`, both resampled; if `others`
    /// is empty, of the mean of `values`. It does not depend on the number of threads.
    ///
    /// # Panics
    /// If there are no values or no resamples.
    pub fn of_difference(&self, values: &[f64], others: &[f64]) -> Interval {
        let drawn_mean = |stream: &mut _, from: &[f64]| {
            let Ok(index) = Uniform::new(0, from.len() as u64) else {
                return 0.0;
            };
            let drawn = (0..from.len()).map(|_| from[index.sample(stream) as usize]);
            drawn.sum::<f64>() / from.len() as f64
        };
        let all: Vec<f64> = (0..self.resamples as u64)
            .into_par_iter()
            .map(|resample| {
                let mut stream = random::stream(self.seed, &[STREAM, resample]);
                drawn_mean(&mut stream, values) - drawn_mean(&mut stream, others)
            })
            .collect();
        self.interval(all)
    }

    /// The score of each resample. `score` gets `count` indices, drawn with replacement from
    /// `0..count`. The draws depend only on the seed and `count`: two scores of the same resample
    /// use the same indices.
    ///
    /// # Errors
    /// [`Error::Evaluation`] if there are no resamples, the level is not between 0 and 1, or
    /// `count` is 0.
    pub fn resampled<T: Send>(
        &self,
        count: usize,
        score: impl Fn(&[usize]) -> T + Sync,
    ) -> Result<Vec<T>, Error> {
        self.check()?;
        let index = Uniform::new(0, count as u64)
            .map_err(|_| Error::Evaluation("there are no values to resample".to_owned()))?;
        let scores = (0..self.resamples as u64)
            .into_par_iter()
            .map(|resample| {
                let mut stream = random::stream(self.seed, &[STREAM, resample]);
                let drawn: Vec<usize> = (0..count)
                    .map(|_| index.sample(&mut stream) as usize)
                    .collect();
                score(&drawn)
            })
            .collect();
        Ok(scores)
    }

    /// The central interval that contains the share [`level`](Self::level) of these scores.
    pub fn interval(&self, scores: impl IntoIterator<Item = f64>) -> Interval {
        let mut all: Vec<f64> = scores.into_iter().collect();
        all.sort_by(f64::total_cmp);
        Interval {
            low: quantile(&all, (1.0 - self.level) / 2.0),
            high: quantile(&all, (1.0 + self.level) / 2.0),
        }
    }

    /// The intervals of these predictions for `kinds` classes.
    pub(super) fn intervals(
        &self,
        kinds: usize,
        predictions: &[Prediction],
    ) -> Result<Intervals, Error> {
        let scores = self.resampled(predictions.len(), |drawn| {
            let drawn = drawn.iter().map(|&position| {
                let prediction = &predictions[position];
                (prediction.class, prediction.predicted)
            });
            let confusion = Confusion::new(kinds, drawn);
            [
                confusion.accuracy(),
                confusion.balanced_accuracy(),
                confusion.macro_f1(),
            ]
        })?;
        let interval = |score: usize| self.interval(scores.iter().map(|scores| scores[score]));
        Ok(Intervals {
            level: self.level,
            resamples: self.resamples,
            accuracy: interval(0),
            balanced_accuracy: interval(1),
            macro_f1: interval(2),
        })
    }
}

/// The quantile of sorted numbers, with linear interpolation as NumPy's.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(found: usize, all: usize) -> Vec<Prediction> {
        let prediction = |index| Prediction {
            class: 0,
            predicted: usize::from(index >= found),
            confidence: 0.5,
            loss: 0.0,
            rank: 0,
        };
        (0..all).map(prediction).collect()
    }

    fn many() -> Bootstrap {
        Bootstrap {
            resamples: 10_000,
            ..Bootstrap::default()
        }
    }

    /// Both ends are `half` from `centre`, within `tolerance` of it.
    fn assert_near(found: Interval, centre: f64, half: f64, tolerance: f64) {
        let off = (found.low - (centre - half)).abs();
        let off = off.max((found.high - (centre + half)).abs());
        assert!(off < tolerance * half, "{found:?}");
    }

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 0.975, 1])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        let shares = [0.0, 0.1, 0.5, 0.975, 1.0];
        for (share, expected) in shares.into_iter().zip([1.0, 1.3, 3.0, 7.7, 8.0]) {
            assert!(
                (quantile(&sorted, share) - expected).abs() < 1e-12,
                "{share}"
            );
        }
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
    }

    #[test]
    fn the_interval_of_an_accuracy_is_that_of_a_binomial_share() {
        let found = many().intervals(2, &predictions(800, 1000)).unwrap();
        // 0.8 ± 1.96 √(0.8 · 0.2 / 1000); 10,000 resamples estimate the ends to about 3 % of that.
        let half = 1.96 * (0.8f64 * 0.2 / 1000.0).sqrt();
        assert_near(found.accuracy, 0.8, half, 0.1);
    }

    #[test]
    fn the_interval_of_a_difference_is_that_of_two_normal_means() {
        // Two values in equal parts: standard deviations 1 and 2, 400 and 100 of them.
        let values: Vec<f64> = (0..400).map(|i| 5.0 + f64::from(i % 2 * 2 - 1)).collect();
        let others: Vec<f64> = (0..100).map(|i| 3.0 + f64::from(i % 2 * 4 - 2)).collect();
        let half = 1.96 * (1.0f64 / 400.0 + 4.0 / 100.0).sqrt();
        assert_near(many().of_difference(&values, &others), 2.0, half, 0.05);
        let alone = many().of_difference(&[0.5; 7], &[]);
        assert_eq!((alone.low, alone.high), (0.5, 0.5));
    }

    #[test]
    fn a_perfect_network_has_an_interval_of_width_zero() {
        let found = Bootstrap::default()
            .intervals(2, &predictions(50, 50))
            .unwrap();
        let sure = Interval {
            low: 1.0,
            high: 1.0,
        };
        assert_eq!(found.accuracy, sure);
        assert_eq!(found.balanced_accuracy, sure);
        assert_eq!(found.macro_f1, sure);
    }

    #[test]
    fn no_resamples_or_an_invalid_level_are_errors() {
        for (resamples, level) in [(0, 0.95), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
            let bootstrap = Bootstrap {
                resamples,
                level,
                seed: 0,
            };
            assert!(bootstrap.check().is_err(), "{bootstrap:?}");
        }
        assert!(Bootstrap::default().check().is_ok());
    }

    #[test]
    fn all_scores_use_the_same_resamples() {
        let bootstrap = Bootstrap::default();
        let drawn = |count| bootstrap.resampled(count, <[usize]>::to_vec).unwrap();
        assert_eq!(drawn(7), drawn(7));
        assert_eq!(drawn(7).len(), 1000);
        assert!(drawn(7).iter().flatten().all(|&position| position < 7));
        assert!(bootstrap.resampled(0, |_| ()).is_err());
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_its_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let mean = |drawn: &[usize]| {
            let sum: f64 = drawn.iter().map(|&position| values[position]).sum();
            sum / drawn.len() as f64
        };
        let found = many().interval(many().resampled(400, mean).unwrap());
        // 0 … 19 have the mean 9.5 and the variance (20² − 1) / 12.
        let half = 1.96 * (399.0f64 / 12.0 / 400.0).sqrt();
        assert_near(found, 9.5, half, 0.1);
    }

    #[test]
    fn the_interval_depends_on_the_seed() {
        let draw = |seed| {
            let bootstrap = Bootstrap {
                seed,
                ..Bootstrap::default()
            };
            bootstrap.intervals(2, &predictions(311, 577)).unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
