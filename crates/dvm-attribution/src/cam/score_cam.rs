//! Score-CAM.

use dvm_options::{OptionSpec, Takes, words};

use super::augmentation::{augmentations, mean};
use super::layer::{CamLayers, by_channel};
use super::{AUGMENT, RawMap, SMOOTH, Shared, attribution, weighted};
use crate::options::{LAYER, SCORE};
use crate::probe::Variants;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::target::place;
use crate::upsample::{bilinear, extent};
use crate::{Error, Method, Observation, Subject, Target};

/// The weight of a channel.
const CHANNEL_WEIGHTS: OptionSpec = OptionSpec {
    name: "channel-weights",
    takes: Takes::OneOf(Weights::WORDS),
    default: "softmax",
    help: "weight of a channel: the softmax of the scores over all channels (the paper), or the \
           score itself (the authors' code, with `score=probability`)",
};

words! {
    /// The weight of a channel.
    enum Weights {
        /// The softmax of the scores over all channels.
        Softmax = "softmax",
        /// The score.
        Score = "score",
    }
}

/// Every channel weighted by the score of the picture masked with the channel, which is upsampled
/// to the picture's size, then scaled to 0 … 1. A constant channel masks all of the picture.
pub const SCORE_CAM: MethodEntry = MethodEntry {
    name: "score-cam",
    title: "Score-CAM",
    summary: "channels weighted by the class's score for the picture masked with the channel",
    reference: Reference {
        authors: "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu",
        year: 2019,
        title: "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks",
        published: Published::Arxiv("1910.01279"),
    },
    family: Family::Cam,
    cost: "1 pass forward per channel of the layer, for all classes together",
    networks: super::NETWORKS,
    options: &[LAYER, SCORE, AUGMENT, SMOOTH, CHANNEL_WEIGHTS],
    presets: &[],
    build: |options| {
        Ok(Box::new(ScoreCam {
            shared: Shared::new(options)?,
            weights: options.word(&CHANNEL_WEIGHTS)?,
        }))
    },
};

struct ScoreCam {
    shared: Shared,
    weights: Weights,
}

/// A layer's values for one picture, channel by channel.
struct Channels {
    size: (usize, usize),
    count: usize,
    /// `[C, places]`
    values: Vec<f32>,
}

impl Channels {
    fn channel(&self, index: usize) -> &[f32] {
        let places = self.size.0 * self.size.1;
        &self.values[index * places..][..places]
    }

    /// Whether the channel is constant.
    fn is_flat(&self, index: usize) -> bool {
        let channel = self.channel(index);
        channel.iter().all(|v| *v == channel[0])
    }
}

/// The picture, masked with each of some channels.
struct Masked<'v> {
    /// As stored: `H, W, C`.
    picture: &'v [f32],
    /// Rows and columns of the picture.
    size: (usize, usize),
    channels: &'v Channels,
    /// The channels that mask it; in the last variant all of it is masked.
    masks: Vec<usize>,
}

impl Variants for Masked<'_> {
    fn count(&self) -> usize {
        self.masks.len() + 1
    }

    fn variant(&self, _: &[f32], index: usize) -> Option<Vec<f32>> {
        let Some(&channel) = self.masks.get(index) else {
            return Some(vec![0.0; self.picture.len()]);
        };
        let channel = self.channels.channel(channel);
        let mask = bilinear(channel, self.channels.size, self.size);
        let (low, high) = extent(&mask);
        // As in pytorch-grad-cam.
        let range = high - low + 1e-8;
        let pixels = self.picture.chunks_exact(self.picture.len() / mask.len());
        let masked = pixels.zip(&mask).flat_map(|(pixel, &m)| {
            let share = ((f64::from(m) - low) / range) as f32;
            pixel.iter().map(move |v| v * share)
        });
        Some(masked.collect())
    }
}

impl ScoreCam {
    /// The raw maps of every target, of each layer.
    fn maps(
        &self,
        subject: &Subject,
        cam_layers: &CamLayers,
        targets: &[Target],
    ) -> Result<Vec<Vec<RawMap>>, Error> {
        let augmentations = augmentations(self.shared.augment);
        let mut of_targets = vec![Vec::new(); targets.len()];
        let nodes = cam_layers.nodes();
        for (layer, map) in cam_layers.maps.iter().enumerate() {
            let mut of_augmentations: Vec<Vec<RawMap>> = vec![Vec::new(); targets.len()];
            for augmentation in augmentations {
                let picture = augmentation.of(subject);
                let mut values = Vec::new();
                let make = |_: usize| picture.clone();
                let at = (cam_layers.graph, &nodes[layer..=layer]);
                subject.activations_of(1, &make, at, &mut |_, reading| {
                    values = by_channel(map, &reading.activations[0]);
                    Ok(())
                })?;
                let channels = Channels {
                    size: (map.layout.rows, map.layout.columns),
                    count: map.channels,
                    values,
                };
                let own = self.maps_of(subject, &picture, &channels, targets)?;
                for (maps, own) in of_augmentations.iter_mut().zip(own) {
                    maps.push(own);
                }
            }
            for (maps, of_augmentations) in of_targets.iter_mut().zip(of_augmentations) {
                maps.push(mean(augmentations, of_augmentations));
            }
        }
        Ok(of_targets)
    }

    /// The raw map of one layer of one picture for each target.
    fn maps_of(
        &self,
        subject: &Subject,
        picture: &[f32],
        channels: &Channels,
        targets: &[Target],
    ) -> Result<Vec<RawMap>, Error> {
        let masked = Masked {
            picture,
            size: subject.size(),
            channels,
            // Constant channels, which are common after a ReLU, all give the same masked picture.
            masks: (0..channels.count)
                .filter(|&c| !channels.is_flat(c))
                .collect(),
        };
        let scores = subject.scores(&masked, targets, self.shared.score)?;
        let mut variants = vec![masked.masks.len(); channels.count];
        for (variant, &channel) in masked.masks.iter().enumerate() {
            variants[channel] = variant;
        }
        let of_target = |target: usize| {
            let score = |&variant: &usize| f64::from(scores[variant * targets.len() + target]);
            let own: Vec<f64> = variants.iter().map(score).collect();
            let weights = match self.weights {
                Weights::Score => own,
                Weights::Softmax => softmax(&own),
            };
            let shares = weighted(&channels.values, &weights);
            RawMap {
                size: channels.size,
                values: self.shared.reduction().of(&shares, channels.count),
            }
        };
        Ok((0..targets.len()).map(of_target).collect())
    }
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

impl Method for ScoreCam {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let cam_layers = self.shared.layers.find(subject)?;
        let maps = self.maps(subject, &cam_layers, targets)?;
        let outputs = subject.numbers()?.len();
        Ok(Box::new(move |target| {
            let score = self.shared.score.name(subject.output(), outputs);
            let names = ("Score-CAM", "weighted channels", score);
            attribution(
                subject,
                target,
                names,
                &cam_layers,
                maps[place(targets, target)].clone(),
            )
        }))
    }
}
