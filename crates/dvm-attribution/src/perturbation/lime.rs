//! LIME: a linear model of the network around the picture, over shown and covered segments.

use dvm_options::{Count, Positive, Takes};
use serde_json::{Map, Value};

use super::coalitions::{Coalitions, OverSegments, determination, of_target};
use super::least_squares::Rows;
use super::segments::SEGMENTS;
use crate::options::{self, BASELINE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Attribution, Check, Error, Method, Observation, OptionSpec, Subject, Target};

const SAMPLES: OptionSpec = OptionSpec {
    default: "1000",
    ..options::SAMPLES
};

const SCORE: OptionSpec = OptionSpec {
    default: "probability",
    ..options::SCORE
};

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
    build: |settings| {
        let width = KERNEL_WIDTH.of::<Positive>(settings)?.0;
        if width == 0.0 {
            return Err(KERNEL_WIDTH.refuse(width, "it must be greater than 0"));
        }
        Ok(Box::new(Lime {
            over: OverSegments::new(settings, &SCORE)?,
            samples: SAMPLES.of::<Count>(settings)?.0,
            width,
            ridge: RIDGE.of::<Positive>(settings)?.0,
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

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.over.parameters();
        parameters.insert(SAMPLES.name.into(), self.samples.into());
        parameters.insert(KERNEL_WIDTH.name.into(), self.width.into());
        parameters.insert(RIDGE.name.into(), self.ridge.into());
        parameters
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let divided = self.over.divided(subject)?;
        let count = divided.segments.count;
        Coalitions::allow(subject, self.samples.saturating_add(8 * count), count)?;
        let shown = self.drawn(count);
        let weights: Vec<f64> = shown
            .chunks_exact(count)
            .map(|row| self.weight(row))
            .collect();
        let coalitions = Coalitions {
            divided: &divided,
            shown: &shown,
        };
        let scores = subject.scores(&coalitions, targets, self.over.score)?;
        let segments = divided.segments;
        Ok(Box::new(move |target| {
            let scores = of_target(&scores, targets, target);
            let rows = Rows {
                rows: &shown,
                weights: &weights,
                columns: count,
            };
            let fit = rows.ridge(&scores, self.ridge).ok_or_else(|| {
                Error::Unfit(format!(
                    "{} samples do not determine the values of {count} segments; choose more \
                     `samples`, a `ridge` greater than 0, or fewer `segments`",
                    self.samples
                ))
            })?;
            let names = ("LIME", "coefficient of");
            let values = &fit.coefficients;
            let attribution = self
                .over
                .attribution(subject, target, names, &segments, values)?;
            Ok(Attribution {
                checks: determination(fit.r2)
                    .into_iter()
                    .chain([Check {
                        name: "intercept",
                        value: fit.intercept,
                        meaning: "the score of the linear model when every segment is covered"
                            .into(),
                    }])
                    .collect(),
                ..attribution
            })
        }))
    }
}
