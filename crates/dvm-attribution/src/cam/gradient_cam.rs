//! Class activation maps that are a formula of a layer's activations and their gradients.

use dvm_engine::FeatureMap;
use dvm_engine::rules::Composite;

use super::augmentation::{augmentations, mean};
use super::first_component::{along, first_component, largest_positive};
use super::layer::{CamLayers, by_channel};
use super::{AUGMENT, RawMap, SMOOTH, Shared, attribution, weighted};
use crate::options::{LAYER, SCORE};
use crate::probe::{GradientRequest, GradientResult};
use crate::{
    Error, Method, Observation, OptionReader, OptionSpec, Score, SettingError, Subject, Target,
    Walks,
};

/// Options of all methods of this kind.
pub(crate) const OPTIONS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT, SMOOTH];

/// Options of those whose map is a first component.
pub(crate) const OPTIONS_OF_COMPONENTS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT];

/// Activations and gradients of one layer for one picture, channel by channel, `[C, places]`.
pub(crate) struct LayerGradients {
    pub size: (usize, usize),
    pub channels: usize,
    pub activations: Vec<f32>,
    /// Of the target's score with respect to the activations.
    pub gradients: Vec<f32>,
}

impl LayerGradients {
    /// The activations of each channel times its weight, which `weight` computes from its activations and gradients.
    pub fn weighted(&self, weight: impl Fn(&[f32], &[f32]) -> f64) -> Vec<f32> {
        let places = self.size.0 * self.size.1;
        let channels = self.activations.chunks_exact(places);
        let channels = channels.zip(self.gradients.chunks_exact(places));
        let weights: Vec<f64> = channels.map(|(a, g)| weight(a, g)).collect();
        weighted(&self.activations, &weights)
    }

    /// A function of each activation and its gradient.
    pub fn each(&self, share: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let pairs = self.activations.iter().zip(&self.gradients);
        pairs.map(|(&a, &g)| share(a, g)).collect()
    }

    fn add(&mut self, gradients: &[f32], factor: f64) {
        for (sum, &g) in self.gradients.iter_mut().zip(gradients) {
            *sum = (f64::from(*sum) + factor * f64::from(g)) as f32;
        }
    }
}

/// How the values `[C, places]` of all channels become one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Their sum.
    Sum,
    /// Their first principal component, with the sign that correlates with the sum.
    Smooth,
    /// Their first principal component, with the sign that makes its value of largest magnitude positive.
    FirstComponent,
}

impl Reduction {
    /// One value per place.
    pub fn of(self, shares: &[f32], channels: usize) -> Vec<f32> {
        let places = shares.len() / channels;
        let sum = || {
            let mut sum = vec![0.0f64; places];
            for channel in shares.chunks_exact(places) {
                for (sum, &v) in sum.iter_mut().zip(channel) {
                    *sum += f64::from(v);
                }
            }
            sum
        };
        let map = match self {
            Self::Sum => sum(),
            Self::Smooth => along(first_component(shares, channels, true), &sum()),
            Self::FirstComponent => largest_positive(first_component(shares, channels, true)),
        };
        map.into_iter().map(|v| v as f32).collect()
    }
}

/// What is explained: a weighted sum of scores.
pub(crate) type WeightedTargets = Vec<(Target, Score, f64)>;

/// Chooses the weighted sum that is explained for a target and a score.
pub(crate) type ChooseTargets =
    Box<dyn Fn(&Subject, &Target, Score) -> Result<WeightedTargets, Error> + Send + Sync>;

/// A class activation map from gradients.
pub(crate) struct GradientCam {
    pub title: &'static str,
    /// What the map's values are.
    pub quantity: &'static str,
    /// The contribution of each channel and position, `[C, places]`.
    pub shares: fn(&LayerGradients) -> Vec<f32>,
    pub reduction: Reduction,
    /// What is explained instead of the target's own score.
    pub targets: Option<ChooseTargets>,
    pub shared: Shared,
}

impl GradientCam {
    /// A formula whose contributions are summed over channels.
    pub fn new(
        (title, quantity): (&'static str, &'static str),
        shares: fn(&LayerGradients) -> Vec<f32>,
        options: &mut OptionReader,
    ) -> Result<Self, SettingError> {
        let shared = Shared::new(options)?;
        Ok(Self {
            title,
            quantity,
            shares,
            reduction: shared.reduction(),
            targets: None,
            shared,
        })
    }

    /// The same as a method.
    pub fn boxed(
        names: (&'static str, &'static str),
        shares: fn(&LayerGradients) -> Vec<f32>,
        options: &mut OptionReader,
    ) -> Result<Box<dyn Method>, SettingError> {
        Ok(Box::new(Self::new(names, shares, options)?))
    }

    /// The raw map of each layer.
    pub fn maps(
        &self,
        subject: &Subject,
        cam_layers: &CamLayers,
        target: &Target,
    ) -> Result<Vec<RawMap>, Error> {
        let targets = match &self.targets {
            Some(choose) => choose(subject, target, self.shared.score)?,
            None => vec![(target.clone(), self.shared.score, 1.0)],
        };
        let augmentations = augmentations(self.shared.augment);
        let of_augmentations = layer_gradients(subject, cam_layers, &targets, self.shared.augment)?;
        let of_layer = |layer: usize| {
            let maps = of_augmentations.iter().map(|layers: &Vec<LayerGradients>| {
                let found = &layers[layer];
                RawMap {
                    size: found.size,
                    values: self.reduction.of(&(self.shares)(found), found.channels),
                }
            });
            mean(augmentations, maps)
        };
        Ok((0..cam_layers.maps.len()).map(of_layer).collect())
    }
}

/// Activations and gradients of every layer, for each augmentation.
fn layer_gradients(
    subject: &Subject,
    cam_layers: &CamLayers,
    targets: &WeightedTargets,
    augment: bool,
) -> Result<Vec<Vec<LayerGradients>>, Error> {
    let mut all: Vec<Vec<LayerGradients>> = Vec::new();
    for (target, score, factor) in targets {
        let mut note = |augmentation: usize, answer: &GradientResult| {
            if all.len() == augmentation {
                all.push(activations_only(&cam_layers.maps, answer));
            }
            for (index, map) in cam_layers.maps.iter().enumerate() {
                all[augmentation][index].add(&by_channel(map, &answer.gradients[index]), *factor);
            }
        };
        let ask = GradientRequest {
            target,
            score: *score,
            composite: &Composite::new(),
            graph: cam_layers.graph,
            nodes: cam_layers.nodes(),
        };
        if augment {
            let augmentations = augmentations(true);
            let make = |index: usize| augmentations[index].of(subject);
            subject.gradients_of(augmentations.len(), &make, &ask, &mut |index, answer| {
                note(index, &answer);
                Ok(())
            })?;
        } else {
            note(0, &subject.gradients(&ask)?);
        }
    }
    Ok(all)
}

/// The activations of one picture, with gradients of 0.
fn activations_only(maps: &[FeatureMap], answer: &GradientResult) -> Vec<LayerGradients> {
    let layers = maps.iter().zip(&answer.activations);
    layers
        .map(|(map, value)| LayerGradients {
            size: (map.layout.rows, map.layout.columns),
            channels: map.channels,
            activations: by_channel(map, value),
            gradients: vec![0.0; map.channels * map.layout.count()],
        })
        .collect()
}

impl Method for GradientCam {
    fn walks(&self) -> Walks {
        match self.shared.augment {
            true => Walks::default(),
            false => Walks::BACKWARD,
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let cam_layers = self.shared.layers.find(subject)?;
        let is_shared = std::ptr::eq(cam_layers.graph, subject.network().folded());
        // Kept until all maps are made, so that all use one forward pass.
        let forward = match is_shared && !self.shared.augment {
            true => Some(subject.forward()?),
            false => None,
        };
        Ok(Box::new(move |target| {
            let _held = &forward;
            let maps = self.maps(subject, &cam_layers, target)?;
            let outputs = subject.numbers()?.len();
            let score = self.shared.score.name(subject.output(), outputs);
            let names = (self.title, self.quantity, score);
            attribution(subject, target, names, &cam_layers, maps)
        }))
    }
}
