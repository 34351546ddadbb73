//! Pixel flipping: how fast the score falls while patches are covered one by one.

use dvm_options::OptionSpec;

use super::patches::Flipping;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::registry::{Published, Reference};
use crate::{Error, Walks};

/// The area under the score while all patches are covered one by one.
pub const PIXEL_FLIPPING: MetricEntry = MetricEntry {
    name: "pixel-flipping",
    title: "pixel flipping",
    summary: "mean score while patches are covered one by one until nothing is left, the most relevant first",
    reference: Reference {
        authors: "Bach, Binder, Montavon, Klauschen, Müller, Samek",
        year: 2015,
        title: "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation",
        published: Published::Doi("10.1371/journal.pone.0130140"),
    },
    question: Question::Faithfulness,
    better: Better::Lower,
    needs: Needs::Map,
    cost: "one partial forward pass per patch",
    options: OPTIONS,
    build: |options| Ok(Box::new(PixelFlipping(Flipping::new(options)?))),
};

const OPTIONS: &[OptionSpec] = &Flipping::OPTIONS;

struct PixelFlipping(Flipping);

impl Metric for PixelFlipping {
    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let curve = self.0.flip(candidate, usize::MAX)?.curve("pixel flipping");
        Ok(Measurement::of(curve.area()).with_curve(curve))
    }
}
