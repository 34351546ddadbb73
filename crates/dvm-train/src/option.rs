//! Options of optimisers and schedules: described once as data, checked once.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// One option, as help, documents and parsers show it.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name, such as `momentum`.
    pub name: &'static str,
    /// Its default.
    pub default: OptionValue<&'static str>,
    /// What it takes.
    pub takes: Takes,
    /// What it does.
    pub help: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// `true` or `false`.
    Flag,
    /// Any finite number from here on.
    AtLeast(f64),
    /// Any finite number above this one.
    Above(f64),
    /// A whole number from here on.
    WholeFrom(u64),
    /// A number from the first on and below the second.
    From(f64, f64),
    /// A number from the first to the second, both included.
    Between(f64, f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A value of an option, as a configuration file writes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OptionValue<S = String> {
    /// `true` or `false`.
    Flag(bool),
    /// A number; a whole one in the file is the same number.
    Number(f64),
    /// A word.
    Word(S),
}

/// Options as they were given, by name; what is not given has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options {
    given: BTreeMap<String, OptionValue>,
}

impl Options {
    /// No option given.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one option given.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        self.given.insert(name.into(), value.into());
        self
    }

    /// The options given, by name.
    pub fn given(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.given
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Every option of these with its value, the defaults filled in. `owner` is whose they are, such
    /// as `optimiser sgd`.
    ///
    /// # Errors
    /// [`Error::UnknownOption`], or [`Error::OptionValue`] for what an option does not take.
    pub(crate) fn resolve<'s>(
        &self,
        owner: &str,
        specs: impl Iterator<Item = &'s OptionSpec> + Clone,
    ) -> Result<Resolved, Error> {
        for (name, value) in &self.given {
            let Some(spec) = specs.clone().find(|spec| spec.name == name) else {
                let known: Vec<&str> = specs.map(|spec| spec.name).collect();
                return Err(Error::UnknownOption {
                    owner: owner.into(),
                    option: name.clone(),
                    known: if known.is_empty() {
                        "none".into()
                    } else {
                        known.join(", ")
                    },
                });
            };
            if !spec.takes.takes(value) {
                return Err(Error::OptionValue {
                    owner: owner.into(),
                    option: name.clone(),
                    value: value.to_string(),
                    expected: spec.takes.to_string(),
                });
            }
        }
        let value = |spec: &OptionSpec| match self.given.get(spec.name) {
            Some(value) => value.clone(),
            None => match spec.default {
                OptionValue::Flag(flag) => OptionValue::Flag(flag),
                OptionValue::Number(number) => OptionValue::Number(number),
                OptionValue::Word(word) => OptionValue::Word(word.into()),
            },
        };
        let values = specs.map(|spec| (spec.name.into(), value(spec))).collect();
        Ok(Resolved {
            owner: owner.into(),
            options: Self { given: values },
        })
    }
}

/// Options with every default filled in, whose values are those that the options take.
#[derive(Clone, Debug)]
pub struct Resolved {
    owner: String,
    options: Options,
}

impl Resolved {
    /// All options with their values.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// A number.
    ///
    /// # Panics
    /// If the registry has no number of this name: a mistake in the file that asks.
    pub fn number(&self, name: &str) -> f64 {
        match self.options.given.get(name) {
            Some(OptionValue::Number(number)) => *number,
            other => panic!("`{name}` of {} is {other:?}, not a number", self.owner),
        }
    }

    /// A flag.
    ///
    /// # Panics
    /// As [`Resolved::number`].
    pub fn flag(&self, name: &str) -> bool {
        match self.options.given.get(name) {
            Some(OptionValue::Flag(flag)) => *flag,
            other => panic!("`{name}` of {} is {other:?}, not a flag", self.owner),
        }
    }

    /// A word.
    ///
    /// # Panics
    /// As [`Resolved::number`].
    pub fn word(&self, name: &str) -> &str {
        match self.options.given.get(name) {
            Some(OptionValue::Word(word)) => word,
            other => panic!("`{name}` of {} is {other:?}, not a word", self.owner),
        }
    }

    /// That the value of an option does not go with the others.
    pub(crate) fn refuse(&self, option: &str, expected: &str) -> Error {
        Error::OptionValue {
            owner: self.owner.clone(),
            option: option.into(),
            value: self.options.given[option].to_string(),
            expected: expected.into(),
        }
    }
}

impl Takes {
    fn takes(self, value: &OptionValue) -> bool {
        match (self, value) {
            (Self::Flag, OptionValue::Flag(_)) => true,
            (Self::OneOf(words), OptionValue::Word(word)) => words.contains(&word.as_str()),
            (Self::AtLeast(low), OptionValue::Number(x)) => x.is_finite() && *x >= low,
            (Self::Above(low), OptionValue::Number(x)) => x.is_finite() && *x > low,
            (Self::WholeFrom(low), OptionValue::Number(x)) => {
                *x >= low as f64 && *x <= f64::from(u32::MAX) && x.fract() == 0.0
            }
            (Self::From(low, high), OptionValue::Number(x)) => *x >= low && *x < high,
            (Self::Between(low, high), OptionValue::Number(x)) => *x >= low && *x <= high,
            _ => false,
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "true or false"),
            Self::AtLeast(low) => write!(f, "a number, {low} or more"),
            Self::Above(low) => write!(f, "a number above {low}"),
            Self::WholeFrom(low) => write!(f, "a whole number, {low} or more"),
            Self::From(low, high) => write!(f, "a number from {low} to below {high}"),
            Self::Between(low, high) => write!(f, "a number from {low} to {high}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl<S: fmt::Display> fmt::Display for OptionValue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => write!(f, "`{word}`"),
        }
    }
}

/// As on a command line: `true` and `false` are flags, what reads as a number is one, all else is a
/// word.
impl From<&str> for OptionValue {
    fn from(text: &str) -> Self {
        match (text.parse(), text.parse()) {
            (Ok(flag), _) => Self::Flag(flag),
            (_, Ok(number)) => Self::Number(number),
            _ => Self::Word(text.into()),
        }
    }
}

impl From<f64> for OptionValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for OptionValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec {
            name: "momentum",
            default: OptionValue::Number(0.9),
            takes: Takes::From(0.0, 1.0),
            help: "",
        },
        OptionSpec {
            name: "metric",
            default: OptionValue::Word("loss"),
            takes: Takes::OneOf(&["loss", "accuracy"]),
            help: "",
        },
    ];

    fn resolve(options: &Options) -> Result<Resolved, Error> {
        options.resolve("optimiser x", SPECS.iter())
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let resolved = resolve(&Options::new().with("metric", "accuracy")).unwrap();
        assert_eq!(resolved.number("momentum"), 0.9);
        assert_eq!(resolved.word("metric"), "accuracy");
    }

    #[test]
    fn an_unknown_option_is_refused_with_those_there_are() {
        let error = resolve(&Options::new().with("momentun", 0.5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "optimiser x has no option `momentun`; it has momentum, metric"
        );
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        for value in ["1", "-0.1", "nan", "inf", "true", "much"] {
            let error = resolve(&Options::new().with("momentum", value)).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("it takes a number from 0 to below 1"),
                "{error}"
            );
        }
    }

    #[test]
    fn options_are_read_as_a_configuration_file_writes_them() {
        let text = r#"{"metric": "loss", "momentum": 0}"#;
        let options: Options = serde_json::from_str(text).unwrap();
        assert_eq!(resolve(&options).unwrap().number("momentum"), 0.0);
    }
}
