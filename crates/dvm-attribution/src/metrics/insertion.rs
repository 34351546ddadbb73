//! Insertion: how fast the score rises while the most relevant pixels are shown on the baseline.

use super::covering::Covering;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::perturbation::rise::RISE;
use crate::{Error, Walks};

/// The area under the score while pixels are shown, the most relevant first.
pub const INSERTION: MetricEntry = MetricEntry {
    name: "insertion",
    title: "insertion",
    summary: "mean score while more and more pixels are shown on the baseline, the most relevant first",
    reference: RISE.reference,
    question: Question::Faithfulness,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "one partial forward pass per step",
    options: Covering::OPTIONS,
    build: |options| Ok(Box::new(Insertion(Covering::new(options)?))),
};

struct Insertion(Covering);

impl Metric for Insertion {
    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let curve = self.0.insertion(candidate)?;
        Ok(Measurement::of(curve.area()).with_curve(curve))
    }
}
