//! Infidelity: how far the map's prediction is from the true change of the score when the picture
//! is changed at random.

use dvm_engine::incremental::Rectangle;
use dvm_options::{Takes, words};

use super::options::{BASELINE, LOGIT as SCORE, SEED};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::probe::{Variants, rows_of};
use crate::random::Stream;
use crate::registry::{Published, Reference};
use crate::{Baseline, Error, OptionReader, OptionSpec, Score, SettingError};

const PERTURBATION: OptionSpec = OptionSpec {
    name: "perturbation",
    takes: Takes::Text(Perturbation::FORM),
    default: "square",
    help: "how the picture is changed: a square at a random place shows the baseline, every pixel \
           shows the baseline with the probability `share`, or grey noise with the standard \
           deviation `noise` is subtracted. Use the first two for maps of contributions, which add \
           up to the score, and noise for gradients, such as the gradient summed over channels",
};

const SIDE: OptionSpec = OptionSpec {
    name: "side",
    takes: Takes::Text("P"),
    default: "0.2",
    help: "side of the square, as a share of the picture's shorter side",
};

const SHARE: OptionSpec = OptionSpec {
    name: "share",
    takes: Takes::Text("P"),
    default: "0.2",
    help: "probability that the perturbation `pixels` covers a pixel",
};

const NOISE: OptionSpec = OptionSpec {
    name: "noise",
    takes: Takes::Text("S"),
    default: "0.2",
    help: "standard deviation of the perturbation `noise`, in normalised values",
};

const SAMPLES: OptionSpec = OptionSpec {
    default: "10",
    help: "number of changed pictures",
    ..crate::options::SAMPLES
};

/// The mean squared error of the changes of the score that the map predicts.
pub const INFIDELITY: MetricEntry = MetricEntry {
    name: "infidelity",
    title: "infidelity",
    summary: "how badly the map predicts the effect of random changes of the picture: the mean squared error of \
              the predicted change of the score, after the map is multiplied by the factor that fits best",
    reference: Reference {
        authors: "Yeh, Hsieh, Suggala, Inouye, Ravikumar",
        year: 2019,
        title: "On the (In)fidelity and Sensitivity for Explanations",
        published: Published::Arxiv("1901.09392"),
    },
    question: Question::Faithfulness,
    better: Better::Lower,
    needs: Needs::Map,
    cost: "`samples` forward passes, partial ones for squares",
    options: &[
        PERTURBATION,
        SIDE,
        SHARE,
        NOISE,
        SAMPLES,
        BASELINE,
        SEED,
        SCORE,
    ],
    build: |options| Ok(Box::new(Infidelity::new(options)?)),
};

words! {
    /// How the picture is changed.
    enum Perturbation {
        /// A square shows the baseline.
        Square = "square",
        /// Random pixels show the baseline.
        Pixels = "pixels",
        /// Noise is subtracted.
        Noise = "noise",
    }
}

struct Infidelity {
    perturbation: Perturbation,
    side: f64,
    share: f64,
    noise: f64,
    samples: usize,
    baseline: Baseline,
    seed: u64,
    score: Score,
}

impl Infidelity {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            side: options.share(&SIDE)?,
            share: options.share(&SHARE)?,
            noise: options.positive(&NOISE)?,
            samples: options.count(&SAMPLES)?,
            perturbation: options.word(&PERTURBATION)?,
            baseline: options.written(&BASELINE)?,
            seed: options.plain(&SEED)?,
            score: options.word(&SCORE)?,
        })
    }
}

impl Metric for Infidelity {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let subject = candidate.subject();
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        let perturbed = Perturbed {
            metric: self,
            size: subject.size(),
            baseline: baseline.data(),
        };
        let drops = candidate.drops(&perturbed, self.score)?;
        let predicted: Vec<f64> = (0..self.samples)
            .map(|sample| perturbed.predicted(candidate.relevance(), sample))
            .collect();
        Ok(self.measured(&drops, &predicted))
    }
}

impl Infidelity {
    /// The figures: `drops` is how much each change lowers the score, `predicted` what the unscaled map predicts.
    fn measured(&self, drops: &[f64], predicted: &[f64]) -> Measurement {
        let count = drops.len() as f64;
        let mean = |value: &dyn Fn(f64, f64) -> f64| {
            let pairs = drops.iter().zip(predicted);
            pairs.map(|(&drop, &said)| value(drop, said)).sum::<f64>() / count
        };
        let error = |scale: f64| mean(&|drop, said| (scale * said - drop).powi(2));
        let (both, square) = (
            mean(&|drop, said| drop * said),
            mean(&|_, said| said * said),
        );
        let scale = if square > 0.0 { both / square } else { 0.0 };
        let (infidelity, all) = (error(scale), mean(&|drop, _| drop * drop));
        let unexplained = if all > 0.0 { infidelity / all } else { 0.0 };
        let finding = (scale <= 0.0 && all > 0.0).then(|| {
            "The map predicts drops of the score, but the score does not drop on average.".into()
        });
        Measurement::of(infidelity)
            .with_figure("share unexplained", unexplained)
            .with_figure("best scale", scale)
            .with_figure("without scaling", error(1.0))
            .with_finding(finding)
    }
}

/// Pictures changed at random; the random numbers of each are the stream `infidelity <sample>`.
struct Perturbed<'a> {
    metric: &'a Infidelity,
    /// Rows and columns of the picture.
    size: (usize, usize),
    /// The baseline, as stored: `H, W, C`.
    baseline: &'a [f32],
}

impl Perturbed<'_> {
    fn stream(&self, sample: usize) -> Stream {
        Stream::new(&format!("infidelity {sample}"), self.metric.seed)
    }

    /// The square of a sample: its top row is drawn first, then its left column.
    fn square(&self, sample: usize) -> Rectangle {
        let (height, width) = self.size;
        let shorter = height.min(width);
        let side = (self.metric.side * shorter as f64).round() as usize;
        let side = side.clamp(1, shorter);
        let mut stream = self.stream(sample);
        let top = stream.below(height - side + 1);
        let left = stream.below(width - side + 1);
        Rectangle {
            rows: top..top + side,
            columns: left..left + side,
        }
    }

    /// How much each pixel is changed, `[H, W]`: 1 where it is covered, or the noise that is subtracted.
    fn changes(&self, sample: usize) -> Vec<f32> {
        let (height, width) = self.size;
        let pixels = height * width;
        match self.metric.perturbation {
            Perturbation::Square => {
                let mut changes = vec![0.0; pixels];
                for row in rows_of(&self.square(sample), width, 1) {
                    changes[row].fill(1.0);
                }
                changes
            }
            Perturbation::Pixels => {
                let drawn = self.stream(sample).uniform(pixels).into_iter();
                let covered = drawn.map(|unit| f64::from(unit) < self.metric.share);
                covered
                    .map(|covered| f32::from(u8::from(covered)))
                    .collect()
            }
            Perturbation::Noise => {
                let drawn = self.stream(sample).normal(pixels).into_iter();
                let noise = drawn.map(|value| self.metric.noise * f64::from(value));
                noise.map(|value| value as f32).collect()
            }
        }
    }

    /// The drop that a map `[H, W]` predicts: the sum of its values times the change of each pixel.
    fn predicted(&self, map: &[f32], sample: usize) -> f64 {
        let changes = self.changes(sample);
        let pairs = map.iter().zip(&changes);
        pairs.map(|(&m, &c)| f64::from(m) * f64::from(c)).sum()
    }
}

impl Variants for Perturbed<'_> {
    fn count(&self) -> usize {
        self.metric.samples
    }

    fn rectangle(&self, sample: usize) -> Option<Rectangle> {
        match self.metric.perturbation {
            Perturbation::Square => Some(self.square(sample)),
            Perturbation::Pixels | Perturbation::Noise => None,
        }
    }

    fn variant(&self, picture: &[f32], sample: usize) -> Option<Vec<f32>> {
        let changes = self.changes(sample);
        let channels = picture.len() / changes.len();
        let is_noise = self.metric.perturbation == Perturbation::Noise;
        let all = picture.iter().zip(self.baseline).enumerate();
        let changed = all.map(|(at, (&value, &covered))| match changes[at / channels] {
            change if is_noise => value - change,
            0.0 => value,
            _ => covered,
        });
        let values: Vec<f32> = changed.collect();
        (values != picture).then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn with_defaults() -> Infidelity {
        let settings = Settings::new();
        Infidelity::new(&mut OptionReader::new(INFIDELITY.options, &settings)).unwrap()
    }

    #[test]
    fn the_scale_of_a_map_does_not_matter_but_its_sign_does() {
        let metric = with_defaults();
        let drops = [1.0, 2.0, -1.0];
        let figure = |found: &Measurement, name: &str| {
            let figure = found.figures.iter().find(|f| f.name == name);
            figure.unwrap().value
        };
        let found = metric.measured(&drops, &[10.0, 20.0, -10.0]);
        assert!(found.value < 1e-24 && found.finding.is_none());
        assert!((figure(&found, "best scale") - 0.1).abs() < 1e-12);
        // By hand: (81 + 324 + 81) / 3.
        assert!((figure(&found, "without scaling") - 162.0).abs() < 1e-9);
        let found = metric.measured(&drops, &[-1.0, -2.0, 1.0]);
        assert!(found.finding.is_some());
        // By hand: E[d²] − E[ds]² / E[s²] = 2 − (1/3)² / (1/3).
        let found = metric.measured(&drops, &[1.0, 0.0, 0.0]);
        assert!((found.value - 5.0 / 3.0).abs() < 1e-12);
        assert!((figure(&found, "share unexplained") - 5.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_map_of_zeros_predicts_nothing() {
        let metric = with_defaults();
        let found = metric.measured(&[1.0, -1.0], &[0.0, 0.0]);
        assert_eq!(found.value, 1.0);
        assert!(found.finding.is_some());
    }
}
