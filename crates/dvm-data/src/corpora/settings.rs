//! Options of corpora: described once as data, given as text, parsed once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::Error;

/// One option of a corpus, as help, docs and parsers show it.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name, such as `seed`; on the command line `--seed`.
    pub name: &'static str,
    /// What a value looks like, such as `N`.
    pub value: &'static str,
    /// The default, as text; empty if the option is off unless it is given.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

impl OptionSpec {
    /// The seed of all that is random.
    pub const SEED: Self = Self {
        name: "seed",
        value: "N",
        default: "1",
        help: "Which of the random orders is taken; the same number gives the same split",
    };

    /// Reads the value given, or the default.
    ///
    /// # Errors
    /// [`Error::Setting`] with what the type says it takes.
    pub fn of<T: FromStr<Err: Display>>(&self, settings: &Settings) -> Result<T, Error> {
        let text = settings.text(self.name).unwrap_or(self.default);
        text.parse().map_err(|why: T::Err| self.refuse(text, why))
    }

    /// The error for a value that this option does not take.
    pub fn refuse(&self, value: &str, expected: impl Display) -> Error {
        Error::Setting {
            option: self.name,
            value: value.into(),
            expected: expected.to_string(),
        }
    }
}

/// Options as they were given, by name.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    given: BTreeMap<String, String>,
}

impl Settings {
    /// No option given.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one option given.
    #[must_use]
    pub fn with(mut self, option: &str, value: impl Display) -> Self {
        self.given.insert(option.into(), value.to_string());
        self
    }

    /// The text given for an option.
    pub fn text(&self, option: &str) -> Option<&str> {
        self.given.get(option).map(String::as_str)
    }
}

/// A part of a whole: a number from 0 up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err("it is a part of 1, such as 0.2"),
        }
    }
}
