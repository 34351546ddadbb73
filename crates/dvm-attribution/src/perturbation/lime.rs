//! LIME: a linear model of the network around the picture, over shown and covered segments.

use std::rc::Rc;

use dvm_options::Takes;

use super::coalitions::{Coalitions, Explained, OverSegments, determination};
use super::kernel_shap::SAMPLES;
use super::least_squares::Rows;
use super::segments::SEGMENTS;
use crate::options::{BASELINE, PROBABILITY as SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Check, Error, Method, Observation, OptionSpec, Subject, Target};

const KERNEL_WIDTH: OptionSpec = OptionSpec {
    name: "kernel-width",
    takes: Takes::Text("NUMBER"),
    default: "0.25",
    help: "width of the kernel that weights samples by their similarity to the picture: exp(−d² / \
           2w²) for width w and cosine distance d to all segments (0 … 1)",
};

const RIDGE: OptionSpec = OptionSpec {
    name: "ridge",
    takes: Takes::Text("NUMBER"),
    default: "1",
    help: "penalty on the squares of the values; 0 for weighted least squares",
};

/// The coefficients of a linear model around the picture.
pub const LIME: MethodEntry = MethodEntry {
    name: "lime",
    title: "LIME",
    summary: "coefficient of each segment in a linear model of the network's score for the picture \
              with segments covered (ridge regression, weighted by similarity to the picture)",
    reference: Reference {
        authors: "Ribeiro, Singh, Guestrin",
        year: 2016,
        title: "\"Why Should I Trust You?\": Explaining the Predictions of Any Classifier",
        published: Published::Arxiv("1602.04938"),
    },
    family: Family::Perturbation,
    cost: "one forward pass per sample; 1,000 by default",
    networks: "all",
    options: &[
        SEGMENTS,
        SAMPLES,
        BASELINE,
        SEED,
        SCORE,
        KERNEL_WIDTH,
        RIDGE,
    ],
    presets: &[],
    build: |options| {
        let width = options.positive(&KERNEL_WIDTH)?;
        if width == 0.0 {
            return Err(KERNEL_WIDTH.refuse(width, "it must be greater than 0"));
        }
        Ok(Box::new(Lime {
            over: OverSegments::new(options, &SCORE)?,
            samples: options.count(&SAMPLES)?,
            width,
            ridge: options.positive(&RIDGE)?,
        }))
    },
};

struct Lime {
    over: OverSegments,
    samples: usize,
    width: f64,
    ridge: f64,
}

impl Lime {
    /// Coalitions `[N, M]`: all segments first, then each segment with probability one half.
    fn drawn(&self, count: usize) -> Vec<bool> {
        let mut shown = vec![true; count];
        for sample in 1..self.samples {
            let mut stream = Stream::new(&format!("lime {sample}"), self.over.seed);
            shown.extend(stream.uniform(count).into_iter().map(|u| u < 0.5));
        }
        shown
    }

    /// The weight of a coalition.
    fn weight(&self, shown: &[bool]) -> f64 {
        let share = shown.iter().filter(|shown| **shown).count() as f64 / shown.len() as f64;
        // The cosine to all segments is the square root of its share.
        let distance = 1.0 - share.sqrt();
        (-0.5 * (distance / self.width).powi(2)).exp()
    }
}

impl Method for Lime {
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
        Coalitions::allow(subject, self.samples.saturating_add(8 * count), count)?;
        let shown = Rc::new(self.drawn(count));
        let weights = shown.chunks_exact(count).map(|row| self.weight(row));
        let weights: Vec<f64> = weights.collect();
        let coalitions = Coalitions {
            divided: &divided,
            shown: &shown,
        };
        let rows = shown.clone();
        let explain = move |scores: &[f64], _: f64| {
            let rows = Rows {
                rows: &rows,
                weights: &weights,
                columns: count,
            };
            let fit = rows.ridge(scores, self.ridge).ok_or_else(|| {
                Error::Unfit(format!(
                    "{} samples do not determine the values of {count} segments; choose more \
                     `samples`, a `ridge` greater than 0, or fewer `segments`",
                    self.samples
                ))
            })?;
            let intercept = Check {
                name: "intercept",
                value: fit.intercept,
                meaning: "the score of the linear model when every segment is covered".into(),
            };
            Ok(Explained {
                title: "LIME",
                quantity: "coefficient of",
                values: fit.coefficients,
                checks: determination(fit.r2)
                    .into_iter()
                    .chain([intercept])
                    .collect(),
            })
        };
        let segments = divided.segments.clone();
        self.over
            .observed(subject, targets, (segments, &coalitions), explain)
    }
}
