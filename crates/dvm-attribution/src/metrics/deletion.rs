//! Deletion: how fast the score falls while the most relevant pixels are covered.

use super::covering::Covering;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::perturbation::rise::RISE;
use crate::{Error, Walks};

/// The area under the score while pixels are covered, the most relevant first.
pub const DELETION: MetricEntry = MetricEntry {
    name: "deletion",
    title: "deletion",
    summary: "mean score while more and more pixels are covered, the most relevant first",
    reference: RISE.reference,
    question: Question::Faithfulness,
    better: Better::Lower,
    needs: Needs::Map,
    cost: "one partial forward pass per step",
    options: Covering::OPTIONS,
    build: |options| Ok(Box::new(Deletion(Covering::new(options)?))),
};

struct Deletion(Covering);

impl Metric for Deletion {
    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let curve = self.0.deletion(candidate)?;
        Ok(Measurement::of(curve.area()).with_curve(curve))
    }
}
