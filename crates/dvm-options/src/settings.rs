//! The options that a user set.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The options that a user set: values as text, by name. As JSON or TOML it is a table. A value
/// that reads as a flag or a number is written as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    given: BTreeMap<String, String>,
}

impl Settings {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one option.
    #[must_use]
    pub fn with(mut self, option: &str, value: impl Display) -> Self {
        self.given.insert(option.into(), value.to_string());
        self
    }

    /// Adds the options of `others` that are not set.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (option, value) in &others.given {
            let given = self.given.entry(option.clone());
            given.or_insert_with(|| value.clone());
        }
        self
    }

    /// The names of the options that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// The value of an option, if it is set.
    pub fn text(&self, option: &str) -> Option<&str> {
        self.given.get(option).map(String::as_str)
    }
}

/// A value in a configuration file.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Flag(bool),
    Number(f64),
    Word(&'a str),
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.given.iter().map(|(name, text)| {
            let written = match (text.parse(), text.parse()) {
                (Ok(flag), _) => Written::Flag(flag),
                (_, Ok(number)) => Written::Number(number),
                _ => Written::Word(text),
            };
            (name, written)
        }))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = BTreeMap::<String, Text>::deserialize(deserializer)?;
        let given = given.into_iter().map(|(name, Text(text))| (name, text));
        Ok(Self {
            given: given.collect(),
        })
    }
}

/// A flag, a number or a word, as text.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("true, false, a number or a word")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<String, E> {
        Ok(flag.to_string())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_str<E>(self, word: &str) -> Result<String, E> {
        Ok(word.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_numbers_are_written_without_quotes() {
        let text = r#"{"metric":"loss","momentum":0.9,"nesterov":true,"patience":3.0}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.text("patience"), Some("3"));
        assert_eq!(settings.text("nesterov"), Some("true"));
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
    }
    #[test]
    fn a_list_as_a_value_is_an_error_that_says_what_is_valid() {
        let error = serde_json::from_str::<Settings>(r#"{"momentum":[0.9]}"#).unwrap_err();
        let expected = "expected true, false, a number or a word";
        assert!(error.to_string().contains(expected), "{error}");
    }
}
