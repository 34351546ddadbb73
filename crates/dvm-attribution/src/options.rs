//! Reading the options of methods and metrics, and the options that several methods have: one name means one thing.

use std::fmt::Display;
use std::str::FromStr;

use dvm_options::{Count, OptionSpec, Positive, SettingError, Settings, Share, Takes};
use serde_json::{Map, Value};

use crate::Score;

/// Reads the options of one method or metric, and records the value of each.
pub struct OptionReader<'s> {
    specs: &'s [OptionSpec],
    settings: &'s Settings,
    record: Map<String, Value>,
}

impl<'s> OptionReader<'s> {
    /// For a method or metric with these options.
    pub fn new(specs: &'s [OptionSpec], settings: &'s Settings) -> Self {
        Self {
            specs,
            settings,
            record: Map::new(),
        }
    }

    /// Whether the method or metric has this option. One that it does not have keeps its default and is not recorded,
    /// so that a part of several methods can read all options that one of them has.
    fn has(&self, option: &OptionSpec) -> bool {
        self.specs.iter().any(|own| own.name == option.name)
    }

    fn text<'o>(&'o self, option: &'o OptionSpec) -> &'o str {
        match self.has(option) {
            true => option.text(self.settings),
            false => option.default,
        }
    }

    fn read<T: FromStr<Err: Display>>(
        &mut self,
        option: &OptionSpec,
        recorded: impl FnOnce(&T, &str) -> Value,
    ) -> Result<T, SettingError> {
        let text = self.text(option);
        let value = text
            .parse()
            .map_err(|why: T::Err| option.refuse(text, why))?;
        let recorded = recorded(&value, text);
        if self.has(option) {
            self.note(option.name, recorded);
        }
        Ok(value)
    }

    /// A number or a flag.
    ///
    /// # Errors
    /// [`SettingError`] if the text is not a `T`, here and below.
    pub fn plain<T>(&mut self, option: &OptionSpec) -> Result<T, SettingError>
    where
        T: FromStr<Err: Display> + Copy + Into<Value>,
    {
        self.read(option, |&value: &T, _| value.into())
    }

    /// A number of at least 1.
    ///
    /// # Errors
    /// As [`OptionReader::plain`].
    pub fn count(&mut self, option: &OptionSpec) -> Result<usize, SettingError> {
        let Count(count) = self.read(option, |count: &Count, _| count.0.into())?;
        Ok(count)
    }

    /// A finite number of at least 0.
    ///
    /// # Errors
    /// As [`OptionReader::plain`].
    pub fn positive(&mut self, option: &OptionSpec) -> Result<f64, SettingError> {
        let Positive(number) = self.read(option, |number: &Positive, _| number.0.into())?;
        Ok(number)
    }

    /// A number from 0 to 1.
    ///
    /// # Errors
    /// As [`OptionReader::plain`].
    pub fn share(&mut self, option: &OptionSpec) -> Result<f64, SettingError> {
        let Share(share) = self.read(option, |share: &Share, _| share.0.into())?;
        Ok(share)
    }

    /// One of several words.
    ///
    /// # Errors
    /// As [`OptionReader::plain`].
    pub fn word<T: FromStr<Err: Display>>(
        &mut self,
        option: &OptionSpec,
    ) -> Result<T, SettingError> {
        self.read(option, |_, word| word.into())
    }

    /// A value that is recorded as text.
    ///
    /// # Errors
    /// As [`OptionReader::plain`].
    pub fn written<T>(&mut self, option: &OptionSpec) -> Result<T, SettingError>
    where
        T: FromStr<Err: Display> + Display,
    {
        self.read(option, |value: &T, _| value.to_string().into())
    }

    /// Records a setting that is not an option as it was read.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.record.insert(name.into(), value.into());
    }

    /// Every setting that was read, with its value.
    pub fn into_record(self) -> Map<String, Value> {
        self.record
    }
}

/// Which score of the target is explained.
pub(crate) const SCORE: OptionSpec = OptionSpec {
    name: "score",
    takes: Takes::Text(Score::FORM),
    default: "logit",
    help: "the score of the class that is explained",
};

/// The same for methods that explain the probability by default.
pub(crate) const PROBABILITY: OptionSpec = OptionSpec {
    default: "probability",
    ..SCORE
};

/// Seed of the random numbers.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "0",
    help: "seed of the random numbers; the same seed gives the same map",
};

/// Number of changed pictures.
pub(crate) const SAMPLES: OptionSpec = OptionSpec {
    name: "samples",
    takes: Takes::Text("N"),
    default: "25",
    help: "number of changed pictures",
};

/// The baseline.
pub(crate) const BASELINE: OptionSpec = OptionSpec {
    name: "baseline",
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE"),
    default: "zero",
    help: "the input without information: zero (after normalisation), black, white, grey (127.5), \
           mean (the picture's mean colour), blur (the picture blurred), noise, a colour, a \
           picture file, or a .npy file of normalised values (float32 [C, H, W])",
};

/// Which layers of the network are used.
pub(crate) const LAYER: OptionSpec = OptionSpec {
    name: "layer",
    takes: Takes::Text("NAME,…"),
    default: "",
    help: "layers by name; the maps of several are averaged; if none is given, the last layer with a feature map",
};
