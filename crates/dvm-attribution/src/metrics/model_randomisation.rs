//! Model randomisation: does the map change when the network's weights are random?

use dvm_options::{Takes, words};

use super::agreement::{is_plain, magnitudes, ranks, spearman, ssim};
use super::options::SEED;
use super::random_weights::{
    Initialisation, LayerGrouping, NOTHING_TO_COMPARE, RandomWeights, Randomised, WEIGHTS,
    fully_random, groups, refuse_plain, relevance_of, relevance_of_random,
};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Curve, Measurement, Metric, agreement};
use crate::random::Stream;
use crate::registry::{Published, Reference};
use crate::upsample::extent;
use crate::{Error, OptionReader, OptionSpec, SettingError, Subject};

const LAYERS: OptionSpec = OptionSpec {
    name: "layers",
    takes: Takes::Text(LayerGrouping::FORM),
    default: "whole",
    help: "layers that are randomised at a time: the whole network at once (one further map), or \
           stage by stage, block by block or layer by layer (one map for each)",
};

const ORDER: OptionSpec = OptionSpec {
    name: "order",
    takes: Takes::Text(Order::FORM),
    default: "top-down",
    help: "order of the layers: from the output, cumulatively; from the input, cumulatively; or \
           each alone, with all other weights unchanged",
};

const SAMPLES: OptionSpec = OptionSpec {
    name: "samples",
    takes: Takes::Text("N"),
    default: "0",
    help: "number of pictures that every map is averaged over, the last without noise (50 in the \
           smooth test of Hedström et al. 2024); 0 for the picture alone",
};

const NOISE: OptionSpec = OptionSpec {
    name: "noise",
    takes: Takes::Text("X"),
    default: "0.1",
    help: "standard deviation of the noise of `samples`, as a share of the range of the picture's normalised values",
};

words! {
    /// The order of the layers.
    enum Order {
        /// From the output to the input, cumulatively.
        TopDown = "top-down",
        /// From the input to the output, cumulatively.
        BottomUp = "bottom-up",
        /// Each alone.
        Independent = "independent",
    }
}

/// Whether the map changes when the network's weights are random.
pub const MODEL_RANDOMISATION: MetricEntry = MetricEntry {
    name: "model-randomisation",
    title: "model randomisation",
    summary: "similarity of the map to that of the same network with random weights (rank correlation of absolute \
              values): close to 1 if the map does not depend on the trained weights",
    reference: Reference {
        authors: "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim",
        year: 2018,
        title: "Sanity Checks for Saliency Maps",
        published: Published::Arxiv("1810.03292"),
    },
    question: Question::Randomisation,
    better: Better::Lower,
    needs: Needs::Method,
    cost: "one map for each group of `layers`, times `samples`",
    options: &[LAYERS, ORDER, WEIGHTS, SAMPLES, NOISE, SEED],
    build: |options| Ok(Box::new(ModelRandomisation::new(options)?)),
};

struct ModelRandomisation {
    layers: LayerGrouping,
    order: Order,
    weights: Initialisation,
    samples: usize,
    noise: f64,
    seed: u64,
}

impl ModelRandomisation {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            noise: options.positive(&NOISE)?,
            layers: options.word(&LAYERS)?,
            order: options.word(&ORDER)?,
            weights: options.word(&WEIGHTS)?,
            samples: options.plain(&SAMPLES)?,
            seed: options.plain(&SEED)?,
        })
    }
}

/// The rank correlation from which a map counts as hardly changed. Maps of unrelated networks are a little similar,
/// too, because both follow the picture. Measured with SqueezeNet 1.1 on two photographs, several seeds and both
/// initialisations: 0.20 to 0.42 for the gradient, 0.19 to 0.51 for input × gradient and integrated gradients, 0.54
/// to 0.58 for deconvnet, 0.58 to 0.64 for guided backprop (once 0.32).
const HARDLY_CHANGED: f64 = 0.5;

/// The rank correlation of a map that hardly changes must also be this many times as high as by chance: a smooth map
/// with few places is similar to any other by chance, and one random network is not enough to judge it.
const ABOVE_CHANCE: f64 = 3.0;

/// The finding if a map hardly changes.
const INDEPENDENT_OF_WEIGHTS: &str = "randomising the network's weights hardly changes this map: it shows edges of \
                                      the picture more than what the network learned";

impl Metric for ModelRandomisation {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let subject = candidate.subject();
        let original = match self.samples {
            0 => candidate.relevance().to_vec(),
            _ => self.smoothed(subject, &|subject| {
                relevance_of(candidate, subject, candidate.target())
            })?,
        };
        refuse_plain(&original)?;
        let original = Original::new(&original, subject.size());
        let draw = RandomWeights {
            initialisation: self.weights,
            seed: self.seed,
        };
        let fully = fully_random(candidate, draw)?;
        let mut groups = groups(subject, self.layers, self.weights)?;
        if self.order == Order::BottomUp {
            groups.reverse();
        }
        let mut randomised = Randomised::new(subject.network(), fully.draw.seed);
        let mut steps = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            if self.order == Order::Independent {
                randomised.restore();
            }
            randomised.randomise(group);
            let is_all =
                index + 1 == groups.len() && (self.order != Order::Independent || index == 0);
            let similarity = if is_all && self.samples == 0 {
                original.similarity(&fully.map)
            } else {
                let network = randomised.network()?;
                let random = subject.with_network(&network, subject.input());
                let map =
                    self.smoothed(&random, &|random| relevance_of_random(candidate, random))?;
                original.similarity(&map)
            };
            steps.push((&group.name[..], similarity));
            subject.progress(index + 1, groups.len());
        }
        Ok(self
            .measured(&steps)
            .with_figure("seed", fully.draw.seed as f64))
    }
}

impl ModelRandomisation {
    /// The mean of the maps of the noisy pictures and the picture without noise, or of the latter alone.
    fn smoothed(
        &self,
        subject: &Subject,
        map: &dyn Fn(&Subject) -> Result<Vec<f32>, Error>,
    ) -> Result<Vec<f32>, Error> {
        let mut sum: Vec<f64> = map(subject)?.into_iter().map(f64::from).collect();
        let values = subject.input().values();
        let (low, high) = extent(values);
        let deviation = self.noise * (high - low);
        for sample in 1..self.samples {
            let name = format!("model-randomisation noise {}", sample - 1);
            let noise = Stream::new(&name, self.seed).normal(values.len());
            let noisy = values.iter().zip(noise);
            let noisy = noisy.map(|(&x, n)| (f64::from(x) + deviation * f64::from(n)) as f32);
            let input = subject
                .preprocess()
                .changed(subject.input(), noisy.collect());
            let found = map(&subject.with_network(subject.network(), &input))?;
            for (sum, value) in sum.iter_mut().zip(found) {
                *sum += f64::from(value);
            }
        }
        let count = self.samples.max(1) as f64;
        Ok(sum.into_iter().map(|sum| (sum / count) as f32).collect())
    }

    /// The measurement of all steps, each with the name of the layers that were randomised last.
    fn measured(&self, steps: &[(&str, Similarity)]) -> Measurement {
        let mean = |of: &dyn Fn(&Similarity) -> f64| {
            steps
                .iter()
                .map(|(_, similarity)| of(similarity))
                .sum::<f64>()
                / steps.len() as f64
        };
        let (_, last) = steps.last().expect("there is at least one group");
        let of_all = Similarity {
            rank: mean(&|l| l.rank),
            signed: mean(&|l| l.signed),
            ssim: mean(&|l| l.ssim),
            chance: mean(&|l| l.chance),
            is_plain: steps.iter().all(|(_, l)| l.is_plain),
        };
        let counts = if self.order == Order::Independent {
            of_all
        } else {
            *last
        };
        let finding = match () {
            () if counts.is_plain => Some(NOTHING_TO_COMPARE.into()),
            () if counts.rank >= (ABOVE_CHANCE * counts.chance).max(HARDLY_CHANGED) => {
                Some(INDEPENDENT_OF_WEIGHTS.into())
            }
            () => None,
        };
        let mut measurement = Measurement::of(counts.rank)
            .with_figure("SSIM", counts.ssim)
            .with_figure("signed rank correlation", counts.signed)
            .with_figure("rank correlation by chance", counts.chance)
            .with_finding(finding);
        if steps.len() == 1 {
            return measurement;
        }
        measurement = measurement
            .with_figure("mean rank correlation", of_all.rank)
            .with_figure("mean SSIM", of_all.ssim);
        for (name, similarity) in steps {
            measurement = measurement
                .with_figure(format!("rank correlation: {name}"), similarity.rank)
                .with_figure(format!("SSIM: {name}"), similarity.ssim);
        }
        let across = match self.order {
            Order::TopDown => "groups of layers randomised, from the output",
            Order::BottomUp => "groups of layers randomised, from the input",
            Order::Independent => "group of layers randomised, counted from the output",
        };
        let curve = |name: &'static str, of: &dyn Fn(&Similarity) -> f64| {
            let unchanged = (self.order != Order::Independent).then_some((0.0, 1.0));
            let steps = steps.iter().enumerate();
            let steps = steps.map(|(index, (_, similarity))| ((index + 1) as f64, of(similarity)));
            Curve {
                name,
                across,
                up: "similarity to the original map",
                points: unchanged.into_iter().chain(steps).collect(),
            }
        };
        measurement
            .with_curve(curve("rank correlation", &|l| l.rank))
            .with_curve(curve("SSIM", &|l| l.ssim))
    }
}

/// The map of the trained network.
struct Original {
    magnitudes: Vec<f32>,
    /// Ranks of the magnitudes.
    ranks: Vec<f64>,
    map: Vec<f32>,
    size: (usize, usize),
}

/// The similarity of another map to the original.
#[derive(Clone, Copy)]
struct Similarity {
    /// Rank correlation of absolute values.
    rank: f64,
    /// Rank correlation.
    signed: f64,
    /// Structural similarity of absolute values.
    ssim: f64,
    /// Root mean square of `rank` over shifts of the other map.
    chance: f64,
    /// Whether the other map is constant.
    is_plain: bool,
}

impl Original {
    fn new(map: &[f32], size: (usize, usize)) -> Self {
        let magnitudes = magnitudes(map);
        Self {
            ranks: ranks(&magnitudes),
            magnitudes,
            map: map.to_vec(),
            size,
        }
    }

    fn similarity(&self, map: &[f32]) -> Similarity {
        let magnitudes = magnitudes(map);
        let others = ranks(&magnitudes);
        Similarity {
            rank: agreement::correlation(&self.ranks, &others),
            chance: self.chance(&others),
            signed: spearman(&self.map, map),
            ssim: ssim(&self.magnitudes, &magnitudes, self.size),
            is_plain: is_plain(map),
        }
    }

    /// The root mean square of the rank correlation with `ranks` shifted to the 24 other places of
    /// a 5×5 grid: the similarity by chance of two maps as smooth as these.
    fn chance(&self, ranks: &[f64]) -> f64 {
        let (height, width) = self.size;
        let mut squares = 0.0;
        for (down, across) in (1..25).map(|place| (place / 5 * height / 5, place % 5 * width / 5)) {
            let rows = (0..height).map(|row| &ranks[(row + down) % height * width..][..width]);
            let shifted: Vec<f64> = rows
                .flat_map(|row| row[across..].iter().chain(&row[..across]).copied())
                .collect();
            squares += agreement::correlation(&self.ranks, &shifted).powi(2);
        }
        (squares / 24.0).sqrt()
    }
}
