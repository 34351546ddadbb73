//! Max-sensitivity: how much the map changes when the picture changes a little.

use dvm_options::Takes;

use super::infidelity::INFIDELITY;
use super::options::SEED;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::random::Stream;
use crate::{Error, OptionReader, OptionSpec, SettingError, options};

const RADIUS: OptionSpec = OptionSpec {
    name: "radius",
    takes: Takes::Text("R"),
    default: "0.02",
    help: "largest change of a normalised value, up or down",
};

const SAMPLES: OptionSpec = OptionSpec {
    default: "10",
    help: "number of noisy pictures",
    ..options::SAMPLES
};

/// The largest relative change of the map for pictures with a little noise.
pub const MAX_SENSITIVITY: MetricEntry = MetricEntry {
    name: "max-sensitivity",
    title: "max-sensitivity",
    summary: "largest change of the map, relative to the map, over some pictures with a little random noise",
    reference: INFIDELITY.reference,
    question: Question::Robustness,
    better: Better::Lower,
    needs: Needs::Method,
    cost: "`samples` maps of the method",
    options: &[RADIUS, SAMPLES, SEED],
    build: |options| Ok(Box::new(MaxSensitivity::new(options)?)),
};

struct MaxSensitivity {
    radius: f64,
    samples: usize,
    seed: u64,
}

impl MaxSensitivity {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            radius: options.positive(&RADIUS)?,
            samples: options.count(&SAMPLES)?,
            seed: options.plain(&SEED)?,
        })
    }

    /// Values `[C, H, W]` with uniform noise in ± the radius. The noise is the stream
    /// `max-sensitivity <sample>`, in the order of `values`.
    fn moved(&self, values: &[f32], sample: usize) -> Vec<f32> {
        let mut stream = Stream::new(&format!("max-sensitivity {sample}"), self.seed);
        let drawn = stream.uniform(values.len());
        let moved = |(&value, unit): (&f32, f32)| {
            (f64::from(value) + self.radius * (2.0 * f64::from(unit) - 1.0)) as f32
        };
        values.iter().zip(drawn).map(moved).collect()
    }
}

impl Metric for MaxSensitivity {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let subject = candidate.subject();
        let own = candidate.relevance();
        let size = norm(own.iter().copied());
        let values = subject.input().values();
        let (mut largest, mut sum) = (0.0f64, 0.0);
        for sample in 0..self.samples {
            let moved = self.moved(values, sample);
            let input = subject.preprocess().changed(subject.input(), moved);
            let other = candidate.relevance_of_changed(&input)?;
            let change = norm(own.iter().zip(&other).map(|(own, other)| own - other));
            let relative = match (change == 0.0, size == 0.0) {
                (true, _) => 0.0,
                (false, false) => change / size,
                (false, true) => {
                    let why = "the map is zero everywhere, so a relative change cannot be measured";
                    return Err(Error::Unfit(why.into()));
                }
            };
            largest = largest.max(relative);
            sum += relative;
            subject.progress(sample + 1, self.samples);
        }
        let finding = (largest >= 1.0).then(|| {
            format!(
                "Noise of ±{} in normalised values changes the map by as much as its own size.",
                self.radius
            )
        });
        Ok(Measurement::of(largest)
            .with_figure("mean change", sum / self.samples as f64)
            .with_finding(finding))
    }
}

/// The square root of the sum of squares.
fn norm(values: impl Iterator<Item = f32>) -> f64 {
    let squares = values.map(|value| f64::from(value) * f64::from(value));
    squares.sum::<f64>().sqrt()
}
