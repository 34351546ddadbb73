//! Kernel SHAP: Shapley values by weighted least squares over coalitions of segments.

use dvm_options::Count;
use serde_json::{Map, Value};

use super::coalitions::{Coalitions, OverSegments, determination, of_target};
use super::kernel_coalitions;
use super::least_squares::Rows;
use super::segments::SEGMENTS;
use crate::options::{self, BASELINE, SCORE, SEED};
use crate::random::Stream;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{Error, Method, Observation, OptionSpec, Subject, Target};

const SAMPLES: OptionSpec = OptionSpec {
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
    build: |settings| {
        Ok(Box::new(KernelShap {
            over: OverSegments::new(settings, &SCORE)?,
            samples: SAMPLES.of::<Count>(settings)?.0,
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

    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.over.parameters();
        parameters.insert(SAMPLES.name.into(), self.samples.into());
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
        let stream = Stream::new("kernel-shap", self.over.seed);
        let chosen = kernel_coalitions::weighted(count, self.samples, stream);
        // The first shows nothing: the baseline.
        let shown = [vec![false; count], chosen.coalitions].concat();
        let coalitions = Coalitions {
            divided: &divided,
            shown: &shown,
        };
        let scores = subject.scores(&coalitions, targets, self.over.score)?;
        let numbers = subject.numbers()?;
        let segments = divided.segments;
        Ok(Box::new(move |target| {
            let whole = f64::from(target.score(self.over.score, subject.output(), &numbers)?);
            let scores = of_target(&scores, targets, target);
            let rows = Rows {
                rows: &shown[count..],
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
            let names = match chosen.are_all {
                true => ("Shapley values", "share of"),
                false => ("Kernel SHAP", "share of"),
            };
            let values = &fit.coefficients;
            let attribution = self
                .over
                .attribution(subject, target, names, &segments, values)?;
            Ok(crate::Attribution {
                checks: determination(fit.r2).into_iter().collect(),
                ..attribution
            })
        }))
    }
}
