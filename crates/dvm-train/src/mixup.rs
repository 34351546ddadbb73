//! Mixup: mixed pictures with mixed targets.

use dvm_data::random;
use rand_distr::{Beta, Distribution};
use rayon::prelude::*;

use crate::{Error, Mixture, Targets};

/// Mixup (arXiv 1710.09412) as timm does it for whole batches: every picture is mixed with its
/// counterpart from the other end of the batch. The share is drawn from Beta(alpha, alpha) for each
/// step.
#[derive(Clone, Copy, Debug)]
pub struct Mixup {
    shares: Beta<f64>,
}

impl Mixup {
    /// Mixup with this `alpha`, which must be greater than 0. Small values mix little; with 1 all
    /// shares are equally likely.
    ///
    /// # Errors
    /// [`Error::OptionValue`] if it is not greater than 0.
    pub fn new(alpha: f64) -> Result<Self, Error> {
        let refuse = || Error::OptionValue {
            owner: "mixup".into(),
            option: "alpha".into(),
            value: alpha.to_string(),
            expected: "a number greater than 0".into(),
        };
        if !alpha.is_finite() {
            return Err(refuse());
        }
        let shares = Beta::new(alpha, alpha).map_err(|_| refuse())?;
        Ok(Self { shares })
    }

    /// The share of the picture itself in this step, 0…1. It depends only on seed and step.
    pub fn share(&self, seed: u64, step: u64) -> f32 {
        let share = self
            .shares
            .sample(&mut random::stream(seed, &[STREAM, step]));
        share.clamp(0.0, 1.0) as f32
    }

    /// Mixes a batch in place and returns its targets. `values` are the pictures one after the
    /// other, in any layout.
    ///
    /// # Panics
    /// If `values` cannot be divided evenly among the pictures.
    pub fn mix(&self, values: &mut [f32], classes: &[usize], seed: u64, step: u64) -> Targets {
        mix(values, classes, self.share(seed, step))
    }
}

/// Separates these random streams from others of the same seed.
const STREAM: u64 = u64::from_be_bytes(*b"mixup   ");

fn mix(values: &mut [f32], classes: &[usize], share: f32) -> Targets {
    let count = classes.len();
    if count > 0 {
        assert_eq!(values.len() % count, 0, "pictures of different sizes");
        let picture = values.len() / count;
        // The middle picture of an odd batch is its own counterpart.
        let (first, second) = values.split_at_mut(count / 2 * picture);
        if picture > 0 {
            let pairs = first.par_chunks_exact_mut(picture);
            pairs
                .zip(second.par_chunks_exact_mut(picture).rev())
                .for_each(|(first, second)| {
                    for (a, b) in first.iter_mut().zip(second) {
                        (*a, *b) = (
                            *a * share + *b * (1.0 - share),
                            *b * share + *a * (1.0 - share),
                        );
                    }
                });
        }
    }
    let both = classes.iter().zip(classes.iter().rev());
    Targets::Mixtures(
        both.map(|(&first, &second)| Mixture {
            first,
            second,
            share,
        })
        .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counterparts_come_from_the_other_end() {
        let mut values = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let targets = mix(&mut values, &[3, 4, 5], 0.75);
        assert_eq!(values, [5.0, 6.0, 10.0, 11.0, 15.0, 16.0]);
        let mixture = |first, second| Mixture {
            first,
            second,
            share: 0.75,
        };
        let expected = vec![mixture(3, 5), mixture(4, 4), mixture(5, 3)];
        assert_eq!(targets, Targets::Mixtures(expected));
    }

    #[test]
    fn an_empty_batch_stays_empty() {
        assert!(mix(&mut [], &[], 0.5).is_empty());
    }

    #[test]
    fn shares_depend_on_seed_and_step_only() {
        let mixup = Mixup::new(0.4).unwrap();
        assert_eq!(mixup.share(1, 5), mixup.share(1, 5));
        assert_ne!(mixup.share(1, 5), mixup.share(1, 6));
        assert_ne!(mixup.share(1, 5), mixup.share(2, 5));
    }

    #[test]
    fn shares_have_the_moments_of_their_beta_distribution() {
        for alpha in [0.2, 1.0, 4.0] {
            let mixup = Mixup::new(alpha).unwrap();
            let count = 20_000u32;
            let shares = || (0..count).map(|step| f64::from(mixup.share(7, step.into())));
            let mean = shares().sum::<f64>() / f64::from(count);
            let square = shares().map(|x| (x - 0.5).powi(2)).sum::<f64>() / f64::from(count);
            // Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)); four standard errors.
            let variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            let error = 4.0 * (variance / f64::from(count)).sqrt();
            assert!((mean - 0.5).abs() < error, "alpha {alpha}: mean {mean}");
            assert!(
                (square / variance - 1.0).abs() < 0.05,
                "alpha {alpha}: {square}"
            );
        }
    }

    #[test]
    fn an_alpha_that_is_not_greater_than_zero_is_an_error() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Mixup::new(alpha).unwrap_err().to_string();
            assert!(
                error.ends_with("it must be a number greater than 0"),
                "{error}"
            );
        }
    }
}
