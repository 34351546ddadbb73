//! Class activation maps that are a formula of a layer's activations and their gradient.

use dvm_engine::FeatureMap;
use dvm_engine::rules::Composite;
use serde_json::{Map, Value};

use super::first_component::{along, first_component, largest_positive};
use super::layer::{Looked, by_channel};
use super::views::{mean, views};
use super::{AUGMENT, Names, RawMap, SMOOTH, Shared, attribution};
use crate::options::{LAYER, SCORE};
use crate::probe::{Answer, Ask};
use crate::{
    Error, Method, Observation, OptionSpec, Score, SettingError, Settings, Subject, Target, Walks,
};

/// Options of all methods of this kind.
pub(crate) const OPTIONS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT, SMOOTH];

/// Options of those whose map is a first component anyway.
pub(crate) const OPTIONS_OF_COMPONENTS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT];

/// What was found of one layer of one picture, channel by channel, `[C, places]`.
pub(crate) struct Found {
    pub size: (usize, usize),
    pub channels: usize,
    pub activations: Vec<f32>,
    /// Of the target's score with respect to the activations.
    pub gradients: Vec<f32>,
}

impl Found {
    fn places(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// The activations of each channel times its weight, which follows from its activations and gradients.
    pub fn weighted(&self, weight: impl Fn(&[f32], &[f32]) -> f64) -> Vec<f32> {
        let places = self.places();
        let channels = self.activations.chunks_exact(places);
        let channels = channels.zip(self.gradients.chunks_exact(places));
        let mut shares = Vec::with_capacity(self.activations.len());
        for (activations, gradients) in channels {
            let weight = weight(activations, gradients);
            let own = activations.iter().map(|&a| (weight * f64::from(a)) as f32);
            shares.extend(own);
        }
        shares
    }

    /// A share of each activation and its gradient.
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

/// How the shares `[C, places]` of all channels become one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Their sum.
    Sum,
    /// Their first principal component, of the sign that goes with the sum.
    Smooth,
    /// Their first principal component, whose value of the largest magnitude is positive.
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

/// What is explained: a sum of scores of targets, each with a factor.
pub(crate) type Mixture = Vec<(Target, Score, f64)>;

/// Makes a mixture of a target: of the network's numbers, and of which score of it is explained.
pub(crate) type Mix = Box<dyn Fn(&Subject, &Target, Score) -> Result<Mixture, Error> + Send + Sync>;

/// A class activation map from gradients: a formula.
pub(crate) struct GradientCam {
    pub title: &'static str,
    /// What the map's values are.
    pub quantity: &'static str,
    /// Which share each channel and place has, `[C, places]`.
    pub shares: fn(&Found) -> Vec<f32>,
    pub reduction: Reduction,
    pub options: &'static [OptionSpec],
    /// What else is in the record.
    pub parameters: Map<String, Value>,
    /// What is explained instead of the target's own score.
    pub mix: Option<Mix>,
    pub shared: Shared,
}

impl GradientCam {
    /// A formula whose shares are added up.
    pub fn new(
        (title, quantity): (&'static str, &'static str),
        shares: fn(&Found) -> Vec<f32>,
        settings: &Settings,
    ) -> Result<Self, SettingError> {
        let shared = Shared::new(settings)?;
        Ok(Self {
            title,
            quantity,
            shares,
            reduction: if shared.smooth {
                Reduction::Smooth
            } else {
                Reduction::Sum
            },
            options: OPTIONS,
            parameters: Map::new(),
            mix: None,
            shared,
        })
    }

    /// The raw map of each layer.
    pub fn maps(
        &self,
        subject: &Subject,
        looked: &Looked,
        target: &Target,
    ) -> Result<Vec<RawMap>, Error> {
        let own = || vec![(target.clone(), self.shared.score, 1.0)];
        let mixture = match &self.mix {
            Some(mix) => mix(subject, target, self.shared.score)?,
            None => own(),
        };
        let views = views(self.shared.augment);
        let of_views = found(subject, looked, &mixture, self.shared.augment)?;
        let of_layer = |layer: usize| {
            let maps = of_views.iter().map(|layers: &Vec<Found>| {
                let found = &layers[layer];
                RawMap {
                    size: found.size,
                    values: self.reduction.of(&(self.shares)(found), found.channels),
                }
            });
            mean(views, maps)
        };
        Ok((0..looked.maps.len()).map(of_layer).collect())
    }
}

/// Activations and gradients of every layer, for the picture itself or for all its views.
fn found(
    subject: &Subject,
    looked: &Looked,
    mixture: &Mixture,
    augment: bool,
) -> Result<Vec<Vec<Found>>, Error> {
    let mut all: Vec<Vec<Found>> = Vec::new();
    let nodes = looked.nodes();
    for (target, score, factor) in mixture {
        let mut note = |view: usize, answer: &Answer| {
            if all.len() == view {
                all.push(begun(&looked.maps, answer));
            }
            for (index, map) in looked.maps.iter().enumerate() {
                all[view][index].add(&by_channel(map, &answer.gradients[index]), *factor);
            }
        };
        let ask = Ask {
            target,
            score: *score,
            composite: &Composite::new(),
            graph: looked.graph,
            nodes: &nodes,
        };
        if augment {
            let views = views(true);
            let make = |index: usize| views[index].of(subject);
            subject.gradients_of(views.len(), &make, &ask, &mut |view, answer| {
                note(view, &answer);
                Ok(())
            })?;
        } else {
            note(0, &subject.gradients(&ask)?);
        }
    }
    Ok(all)
}

/// The activations of one picture, without gradients yet.
fn begun(maps: &[FeatureMap], answer: &Answer) -> Vec<Found> {
    let layers = maps.iter().zip(&answer.activations);
    layers
        .map(|(map, value)| Found {
            size: (map.layout.rows, map.layout.columns),
            channels: map.channels,
            activations: by_channel(map, value),
            gradients: vec![0.0; map.channels * map.layout.count()],
        })
        .collect()
}

impl Method for GradientCam {
    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.shared.parameters(self.options);
        parameters.extend(self.parameters.clone());
        parameters
    }

    fn walks(&self) -> Walks {
        Walks {
            backward: !self.shared.augment,
            ..Walks::default()
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let looked = self.shared.layers.find(subject)?;
        let is_shared = std::ptr::eq(looked.graph, subject.network().folded());
        // Held until all maps are made, so that all walk back from one walk forward.
        let forward = match is_shared && !self.shared.augment {
            true => Some(subject.forward()?),
            false => None,
        };
        Ok(Box::new(move |target| {
            let _held = &forward;
            let maps = self.maps(subject, &looked, target)?;
            let outputs = subject.numbers()?.len();
            let names = Names {
                title: self.title,
                quantity: self.quantity,
                score: self.shared.score.name(subject.output(), outputs),
            };
            attribution(subject, target, names, &looked, maps)
        }))
    }
}
