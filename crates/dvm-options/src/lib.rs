//! Options of methods, metrics, corpora, optimisers, schedules and augmentations. Each option is
//! described once, as data; parsers, help and documents read that description.

mod resolved;
mod settings;
mod takes;

use std::fmt::Display;
use std::str::FromStr;

pub use resolved::{Refused, Resolved};
pub use settings::Settings;
pub use takes::Takes;

/// The description of one option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The name, such as `window`.
    pub name: &'static str,
    /// The values it accepts.
    pub takes: Takes,
    /// The default, as text; empty if the option is off by default.
    pub default: &'static str,
    /// The help text: a noun phrase.
    pub help: &'static str,
}

impl OptionSpec {
    /// The value in `settings` as text, or the default.
    pub fn text<'s>(&self, settings: &'s Settings) -> &'s str {
        settings.text(self.name).unwrap_or(self.default)
    }

    /// The value in `settings`, or the default.
    ///
    /// # Errors
    /// [`SettingError`] if the text is not a `T`.
    pub fn of<T: FromStr<Err: Display>>(&self, settings: &Settings) -> Result<T, SettingError> {
        let text = self.text(settings);
        text.parse().map_err(|why: T::Err| self.refuse(text, why))
    }

    /// The error for an invalid value; `expected` says which values are valid.
    pub fn refuse(&self, value: impl Display, expected: impl Display) -> SettingError {
        SettingError {
            option: self.name.into(),
            value: value.to_string(),
            expected: expected.to_string(),
        }
    }
}

/// An option has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value `{value}` for the option `{option}`: {expected}")]
pub struct SettingError {
    /// Name of the option.
    pub option: String,
    /// The invalid value.
    pub value: String,
    /// Which values are valid.
    pub expected: String,
}

/// A named set of option values, such as the defaults of another tool.
#[derive(Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// One sentence: whose defaults these are.
    pub summary: &'static str,
    /// Options and their values; options that the user sets override them.
    pub options: &'static [(&'static str, &'static str)],
}

impl Preset {
    /// The options as [`Settings`].
    pub fn settings(&self) -> Settings {
        let options = self.options.iter();
        options.fold(Settings::new(), |settings, (option, value)| {
            settings.with(option, value)
        })
    }
}

/// A whole number from 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(count) if (1..=1_000_000_000).contains(&count) => Ok(Self(count)),
            _ => Err("it must be a whole number from 1 to 1000000000"),
        }
    }
}

/// A finite number of at least 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positive(pub f64);

impl FromStr for Positive {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Self(number)),
            _ => Err("it must be a number of at least 0"),
        }
    }
}

/// A share: a number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err("it must be a number from 0 to 1, such as 0.2"),
        }
    }
}

/// Declares an enum whose variants are written as words, with `word()` and `FromStr`.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        #[allow(dead_code)] // Not every enum needs both lists.
        impl $name {
            /// All words.
            $vis const WORDS: &'static [&'static str] = &[$($word),+];

            /// All words, separated by `|`, for `Takes::Text`.
            $vis const FORM: &'static str = {
                let words = concat!($($word, "|"),+);
                words.split_at(words.len() - 1).0
            };

            /// The word for it.
            $vis fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it must be one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// An order.
        enum Order {
            /// The first.
            Rising = "rising",
            /// The second.
            Falling = "falling",
        }
    }

    const ORDER: OptionSpec = OptionSpec {
        name: "order",
        takes: Takes::Text(Order::FORM),
        default: "rising",
        help: "",
    };

    #[test]
    fn an_option_that_is_not_set_has_its_default() {
        assert_eq!(ORDER.of(&Settings::new()), Ok(Order::Rising));
        let given = Settings::new().with("order", Order::Falling.word());
        assert_eq!(ORDER.of(&given), Ok(Order::Falling));
        assert_eq!(Order::FORM, "rising|falling");
    }

    #[test]
    fn the_error_for_an_invalid_value_lists_the_valid_ones() {
        let given = Settings::new().with("order", "up");
        let error = ORDER.of::<Order>(&given).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid value `up` for the option `order`: it must be one of rising, falling"
        );
    }

    #[test]
    fn a_set_option_overrides_a_preset() {
        let preset = Preset {
            name: "other tool",
            summary: "",
            options: &[("order", "falling"), ("seed", "3")],
        };
        let all = Settings::new()
            .with("order", "rising")
            .or(&preset.settings());
        assert_eq!(all.text("order"), Some("rising"));
        assert_eq!(all.text("seed"), Some("3"));
    }

    #[test]
    fn counts_and_shares_have_bounds() {
        assert_eq!("1".parse(), Ok(Count(1)));
        assert!("0".parse::<Count>().is_err());
        assert!("nan".parse::<Positive>().is_err());
        assert!("1.5".parse::<Share>().is_err());
    }
}
