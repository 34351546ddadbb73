//! Kernel SHAP: Shapley values by weighted least squares over coalitions of segments.

use std::rc::Rc;

use super::coalitions::{Coalitions, Explained, OverSegments, determination};
use super::kernel_coalitions;
use super::least_squares::Rows;
use super::segments::SEGMENTS;
use crate::options::{self, BASELINE, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, OptionSpec, Subject, Target};

pub(super) const SAMPLES: OptionSpec = OptionSpec {
    default: "1000",
    ..options::SAMPLES
};

/// Estimated Shapley values of segments; exact if `samples` allows all coalitions.
pub const KERNEL_SHAP: MethodEntry = MethodEntry {
    name: "kernel-shap",
    title: "Kernel SHAP",
    summary: "mean contribution of each segment to the class's score over coalitions of segments (Shapley values), \
              by weighted least squares; the values add up to the score of the picture minus that of the baseline",
    reference: Reference {
        authors: "Lundberg, Lee",
        year: 2017,
        title: "A Unified Approach to Interpreting Model Predictions",
        published: Published::Arxiv("1705.07874"),
    },
    family: Family::Perturbation,
    cost: "one forward pass per sample; 1,000 by default",
    networks: "all",
    options: &[SEGMENTS, SAMPLES, BASELINE, SEED, SCORE],
    presets: &[],
    build: |options| {
        Ok(Box::new(KernelShap {
            over: OverSegments::new(options, &SCORE)?,
            samples: options.count(&SAMPLES)?,
        }))
    },
};

struct KernelShap {
    over: OverSegments,
    samples: usize,
}

impl Method for KernelShap {
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
        let stream = Stream::new("kernel-shap", self.over.seed);
        let chosen = kernel_coalitions::weighted(count, self.samples, stream);
        // The first shows nothing: the baseline.
        let shown = Rc::new([vec![false; count], chosen.coalitions].concat());
        let coalitions = Coalitions {
            divided: &divided,
            shown: &shown,
        };
        let all = shown.clone();
        let explain = move |scores: &[f64], whole: f64| {
            let rows = Rows {
                rows: &all[count..],
                weights: &chosen.weights,
                columns: count,
            };
            let fit = rows.between(&scores[1..], scores[0], whole);
            let fit = fit.ok_or_else(|| {
                Error::Unfit(format!(
                    "{} coalitions do not determine the values of {count} segments; choose more \
                     `samples` or fewer `segments`",
                    chosen.weights.len()
                ))
            })?;
            Ok(Explained {
                title: match chosen.are_all {
                    true => "Shapley values",
                    false => "Kernel SHAP",
                },
                quantity: "share of",
                values: fit.coefficients,
                checks: determination(fit.r2).into_iter().collect(),
            })
        };
        let segments = divided.segments.clone();
        self.over
            .observed(subject, targets, (segments, &coalitions), explain)
    }
}
