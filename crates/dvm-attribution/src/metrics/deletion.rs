//! Deletion: how fast the score falls while the most relevant pixels are covered.

use serde_json::{Map, Value};

use super::covering::Covering;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::registry::{Published, Reference};
use crate::{Error, Walks};

/// Where deletion and insertion were published.
pub(super) const RISE: Reference = Reference {
    authors: "Petsiuk, Das, Saenko",
    year: 2018,
    title: "RISE: Randomized Input Sampling for Explanation of Black-box Models",
    published: Published::Arxiv("1806.07421"),
};

/// The area under the score while pixels are covered, the most relevant first.
pub const DELETION: MetricEntry = MetricEntry {
    name: "deletion",
    title: "deletion",
    summary: "mean score while more and more pixels are covered, the most relevant first",
    reference: RISE,
    question: Question::Faithfulness,
    better: Better::Lower,
    needs: Needs::Map,
    cost: "one partial forward pass per step",
    options: Covering::OPTIONS,
    build: |settings| Ok(Box::new(Deletion(Covering::new(settings)?))),
};

struct Deletion(Covering);

impl Metric for Deletion {
    fn parameters(&self) -> Map<String, Value> {
        self.0.parameters()
    }

    fn walks(&self) -> Walks {
        Walks {
            changes: true,
            ..Walks::default()
        }
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let curve = self.0.deletion(candidate)?;
        Ok(Measurement::of(curve.area()).with_curve(curve))
    }
}
