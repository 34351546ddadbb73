//! Methods that walk the network backwards once: the gradient of a class's logit (of its probability,
//! where the network's numbers are probabilities) with respect to the picture, by the true rules or by
//! replaced ones.
//!
//! A method here is a table of rules and a formula; the walk is the engine's.

mod deconvnet;
mod guided_backprop;
mod input_x_gradient;
mod plain;

use std::sync::Arc;

use dvm_engine::rules::{self, Composite, Kind};
use dvm_engine::{Activations, Graph, Output, Request, Segments, Tensor};
use serde_json::{Map, Value};

pub use deconvnet::DECONVNET;
pub use guided_backprop::GUIDED_BACKPROP;
pub use input_x_gradient::INPUT_X_GRADIENT;
pub use plain::GRADIENT;

use crate::method::finite;
use crate::settings::words;
use crate::{
    Attribution, Error, Method, Nature, Observation, OptionSpec, Raw, Scene, SettingError, Settings,
};

/// Options that all gradient methods share.
const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "channels",
    value: "max-abs|sum",
    default: "max-abs",
    help: "how the three colour channels become one map: the largest absolute value (Simonyan \
           et al. 2013) or the signed sum",
}];

words! {
    /// How the channels of a gradient become one map.
    enum Channels {
        /// The largest absolute value.
        MaxAbs = "max-abs",
        /// The signed sum.
        Sum = "sum",
    }
}

/// Bytes that a walk back may take whatever [`Scene::memory`] says: 64 MiB, less than the program
/// itself needs.
const ALWAYS_ALLOWED: usize = 64 << 20;

/// A gradient method: which rules, and what is made of the gradient.
struct GradientMethod {
    title: &'static str,
    /// What a value of the raw array is.
    quantity: &'static str,
    rules: &'static Composite<'static>,
    /// What is made of a value of the picture and its gradient.
    formula: fn(x: f32, gradient: f32) -> f32,
    /// Whether the rules are those of a paper about ReLU.
    replaces_rectifiers: bool,
    channels: Channels,
}

impl GradientMethod {
    /// The method as it stands, with the options that all of its kind share.
    fn boxed(self, settings: &Settings) -> Result<Box<dyn Method>, SettingError> {
        Ok(Box::new(Self {
            channels: settings.get("channels", Channels::MaxAbs)?,
            ..self
        }))
    }
}

impl Method for GradientMethod {
    fn observe<'a>(&'a self, scene: &'a Scene<'a>) -> Result<Box<dyn Observation + 'a>, Error> {
        let graph = scene.network.folded();
        // Where memory does not hold all activations, parts of them are computed again.
        let allowed = scene.memory / size_of::<f32>();
        let segments = graph.segments(&scene.shape_of_one(), allowed)?;
        scene.allow_from(segments.values(), ALWAYS_ALLOWED)?;
        let picture = scene.batch_of_one();
        let forward = graph.forward_in_segments(&picture, &segments)?;
        scene.check(forward.output().data())?;
        Ok(Box::new(Forward {
            method: self,
            scene,
            warnings: if self.replaces_rectifiers {
                rectifier_warnings(graph)
            } else {
                Vec::new()
            },
            picture,
            segments,
            activations: forward,
        }))
    }

    fn parameters(&self) -> Map<String, Value> {
        [("channels".into(), self.channels.word().into())]
            .into_iter()
            .collect()
    }
}

/// The forward pass of one picture, to be walked back for any class.
struct Forward<'a> {
    method: &'a GradientMethod,
    scene: &'a Scene<'a>,
    /// `[1, C, H, W]`, normalised.
    picture: Tensor,
    segments: Segments,
    activations: Activations,
    warnings: Vec<String>,
}

impl Observation for Forward<'_> {
    fn attribution(&self, target: usize) -> Result<Attribution, Error> {
        let Self { method, scene, .. } = self;
        let graph = scene.network.folded();
        let gradient = self.class_gradient(graph, target)?.to_nchw();
        let values: Vec<f32> = scene
            .input
            .values()
            .iter()
            .zip(&gradient)
            .map(|(&x, &g)| (method.formula)(x, g))
            .collect();
        finite("the gradient", &values)?;
        let [c, h, w] = scene.input.shape();
        let attribution = Attribution {
            target,
            title: method.title.into(),
            quantity: match method.channels {
                Channels::MaxAbs => format!("max |{}| over channels", method.quantity),
                Channels::Sum => format!("sum of {} over channels", method.quantity),
            },
            score: scene
                .network
                .output()
                .gradient_name(self.activations.output().len()),
            map: reduced(&values, h * w, method.channels),
            size: (h, w),
            smooth: None,
            raw: Raw {
                shape: vec![c, h, w],
                values: Arc::new(values),
                is_of_all_classes: false,
            },
            nature: match method.channels {
                Channels::MaxAbs => Nature::Magnitude,
                Channels::Sum => Nature::Signed,
            },
            warnings: self.warnings.clone(),
        };
        Ok(attribution.checked())
    }
}

impl Forward<'_> {
    /// The gradient of one class's number at the end with respect to the picture, `[1, C, H, W]`.
    fn class_gradient(&self, graph: &Graph, target: usize) -> Result<Tensor, Error> {
        let output = self.activations.output();
        let outputs = output.shape()[1];
        let classes = Output::classes(outputs);
        if target >= classes {
            return Err(Error::Class {
                class: target,
                classes,
            });
        }
        let mut seed = Tensor::zeros(output.shape());
        let (number, factor) = Output::gradient_seed(outputs, target);
        seed.data_mut()[number] = factor;
        let input = graph.input();
        let request = Request {
            nodes: &[input],
            parameters: &|_| false,
            rules: self.method.rules,
        };
        let gradients = graph.backward_in_segments(
            (&self.picture, &self.segments),
            &self.activations,
            &[(graph.output(), seed)],
            &request,
        )?;
        Ok(gradients
            .node(input)
            .cloned()
            .unwrap_or_else(|| Tensor::zeros(self.picture.shape())))
    }
}

/// `[C, H, W]` as one map `[H, W]`.
fn reduced(values: &[f32], pixels: usize, channels: Channels) -> Vec<f32> {
    let mut map = vec![0.0f32; pixels];
    for plane in values.chunks_exact(pixels) {
        for (m, &v) in map.iter_mut().zip(plane) {
            *m = match channels {
                Channels::MaxAbs => m.max(v.abs()),
                Channels::Sum => *m + v,
            };
        }
    }
    map
}

/// What must be said where the papers' rule, which is about ReLU, meets other activations.
fn rectifier_warnings(graph: &Graph) -> Vec<String> {
    let mut kinds: Vec<(Kind, &str)> = Vec::new();
    for found in graph.nodes().iter().filter_map(rules::activation) {
        if !kinds.contains(&found) {
            kinds.push(found);
        }
    }
    let names = |wanted: Kind| {
        let names = kinds.iter().filter(|(kind, _)| *kind == wanted);
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        names.join(", ")
    };
    let (extended, gates) = (names(Kind::Rectifier), names(Kind::Gate));
    let mut warnings = Vec::new();
    if !kinds.iter().any(|(kind, _)| *kind != Kind::Gate) {
        warnings.push(
            "the network has no rectifier: the rule applies nowhere, this is the plain gradient"
                .into(),
        );
    }
    if !extended.is_empty() {
        warnings.push(format!(
            "the network uses {extended}; the paper defines the rule for ReLU only, here it also \
             holds back negative gradients at these"
        ));
    }
    if !gates.is_empty() {
        warnings.push(format!(
            "{gates} are gates, not rectifiers, and keep their true gradient"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_the_largest_absolute_value_or_the_sum() {
        let values = [1.0, -2.0, -3.0, 0.5, 1.0, 1.0]; // [3, 1, 2]
        assert_eq!(reduced(&values, 2, Channels::MaxAbs), [3.0, 2.0]);
        assert_eq!(reduced(&values, 2, Channels::Sum), [-1.0, -0.5]);
    }
}
