//! What both protocols ask: a network, a method, a class, pictures or numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dvm::methods::{self, Entry};
use dvm::{CUT_OFF, ClassChoice, Classifier, Explain, Explanation, Input, Prediction, Source};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::models::shortened;
use crate::options;
use crate::server::{Problem, Server, Ticket};

/// A network, or a method that explains it: `resnet18` or `resnet18:grad-cam`.
pub struct Model {
    /// As it was asked for.
    pub name: String,
    /// The network.
    pub classifier: Arc<Classifier>,
    /// The method.
    pub method: Option<&'static Entry>,
}

impl Model {
    /// The model of this name.
    ///
    /// # Errors
    /// 404 for a network or a method that is not there.
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

    /// `[C, H, W]` of what the network takes.
    pub fn input(&self) -> [usize; 3] {
        let preprocess = self.classifier.preprocess();
        let (height, width) = preprocess.crop;
        [preprocess.channels.count(), height, width]
    }

    /// The numbers that a client gives of one picture, as the network takes them.
    ///
    /// # Errors
    /// 400 for another shape, and for NaN and infinity.
    pub fn input_of(&self, shape: &[usize], values: Vec<f32>) -> Result<Input, Problem> {
        let expected = self.input();
        if shape != expected {
            return Err(Problem::request(format!(
                "the network takes {expected:?} numbers (channels, rows, columns), and these are {shape:?}"
            )));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Problem::request("a number is NaN or infinite"));
        }
        let [_, height, width] = expected;
        Ok(self.classifier.preprocess().input_of(values, height, width))
    }

    /// Reads and prepares a picture file.
    ///
    /// # Errors
    /// 400 for what is no picture, or a too large one.
    pub fn read(&self, server: &Server, file: Vec<u8>) -> Result<Input, Problem> {
        let source = Source::Bytes {
            name: "the picture".into(),
            bytes: file.into(),
        };
        let picture = source.read(&server.models.reading(&self.classifier))?;
        Ok(self.classifier.prepare(picture)?)
    }

    /// What the network says of a picture.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify(&self, server: &Server, input: &Input) -> Result<Prediction, Problem> {
        let start = Instant::now();
        let prediction = self.classifier.classify(input)?;
        server.metrics.worked("classify", start.elapsed());
        Ok(prediction)
    }

    /// What a reader of the prediction must know.
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
/// 404, with the names that come near.
pub fn find_method(name: &str) -> Result<&'static Entry, Problem> {
    methods::find(name).ok_or_else(|| {
        let near = dvm::nearest(name, methods::ALL.iter().map(|entry| entry.name));
        let hint = match &near[..] {
            [] => "the metadata of /v2 and /api/info list all".to_owned(),
            near => format!("did you mean `{}`?", near.join("`, `")),
        };
        let name = shortened(name);
        Problem::missing(format!("there is no method named `{name}`; {hint}"))
    })
}

/// What is to be explained, and how.
#[derive(Debug, Default)]
pub struct Question {
    /// The class; the most probable one if none is given.
    pub class: Option<ClassName>,
    /// The class that it is explained against.
    pub against: Option<ClassName>,
    /// Options of the method.
    pub options: BTreeMap<String, String>,
}

impl Question {
    /// The question to the engine.
    ///
    /// # Errors
    /// 400 for options that the method does not take, or that are not taken over a network.
    pub fn explain(&self, server: &Server, method: &'static Entry) -> Result<Explain, Problem> {
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
    (method, explain): (&'static Entry, &Explain),
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
    explanation.ok_or_else(|| Problem::internal("the method made no map"))
}

/// A class by name or by index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ClassName {
    /// Its index.
    Index(usize),
    /// Its name, `top`, or `top:N`.
    Name(String),
}

impl ClassName {
    /// The class that is meant.
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
                "one class is explained at a time; ask for each that you want",
            )),
            choice => Ok(choice),
        }
    }
}

/// A value that is neither a list nor an object.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// A text.
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
    /// The class that is meant.
    ///
    /// # Errors
    /// 400 for what is neither a name nor an index.
    pub fn class(self) -> Result<ClassName, Problem> {
        match self {
            Self::Whole(index) if index >= 0 => Ok(ClassName::Index(index as usize)),
            Self::Text(name) => Ok(ClassName::Name(name)),
            other => Err(Problem::request(format!("`{other}` is no class"))),
        }
    }
}

/// Most values of an object.
const MOST: usize = 64;

/// An object of scalars, of which there are not too many.
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
                    "there are more than {MOST} parameters"
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
