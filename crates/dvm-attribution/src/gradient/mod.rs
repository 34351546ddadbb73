//! Methods that use backward passes to the picture: the gradient of a target's score with respect
//! to the picture, with the true rules or with replaced ones.
//!
//! A method with one backward pass is a table of rules and a formula; the engine makes the pass. The others use
//! gradients of several pictures, or a baseline. Each is an `attributor`, which `smoothgrad` can average.

mod attributor;
pub(crate) mod blur;
pub(crate) mod deconvnet;
pub(crate) mod deeplift;
pub(crate) mod expected;
mod gaussian;
pub(crate) mod guided;
pub(crate) mod guided_backprop;
mod guided_path;
pub(crate) mod input_x_gradient;
pub(crate) mod integrated;
pub(crate) mod plain;
mod quadrature;
pub(crate) mod smoothgrad;

use dvm_engine::Graph;
use dvm_engine::rules::{self, Composite, Kind};
use dvm_options::{Takes, words};
use serde_json::{Map, Value};

pub(crate) use integrated::{Point, summed_along};
pub(crate) use quadrature::legendre_roots;

use self::attributor::{Attributor, InputAttribution, Inputs, Prepared};
use crate::options::SCORE;
use crate::probe::GradientResult;
use crate::subject::finite;
use crate::transformer::{ATTENTION_RULES, AttentionRules};
use crate::{
    Array, Attribution, Error, OptionReader, OptionSpec, Score, SettingError, Subject, Target,
    ValueKind,
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
    pub fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        Ok(Self {
            channels: options.word(&CHANNELS)?,
            score: options.word(&SCORE)?,
        })
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
        let (quantity, value_kind) = match self.channels {
            Channels::MaxAbs => {
                let quantity = format!("max |{quantity}| over channels");
                (quantity, ValueKind::Positive)
            }
            Channels::Sum => (
                format!("sum of {quantity} over channels"),
                ValueKind::Signed,
            ),
        };
        let map = reduced(&values, h * w, self.channels);
        Ok(Attribution {
            title: title.into(),
            quantity,
            score: self.score.name(subject.output(), outputs),
            arrays: vec![Array::new(Array::RAW, &[c, h, w], values)],
            value_kind,
            ..Attribution::new(target, (h, w), map)
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
    attention_rules: AttentionRules,
    /// The result for a value of the picture and its gradient.
    formula: fn(x: f32, gradient: f32) -> f32,
    /// Whether it has rules of its own: those of a paper on ReLU.
    replaces_rectifiers: bool,
}

impl GradientMethod {
    /// A method with rules of its own, to which the option for attention adds others.
    fn new(
        (title, quantity): (&'static str, &'static str),
        own: Composite,
        formula: fn(x: f32, gradient: f32) -> f32,
        options: &mut OptionReader,
    ) -> Result<Self, SettingError> {
        let attention_rules: AttentionRules = options.word(&ATTENTION_RULES)?;
        let replaces_rectifiers = own.rules().next().is_some();
        let composite = attention_rules.behind(own);
        note_rules(&composite, options);
        Ok(Self {
            title,
            quantity,
            composite,
            attention_rules,
            formula,
            replaces_rectifiers,
        })
    }

    /// What a reader of its maps for this network must know.
    fn warnings(&self, graph: &Graph) -> Vec<String> {
        let of_rectifiers = match self.replaces_rectifiers {
            true => rectifier_warnings(graph),
            false => Vec::new(),
        };
        let of_attention = self.attention_rules.warning(graph);
        of_rectifiers.into_iter().chain(of_attention).collect()
    }
}

impl Attributor for GradientMethod {
    fn title(&self) -> String {
        self.title.into()
    }

    fn quantity(&self) -> &'static str {
        self.quantity
    }

    fn is_one_pass(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Prepared<'a>, Error> {
        let found = |answer: &GradientResult| {
            let pairs = answer.activations[0].data().iter();
            let pairs = pairs.zip(answer.gradients[0].data());
            InputAttribution::new(pairs.map(|(&x, &g)| (self.formula)(x, g)))
        };
        Ok(Prepared {
            attribute: Box::new(move |request, each| {
                let ask = request.gradient(subject, &self.composite);
                match request.inputs {
                    Inputs::Own => each(0, found(&subject.gradients(&ask)?)),
                    Inputs::Others { count, make } => {
                        subject.gradients_of(count, make, &ask, &mut |index, answer| {
                            each(index, found(&answer))
                        })
                    }
                }
            }),
            warnings: self.warnings(subject.network().folded()),
        })
    }
}

/// Records the rules of a composite, if it has any: where, which rule, with which parameters.
pub(crate) fn note_rules(composite: &Composite, options: &mut OptionReader) {
    let rule = |(at, rule): (&rules::Where, &dyn rules::Rule)| {
        let mut entry = Map::new();
        entry.insert("at".into(), at.name().into());
        entry.insert("rule".into(), rule.name().into());
        let parameters = rule.parameters().into_iter();
        entry.extend(parameters.map(|(name, value)| (name.into(), value.into())));
        Value::Object(entry)
    };
    let rules: Vec<Value> = composite.rules().map(rule).collect();
    if !rules.is_empty() {
        options.note("rules", rules);
    }
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
