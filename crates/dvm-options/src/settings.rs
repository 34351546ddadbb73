//! Options as they were given.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Options as they were given, by name.
///
/// As JSON or TOML it is a table; what reads as a flag or a number is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The same with those of `others` where it has none.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (option, value) in &others.given {
            let given = self.given.entry(option.clone());
            given.or_insert_with(|| value.clone());
        }
        self
    }

    /// Names of the options given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// The text given for an option.
    pub fn text(&self, option: &str) -> Option<&str> {
        self.given.get(option).map(String::as_str)
    }
}

/// A value as a configuration file writes it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Flag(bool),
    Number(f64),
    Word(String),
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.given.iter().map(|(name, text)| {
            let written = match (text.parse(), text.parse()) {
                (Ok(flag), _) => Written::Flag(flag),
                (_, Ok(number)) => Written::Number(number),
                _ => Written::Word(text.clone()),
            };
            (name, written)
        }))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
        let text = |written| match written {
            Written::Flag(flag) => flag.to_string(),
            Written::Number(number) => number.to_string(),
            Written::Word(word) => word,
        };
        let given = written.into_iter().map(|(name, value)| (name, text(value)));
        Ok(Self {
            given: given.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_written_as_a_configuration_file_has_them() {
        let text = r#"{"metric":"loss","momentum":0.9,"nesterov":true,"patience":3.0}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.text("patience"), Some("3"));
        assert_eq!(settings.text("nesterov"), Some("true"));
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
    }
}
