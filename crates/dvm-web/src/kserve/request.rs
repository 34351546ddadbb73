//! The parts of requests in both protocols: network, method, class, pictures or numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dvm::methods::{self, MethodEntry};
use dvm::{CUT_OFF, ClassChoice, Classifier, Explain, Explanation, Input, Prediction, Source};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::models::shortened;
use crate::options;
use crate::server::{Problem, Server, Ticket};

/// A network, or a method that explains it: `resnet18` or `resnet18:grad-cam`.
pub struct Model {
    /// The name in the request.
    pub name: String,
    /// The network.
    pub classifier: Arc<Classifier>,
    /// The method.
    pub method: Option<&'static MethodEntry>,
}

impl Model {
    /// The model of this name.
    ///
    /// # Errors
    /// 404 for an unknown network or method.
    pub fn find(server: &Server, name: &str) -> Result<Self, Problem> {
        let (network, method) = match name.split_once(':') {
            Some((network, method)) => (network, Some(method)),
            None => (name, None),
        };
        Ok(Self {
            name: name.to_owned(),
            classifier: server.models.get(network)?.clone(),
            method: method.map(find_method).transpose()?,
        })
    }

    /// The shape of the network's input, `[C, H, W]`.
    pub fn input(&self) -> [usize; 3] {
        let preprocess = self.classifier.preprocess();
        let (height, width) = preprocess.crop;
        [preprocess.channels.count(), height, width]
    }

    /// The input of one picture from numbers as the network expects them.
    ///
    /// # Errors
    /// 400 for another shape, and for NaN and infinity.
    pub fn input_of(&self, shape: &[usize], values: Vec<f32>) -> Result<Input, Problem> {
        let expected = self.input();
        if shape != expected {
            return Err(Problem::request(format!(
                "the network expects numbers of shape {expected:?} (channels, rows, columns), but got {shape:?}"
            )));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Problem::request("the numbers contain NaN or infinity"));
        }
        let [_, height, width] = expected;
        Ok(self.classifier.preprocess().input_of(values, height, width))
    }

    /// Reads and prepares a picture file.
    ///
    /// # Errors
    /// 400 for a file that is not a picture, or is too large.
    pub fn read(&self, server: &Server, file: Vec<u8>) -> Result<Input, Problem> {
        let source = Source::Bytes {
            name: "the picture".into(),
            bytes: file.into(),
        };
        let picture = source.read(&server.models.reading(&self.classifier))?;
        Ok(self.classifier.prepare(picture)?)
    }

    /// Classifies a picture.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify(&self, server: &Server, input: &Input) -> Result<Prediction, Problem> {
        let start = Instant::now();
        let prediction = self.classifier.classify(input)?;
        server.metrics.worked("classify", start.elapsed());
        Ok(prediction)
    }

    /// The warnings about a prediction.
    pub fn warnings(&self, input: &Input, prediction: &Prediction) -> Vec<String> {
        let original = input.original();
        let cut_off = (!original.is_whole()).then(|| CUT_OFF.to_owned());
        let of_picture = cut_off.into_iter().chain(original.notes());
        let of_picture = of_picture.chain(input.placement().warning());
        let of_network = self.classifier.warnings().chain(prediction.doubt.clone());
        of_picture.chain(of_network).collect()
    }
}

/// The method of this name.
///
/// # Errors
/// 404 with similar names.
pub fn find_method(name: &str) -> Result<&'static MethodEntry, Problem> {
    methods::find(name).ok_or_else(|| {
        let near = dvm::nearest(name, methods::ALL.iter().map(|entry| entry.name));
        let hint = match &near[..] {
            [] => "/v2 and /api/info list all methods".to_owned(),
            near => format!("did you mean `{}`?", near.join("`, `")),
        };
        let name = shortened(name);
        Problem::missing(format!("there is no method named `{name}`; {hint}"))
    })
}

/// What to explain, and with which options.
#[derive(Debug, Default)]
pub struct Question {
    /// The class. Default: the most probable class.
    pub class: Option<ClassName>,
    /// The class to explain against.
    pub against: Option<ClassName>,
    /// Options of the method.
    pub options: BTreeMap<String, String>,
}

impl Question {
    /// The settings for the engine.
    ///
    /// # Errors
    /// 400 for options that the method does not have, or that requests cannot use.
    pub fn explain(
        &self,
        server: &Server,
        method: &'static MethodEntry,
    ) -> Result<Explain, Problem> {
        let settings = options::settings(&self.options)?;
        let mut explain = Explain::with_settings(method.name, &settings)?;
        let class = self.class.as_ref();
        explain.classes = vec![class.map_or(Ok(ClassChoice::Top), ClassName::choice)?];
        explain.against = self.against.as_ref().map(ClassName::choice).transpose()?;
        explain.memory = server.limits.memory;
        Ok(explain)
    }
}

/// Explains one class of one picture.
///
/// # Errors
/// As [`Classifier::explain_input`].
pub fn explain(
    (server, model): (&Server, &Model),
    input: Input,
    (method, explain): (&'static MethodEntry, &Explain),
    ticket: &Ticket,
) -> Result<Explanation, Problem> {
    let start = Instant::now();
    let mut explanation = None;
    let keep = |made| {
        explanation = Some(made);
        Ok::<_, dvm::Error>(())
    };
    let progress = |_: &'static str, _, _| ticket.check();
    let explained = model
        .classifier
        .explain_input(input, explain, &progress, keep);
    server.metrics.worked(method.name, start.elapsed());
    explained?;
    explanation.ok_or_else(|| Problem::internal("the method did not make a map"))
}

/// A class by name or index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a class must be a name or an index from 0")]
pub enum ClassName {
    /// Its index.
    Index(usize),
    /// Its name, `top`, or `top:N`.
    Name(String),
}

impl ClassName {
    /// The class.
    ///
    /// # Errors
    /// 400 for all classes at once.
    pub fn choice(&self) -> Result<ClassChoice, Problem> {
        let choice = match self {
            Self::Index(index) => ClassChoice::Index(*index),
            Self::Name(name) => name.parse().unwrap_or_else(|never| match never {}),
        };
        match choice {
            ClassChoice::All => Err(Problem::request(
                "a request explains one class; send a request for each class",
            )),
            choice => Ok(choice),
        }
    }
}

/// A value that is not a list or an object.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "a parameter must be text, a number, true or false"
)]
pub enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Scalar {
    /// The class.
    ///
    /// # Errors
    /// 400 for a value that is not a name or an index.
    pub fn class(self) -> Result<ClassName, Problem> {
        match self {
            Self::Whole(index) if index >= 0 => Ok(ClassName::Index(index as usize)),
            Self::Text(name) => Ok(ClassName::Name(name)),
            other => Err(Problem::request(format!(
                "`{other}` is not a class; use a name or an index from 0"
            ))),
        }
    }
}

/// The maximum number of values.
const MOST: usize = 64;

/// An object of scalars, of limited size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scalars(pub BTreeMap<String, Scalar>);

struct ScalarsVisitor;

impl<'de> Visitor<'de> for ScalarsVisitor {
    type Value = Scalars;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of texts, numbers and flags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalars, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Scalar>()? {
            if all.len() == MOST {
                return Err(Error::custom(format!(
                    "there are too many parameters; the limit is {MOST}"
                )));
            }
            if all.insert(name, value).is_some() {
                return Err(Error::custom("a parameter is given twice"));
            }
        }
        Ok(Scalars(all))
    }
}

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ScalarsVisitor)
    }
}
