//! Options of everything that comes in lists (methods, corpora, optimisers, schedules, augmentations):
//! described once as data, given as text, parsed once. Help, documents and parsers read the same
//! description.

mod resolved;
mod settings;
mod takes;

use std::fmt::Display;
use std::str::FromStr;

pub use resolved::{Refused, Resolved};
pub use settings::Settings;
pub use takes::Takes;

/// One option, as help, documents and parsers show it.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name, such as `window`.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The default, as text; empty if the option is off unless it is given.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

impl OptionSpec {
    /// The text given for it, or its default.
    pub fn text<'s>(&self, settings: &'s Settings) -> &'s str {
        settings.text(self.name).unwrap_or(self.default)
    }

    /// The value given, or the default.
    ///
    /// # Errors
    /// [`SettingError`] with what the type says it takes.
    pub fn of<T: FromStr<Err: Display>>(&self, settings: &Settings) -> Result<T, SettingError> {
        let text = self.text(settings);
        text.parse().map_err(|why: T::Err| self.refuse(text, why))
    }

    /// The error for a value that this option does not take.
    pub fn refuse(&self, value: impl Display, expected: impl Display) -> SettingError {
        SettingError {
            option: self.name.into(),
            value: value.to_string(),
            expected: expected.to_string(),
        }
    }
}

/// A value that an option does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the option `{option}` does not take `{value}`: {expected}")]
pub struct SettingError {
    /// Name of the option.
    pub option: String,
    /// The value given.
    pub value: String,
    /// What it takes.
    pub expected: String,
}

/// A named set of options, such as the conventions of another tool.
#[derive(Debug)]
pub struct Preset {
    /// The name to ask for it by.
    pub name: &'static str,
    /// Whose conventions these are.
    pub summary: &'static str,
    /// The options it sets; options given beside it win.
    pub options: &'static [(&'static str, &'static str)],
}

impl Preset {
    /// Its options as if they had been given.
    pub fn settings(&self) -> Settings {
        let options = self.options.iter();
        options.fold(Settings::new(), |settings, (option, value)| {
            settings.with(option, value)
        })
    }
}

/// A whole number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(count) if (1..=1_000_000_000).contains(&count) => Ok(Self(count)),
            _ => Err("it is a whole number from 1 to 1000000000"),
        }
    }
}

/// A finite number from 0 on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positive(pub f64);

impl FromStr for Positive {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Self(number)),
            _ => Err("it is a number, 0 or more"),
        }
    }
}

/// A part of a whole: a number from 0 to 1.
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

/// Declares an enum whose values are words: parsed from them, and written as them.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
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
                    _ => Err(format!("it is one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// Two words.
        enum Order {
            /// The first.
            Rising = "rising",
            /// The second.
            Falling = "falling",
        }
    }

    const ORDER: OptionSpec = OptionSpec {
        name: "order",
        takes: Takes::Text("rising|falling"),
        default: "rising",
        help: "",
    };

    #[test]
    fn what_is_not_given_has_its_default() {
        assert_eq!(ORDER.of(&Settings::new()), Ok(Order::Rising));
        let given = Settings::new().with("order", Order::Falling.word());
        assert_eq!(ORDER.of(&given), Ok(Order::Falling));
    }

    #[test]
    fn a_value_that_is_not_taken_is_refused_with_what_is() {
        let given = Settings::new().with("order", "up");
        let error = ORDER.of::<Order>(&given).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the option `order` does not take `up`: it is one of rising, falling"
        );
    }

    #[test]
    fn what_is_given_wins_over_a_preset() {
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
    fn counts_and_parts_have_bounds() {
        assert_eq!("1".parse(), Ok(Count(1)));
        assert!("0".parse::<Count>().is_err());
        assert!("nan".parse::<Positive>().is_err());
        assert!("1.5".parse::<Share>().is_err());
    }
}
