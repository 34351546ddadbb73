//! Symmetric relevance gain: how much more the most relevant pixels matter than the least relevant ones.

use super::covering::Covering;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Curve, Measurement, Metric};
use crate::registry::{Published, Reference};
use crate::{Error, Walks};

/// The area between the curves of the two orders.
pub const SYMMETRIC_RELEVANCE_GAIN: MetricEntry = MetricEntry {
    name: "symmetric-relevance-gain",
    title: "symmetric relevance gain",
    summary: "mean score while the least relevant pixels are covered first, minus the mean score \
              while the most relevant are covered first: 0 for a random order",
    reference: Reference {
        authors: "Blücher, Vielhaben, Strodthoff",
        year: 2024,
        title: "Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI Benchmarks",
        published: Published::Arxiv("2401.06654"),
    },
    question: Question::Faithfulness,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "two partial forward passes per step; none if deletion and insertion are measured, too",
    options: Covering::OPTIONS,
    build: |options| Ok(Box::new(SymmetricRelevanceGain(Covering::new(options)?))),
};

struct SymmetricRelevanceGain(Covering);

impl Metric for SymmetricRelevanceGain {
    fn walks(&self) -> Walks {
        Walks::CHANGES
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let most_first = Curve {
            name: "most relevant first",
            ..self.0.deletion(candidate)?
        };
        let least_first = read_backwards(self.0.insertion(candidate)?, most_first.across);
        let (most, least) = (most_first.area(), least_first.area());
        let gain = least - most;
        let finding = (gain <= 0.0).then(|| {
            "the pixels that this map calls most relevant matter no more for the class than those \
             it calls least relevant"
                .into()
        });
        Ok(Measurement::of(gain)
            .with_figure("area, most relevant first", most)
            .with_figure("area, least relevant first", least)
            .with_curve(most_first)
            .with_curve(least_first)
            .with_finding(finding))
    }
}

/// Insertion in reverse: the least relevant pixels are covered first.
fn read_backwards(insertion: Curve, across: &'static str) -> Curve {
    let points = insertion.points.into_iter().rev();
    Curve {
        name: "least relevant first",
        across,
        points: points.map(|(shown, score)| (1.0 - shown, score)).collect(),
        ..insertion
    }
}
