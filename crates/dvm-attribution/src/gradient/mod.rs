//! Methods that use backward passes to the picture: the gradient of a target's score with respect
//! to the picture, with the true rules or with replaced ones.
//!
//! A method with one backward pass is a table of rules and a formula; the engine makes the pass. The others use
//! gradients of several pictures, or a baseline. Each is an `attributor`, which `smoothgrad` can average.

mod attributor;
mod blur;
mod deconvnet;
mod deeplift;
mod expected;
mod gaussian;
mod guided;
mod guided_backprop;
mod guided_path;
mod input_x_gradient;
mod integrated;
mod plain;
mod quadrature;
mod smoothgrad;

use dvm_engine::Graph;
use dvm_engine::rules::{self, Composite, Kind};
use dvm_options::{Takes, words};
use serde_json::{Map, Value};

pub use blur::BLUR_IG;
pub use deconvnet::DECONVNET;
pub use deeplift::DEEPLIFT;
pub use expected::EXPECTED_GRADIENTS;
pub use guided::GUIDED_IG;
pub use guided_backprop::GUIDED_BACKPROP;
pub use input_x_gradient::INPUT_X_GRADIENT;
pub use integrated::INTEGRATED_GRADIENTS;
pub use plain::GRADIENT;
pub(crate) use quadrature::legendre_roots;
pub use smoothgrad::SMOOTHGRAD;

use self::attributor::{Attributor, InputAttribution, Inputs, Prepared};
use crate::options::SCORE;
use crate::probe::{GradientRequest, GradientResult};
use crate::subject::finite;
use crate::transformer::{ATTENTION_RULES, AttentionRules};
use crate::{
    Array, Attribution, Error, Method, Observation, OptionSpec, Score, SettingError, Settings,
    Subject, Target, ValueKind, Walks,
};

/// How the channels of a gradient become one map.
pub(crate) const CHANNELS: OptionSpec = OptionSpec {
    name: "channels",
    takes: Takes::Text(Channels::FORM),
    default: "max-abs",
    help: "how the colour channels become one map: max-abs (the largest absolute value, Simonyan \
           et al. 2013) or sum (the signed sum)",
};

/// Options of the methods with one backward pass.
pub(crate) const OPTIONS: &[OptionSpec] = &[CHANNELS, SCORE, ATTENTION_RULES];

words! {
    /// How the channels of a gradient become one map.
    pub(crate) enum Channels {
        /// The largest absolute value.
        MaxAbs = "max-abs",
        /// The signed sum.
        Sum = "sum",
    }
}

/// The settings that all gradient methods share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    pub channels: Channels,
    pub score: Score,
}

impl Shared {
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            channels: CHANNELS.of(settings)?,
            score: SCORE.of(settings)?,
        })
    }

    /// For the record.
    pub fn parameters(&self) -> Map<String, Value> {
        let channels = (CHANNELS.name.into(), self.channels.word().into());
        let score = (SCORE.name.into(), self.score.word().into());
        [channels, score].into_iter().collect()
    }

    /// The attribution from values `[C, H, W]`, row-major; `quantity` says what they are.
    pub fn attribution(
        &self,
        subject: &Subject,
        target: &Target,
        (title, quantity): (&str, &str),
        values: Vec<f32>,
    ) -> Result<Attribution, Error> {
        finite("the gradient", &values)?;
        let [_, c, h, w] = subject.shape();
        let outputs = subject.numbers()?.len();
        Ok(Attribution {
            target: target.clone(),
            title: title.into(),
            quantity: match self.channels {
                Channels::MaxAbs => format!("max |{quantity}| over channels"),
                Channels::Sum => format!("sum of {quantity} over channels"),
            },
            score: self.score.name(subject.output(), outputs),
            map: reduced(&values, h * w, self.channels),
            size: (h, w),
            smooth: None,
            arrays: vec![Array::new(Array::RAW, &[c, h, w], values)],
            value_kind: match self.channels {
                Channels::MaxAbs => ValueKind::Positive,
                Channels::Sum => ValueKind::Signed,
            },
            warnings: Vec::new(),
            checks: Vec::new(),
        }
        .checked())
    }
}

/// A gradient method: its rules, and its formula.
struct GradientMethod {
    title: &'static str,
    /// What the values of the raw array are.
    quantity: &'static str,
    composite: Composite,
    /// The result for a value of the picture and its gradient.
    formula: fn(x: f32, gradient: f32) -> f32,
    /// Whether the rules are those of a paper on ReLU.
    replaces_rectifiers: bool,
    shared: Shared,
}

impl GradientMethod {
    /// What a reader of its maps for this network must know.
    fn warnings(&self, graph: &Graph) -> Vec<String> {
        let of_rectifiers = match self.replaces_rectifiers {
            true => rectifier_warnings(graph),
            false => Vec::new(),
        };
        let of_attention = AttentionRules::of(&self.composite).warning(graph);
        of_rectifiers.into_iter().chain(of_attention).collect()
    }
}

impl Method for GradientMethod {
    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.shared.parameters();
        parameters.extend(Attributor::parameters(self));
        parameters
    }

    fn walks(&self) -> Walks {
        Walks {
            backward: true,
            ..Walks::default()
        }
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let graph = subject.network().folded();
        // Kept until all maps are made, so that all use one forward pass.
        let forward = subject.forward()?;
        let warnings = self.warnings(graph);
        Ok(Box::new(move |target| {
            let _held = &forward;
            let gradient = subject.gradients(&GradientRequest {
                target,
                score: self.shared.score,
                composite: &self.composite,
                graph,
                nodes: &[graph.input()],
            })?;
            let values = subject
                .input()
                .values()
                .iter()
                .zip(&gradient.gradients[0].to_nchw())
                .map(|(&x, &g)| (self.formula)(x, g))
                .collect();
            let names = (self.title, self.quantity);
            let mut attribution = self.shared.attribution(subject, target, names, values)?;
            attribution.warnings.splice(0..0, warnings.clone());
            Ok(attribution)
        }))
    }
}

impl Attributor for GradientMethod {
    fn title(&self) -> String {
        self.title.into()
    }

    fn quantity(&self) -> &'static str {
        self.quantity
    }

    fn parameters(&self) -> Map<String, Value> {
        let rules = rules_of(&self.composite);
        let of_attention = AttentionRules::of(&self.composite).word();
        let attention = (ATTENTION_RULES.name.into(), of_attention.into());
        let rules = (!rules.is_empty()).then(|| ("rules".into(), rules.into()));
        std::iter::once(attention).chain(rules).collect()
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let graph = subject.network().folded();
        let found = |answer: &GradientResult| {
            let pairs = answer.activations[0].data().iter();
            let pairs = pairs.zip(answer.gradients[0].data());
            InputAttribution {
                values: pairs.map(|(&x, &g)| (self.formula)(x, g)).collect(),
                checks: Vec::new(),
                warnings: Vec::new(),
            }
        };
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                let ask = GradientRequest {
                    target: request.target,
                    score: request.score,
                    composite: &self.composite,
                    graph,
                    nodes: &[graph.input()],
                };
                match request.inputs {
                    Inputs::Own => each(0, found(&subject.gradients(&ask)?)),
                    Inputs::Others { count, make } => {
                        subject.gradients_of(count, make, &ask, &mut |index, answer| {
                            each(index, found(&answer))
                        })
                    }
                }
            }),
            warnings: self.warnings(graph),
        })
    }
}

/// The rules of a composite for the record: where, which rule, with which parameters.
pub(crate) fn rules_of(composite: &Composite) -> Vec<Value> {
    let rule = |(at, rule): (&rules::Where, &dyn rules::Rule)| {
        let mut entry = Map::new();
        entry.insert("at".into(), at.name().into());
        entry.insert("rule".into(), rule.name().into());
        let parameters = rule.parameters().into_iter();
        entry.extend(parameters.map(|(name, value)| (name.into(), value.into())));
        Value::Object(entry)
    };
    composite.rules().map(rule).collect()
}

/// Reduces `[C, H, W]` to one map `[H, W]`.
pub(crate) fn reduced(values: &[f32], pixels: usize, channels: Channels) -> Vec<f32> {
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

/// Warnings for networks with activations other than ReLU, which the papers' rule is about.
pub(crate) fn rectifier_warnings(graph: &Graph) -> Vec<String> {
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
            "the network has no ReLU or similar activation, so the rule applies nowhere: this map \
             is the plain gradient"
                .into(),
        );
    }
    if !extended.is_empty() {
        warnings.push(format!(
            "the network uses {extended}, but the paper defines the rule for ReLU only: dvm also \
             sets negative gradients to 0 there"
        ));
    }
    if !gates.is_empty() {
        warnings.push(format!(
            "{gates} are gates, not rectifiers: the rule does not apply to them, they keep their true gradient"
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
