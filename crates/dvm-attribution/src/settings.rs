//! Options of methods: described once as data, given as text, parsed once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// One option of a method, as help, docs and parsers show it.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name, such as `window`; on the command line `--window`.
    pub name: &'static str,
    /// What a value looks like, such as `N|HxW`.
    pub value: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Options as they were given, by name.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    given: BTreeMap<String, String>,
}

/// A value that an option does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{option} does not take `{value}`: {expected}")]
pub struct SettingError {
    /// Name of the option.
    pub option: String,
    /// The value given.
    pub value: String,
    /// What it takes.
    pub expected: String,
}

impl SettingError {
    pub(crate) fn new(option: &str, value: impl Display, expected: impl Display) -> Self {
        Self {
            option: option.into(),
            value: value.to_string(),
            expected: expected.to_string(),
        }
    }
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

    /// Names of the options given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// The text given for an option.
    pub fn text(&self, option: &str) -> Option<&str> {
        self.given.get(option).map(String::as_str)
    }

    /// The value of an option, or `default` if it was not given.
    ///
    /// # Errors
    /// [`SettingError`] with what the type says it takes.
    pub(crate) fn get<T>(&self, option: &str, default: T) -> Result<T, SettingError>
    where
        T: FromStr<Err: Display>,
    {
        match self.text(option) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|expected: T::Err| SettingError::new(option, text, expected)),
        }
    }
}

/// Declares an enum whose values are words: parsed from them, and written as them.
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it is one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}
pub(crate) use words;
