//! Efficient model randomisation: does the entropy of the map rise when the network's weights are random?

use dvm_options::Takes;

use super::agreement::is_plain;
use super::options::SEED;
use super::random_weights::{
    Initialisation, NOTHING_TO_COMPARE, RandomWeights, WEIGHTS, fully_random, refuse_plain,
};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::registry::{Published, Reference};
use crate::upsample::extent;
use crate::{Error, OptionReader, OptionSpec, SettingError};

const BINS: OptionSpec = OptionSpec {
    name: "bins",
    takes: Takes::Text("N"),
    default: "100",
    help: "number of intervals in the histogram of the map's values",
};

/// How much the entropy of the map rises when all weights are random.
pub const EFFICIENT_MODEL_RANDOMISATION: MetricEntry = MetricEntry {
    name: "efficient-model-randomisation",
    title: "efficient model randomisation",
    summary: "relative rise of the entropy of the map's values when all weights of the network are \
              random: greater than 0 if the map of the trained network has more structure",
    reference: Reference {
        authors: "Hedström, Weber, Lapuschkin, Höhne",
        year: 2024,
        title: "A Fresh Look at Sanity Checks for Saliency Maps",
        published: Published::Arxiv("2405.02383"),
    },
    question: Question::Randomisation,
    better: Better::Higher,
    needs: Needs::Method,
    cost: "one map",
    options: &[BINS, WEIGHTS, SEED],
    build: |options| Ok(Box::new(Efficient::new(options)?)),
};

struct Efficient {
    bins: usize,
    weights: Initialisation,
    seed: u64,
}

impl Efficient {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let bins = options.count(&BINS)?;
        if !(2..=1 << 16).contains(&bins) {
            return Err(BINS.refuse(bins, "it must be a whole number from 2 to 65536"));
        }
        Ok(Self {
            bins,
            weights: options.word(&WEIGHTS)?,
            seed: options.plain(&SEED)?,
        })
    }
}

impl Metric for Efficient {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        refuse_plain(candidate.relevance())?;
        let before = entropy(candidate.relevance(), self.bins);
        let draw = RandomWeights {
            initialisation: self.weights,
            seed: self.seed,
        };
        let random = fully_random(candidate, draw)?;
        let after = entropy(&random.map, self.bins);
        let finding = is_plain(&random.map).then(|| NOTHING_TO_COMPARE.into());
        Ok(Measurement::of((after - before) / before)
            .with_figure("entropy", before)
            .with_figure("entropy with random weights", after)
            .with_figure("seed", random.draw.seed as f64)
            .with_finding(finding))
    }
}

/// The entropy, in nats, of a histogram with `bins` equal intervals between the smallest and the
/// largest value; 0 if all values are equal.
fn entropy(values: &[f32], bins: usize) -> f64 {
    let (low, high) = extent(values);
    if low >= high {
        return 0.0;
    }
    let mut counts = vec![0usize; bins];
    for &value in values {
        let place = (f64::from(value) - low) / (high - low) * bins as f64;
        counts[(place as usize).min(bins - 1)] += 1;
    }
    let all = values.len() as f64;
    let shares = counts.iter().filter(|&&count| count > 0);
    shares
        .map(|&count| {
            let share = count as f64 / all;
            -share * share.ln()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn the_entropy_is_that_of_a_histogram() {
        // Intervals 0–1 and 1–2: one and three values; the largest value is in the last.
        let by_hand = -(0.25f64 * 0.25f64.ln() + 0.75 * 0.75f64.ln());
        assert!((entropy(&[0.0, 1.0, 1.5, 2.0], 2) - by_hand).abs() < 1e-15);
        assert!((entropy(&[0.0, 1.0, 2.0, 3.0], 4) - 4.0f64.ln()).abs() < 1e-15);
        assert_eq!(entropy(&[3.0; 5], 10), 0.0);
    }

    #[test]
    fn bins_outside_2_to_65536_are_an_error() {
        for bins in ["0", "1", "65537", "many"] {
            let settings = Settings::new().with("bins", bins);
            let made = EFFICIENT_MODEL_RANDOMISATION.metric(&settings);
            assert!(made.is_err(), "{bins}");
        }
    }
}
