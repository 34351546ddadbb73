//! Region perturbation: the mean drop of the score while the first regions are covered.

use dvm_options::{OptionSpec, Takes};

use super::patches::Flipping;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::registry::{Published, Reference};
use crate::{Error, Walks};

const REGIONS: OptionSpec = OptionSpec {
    name: "regions",
    takes: Takes::WholeFrom(1),
    default: "100",
    help: "number of regions to cover; all if the picture has fewer",
};

/// The area over the perturbation curve (AOPC): the mean drop of the score from the picture itself to the
/// last of `L` regions, `1 / (L + 1) · Σ (f(x₀) − f(x_k))` for `k` from 0 to `L`.
pub const REGION_PERTURBATION: MetricEntry = MetricEntry {
    name: "region-perturbation",
    title: "region perturbation",
    summary: "mean drop of the score while the most relevant regions are covered one by one (area over the \
              perturbation curve, AOPC)",
    reference: Reference {
        authors: "Samek, Binder, Montavon, Bach, Müller",
        year: 2015,
        title: "Evaluating the visualization of what a Deep Neural Network has learned",
        published: Published::Arxiv("1509.06321"),
    },
    question: Question::Faithfulness,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "one partial forward pass per region",
    options: OPTIONS,
    build: |options| {
        Ok(Box::new(RegionPerturbation {
            flipping: Flipping::new(options)?,
            regions: options.count(&REGIONS)?,
        }))
    },
};

const OPTIONS: &[OptionSpec] = &{
    let [patch, order, baseline, score, seed] = Flipping::OPTIONS;
    [patch, REGIONS, order, baseline, score, seed]
};

struct RegionPerturbation {
    flipping: Flipping,
    regions: usize,
}

impl Metric for RegionPerturbation {
    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let flipped = self.flipping.flip(candidate, self.regions)?;
        let drops = flipped.after.iter().map(|(_, score)| flipped.whole - score);
        let mean = drops.sum::<f64>() / (flipped.after.len() + 1) as f64;
        Ok(Measurement::of(mean).with_curve(flipped.curve("region perturbation")))
    }
}
