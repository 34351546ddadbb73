//! Shapley sampling: segments are shown one after another in random orders.

use super::coalitions::{Coalitions, Explained, OverSegments, standard_error};
use super::segments::SEGMENTS;
use crate::options::{self, BASELINE, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, OptionSpec, Subject, Target};

const SAMPLES: OptionSpec = OptionSpec {
    help: "number of random orders of the segments",
    ..options::SAMPLES
};

/// Shapley values of segments, as the mean over random orders.
pub const SHAPLEY_SAMPLING: MethodEntry = MethodEntry {
    name: "shapley-sampling",
    title: "Shapley sampling",
    summary: "mean contribution of each segment to the class's score when segments are shown one \
              after another in random orders (Shapley values); the values add up to the score of \
              the picture minus that of the baseline",
    reference: Reference {
        authors: "Castro, Gómez, Tejada",
        year: 2009,
        title: "Polynomial calculation of the Shapley value based on sampling",
        published: Published::Doi("10.1016/j.cor.2008.04.004"),
    },
    family: Family::Perturbation,
    cost: "one forward pass per segment and order; 25 orders by default",
    networks: "all",
    options: &[SEGMENTS, SAMPLES, BASELINE, SEED, SCORE],
    presets: &[],
    build: |options| {
        Ok(Box::new(ShapleySampling {
            over: OverSegments::new(options, &SCORE)?,
            samples: options.count(&SAMPLES)?,
        }))
    },
};

struct ShapleySampling {
    over: OverSegments,
    samples: usize,
}

impl Method for ShapleySampling {
    fn shares_walks(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let divided = self.over.divided(subject)?;
        let count = divided.segments.count;
        Coalitions::allow(subject, self.samples.saturating_mul(count), count)?;
        let orders: Vec<Vec<usize>> = (0..self.samples)
            .map(|i| {
                Stream::new(&format!("shapley-sampling {i}"), self.over.seed).permutation(count)
            })
            .collect();
        let shown = growing(&orders, count);
        let coalitions = Coalitions {
            divided: &divided,
            shown: &shown,
        };
        let explain = move |scores: &[f64], whole: f64| {
            let (means, errors) = gains(&orders, scores, whole);
            let check = errors.map(|errors| standard_error(&errors, &means, true));
            Ok(Explained {
                title: "Shapley sampling",
                quantity: "share of",
                values: means,
                checks: check.into_iter().collect(),
            })
        };
        let segments = divided.segments.clone();
        self.over
            .observed(subject, targets, (segments, &coalitions), explain)
    }
}

/// Coalitions `[1 + orders · (M − 1), M]`: the empty one, and for each order those of its first 1,
/// 2, … M − 1 segments.
fn growing(orders: &[Vec<usize>], count: usize) -> Vec<bool> {
    let mut shown = vec![false; count];
    for order in orders {
        let mut row = vec![false; count];
        for &segment in &order[..count - 1] {
            row[segment] = true;
            shown.extend(&row);
        }
    }
    shown
}

/// The mean contribution of each segment, and its standard error if there are several orders.
/// `scores` are those of [`growing`], `whole` that of the picture.
fn gains(orders: &[Vec<usize>], scores: &[f64], whole: f64) -> (Vec<f64>, Option<Vec<f64>>) {
    let count = orders[0].len();
    let number = orders.len() as f64;
    let of_order = |index: usize| {
        let own = &scores[1 + index * (count - 1)..][..count - 1];
        let before = scores[..1].iter().chain(own);
        let after = own.iter().chain([&whole]);
        let mut gains = vec![0.0; count];
        for ((segment, before), after) in orders[index].iter().zip(before).zip(after) {
            gains[*segment] = after - before;
        }
        gains
    };
    let mut means = vec![0.0; count];
    for index in 0..orders.len() {
        for (mean, gain) in means.iter_mut().zip(of_order(index)) {
            *mean += gain / number;
        }
    }
    if orders.len() == 1 {
        return (means, None);
    }
    let mut squares = vec![0.0; count];
    for index in 0..orders.len() {
        for ((square, gain), mean) in squares.iter_mut().zip(of_order(index)).zip(&means) {
            *square += (gain - mean).powi(2);
        }
    }
    let error = |square: f64| (square / (number - 1.0) / number).sqrt();
    (means, Some(squares.into_iter().map(error).collect()))
}
