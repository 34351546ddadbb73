//! The values that an option accepts.

use std::fmt;

/// The values that an option accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// Text of this form, such as `N|HxW`. The owner of the option parses it ([`OptionSpec::of`]).
    ///
    /// [`OptionSpec::of`]: crate::OptionSpec::of
    Text(&'static str),
    /// `true` or `false`.
    Flag,
    /// A finite number of at least this.
    AtLeast(f64),
    /// A finite number greater than this.
    Above(f64),
    /// A whole number of at least this.
    WholeFrom(u64),
    /// A number of at least the first and less than the second.
    From(f64, f64),
    /// A number from the first to the second, inclusive.
    Between(f64, f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Takes {
    /// Whether this value is valid. [`Takes::Text`] is not checked.
    pub fn takes(self, text: &str) -> bool {
        let number = text.parse().ok().filter(|x: &f64| x.is_finite());
        match (self, number) {
            (Self::Text(_), _) => true,
            (Self::Flag, _) => matches!(text, "true" | "false"),
            (Self::OneOf(words), _) => words.contains(&text),
            (_, None) => false,
            (Self::AtLeast(low), Some(x)) => x >= low,
            (Self::Above(low), Some(x)) => x > low,
            (Self::WholeFrom(low), Some(x)) => {
                x >= low as f64 && x <= f64::from(u32::MAX) && x.fract() == 0.0
            }
            (Self::From(low, high), Some(x)) => x >= low && x < high,
            (Self::Between(low, high), Some(x)) => x >= low && x <= high,
        }
    }

    /// The value in its normal form: `1e-4` becomes `0.0001`.
    pub(crate) fn written(self, text: &str) -> String {
        let is_number = !matches!(self, Self::Text(_) | Self::Flag | Self::OneOf(_));
        match text.parse::<f64>() {
            Ok(number) if is_number => number.to_string(),
            _ => text.into(),
        }
    }

    /// The placeholder for help texts: `N|HxW`, `NUMBER`, `loss|accuracy`.
    pub fn form(self) -> String {
        match self {
            Self::Text(form) => form.into(),
            Self::Flag => "true|false".into(),
            Self::WholeFrom(_) => "N".into(),
            Self::OneOf(words) => words.join("|"),
            Self::AtLeast(_) | Self::Above(_) | Self::From(..) | Self::Between(..) => {
                "NUMBER".into()
            }
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(form) => f.write_str(form),
            Self::Flag => write!(f, "true or false"),
            Self::AtLeast(low) => write!(f, "a number of at least {low}"),
            Self::Above(low) => write!(f, "a number greater than {low}"),
            Self::WholeFrom(low) => write!(f, "a whole number of at least {low}"),
            Self::From(low, high) => write!(f, "a number of at least {low} and less than {high}"),
            Self::Between(low, high) => write!(f, "a number from {low} to {high}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_word_lists_are_checked() {
        let below_one = Takes::From(0.0, 1.0);
        assert!(below_one.takes("0") && below_one.takes("0.9"));
        for text in ["1", "-0.1", "nan", "inf", "true", "much"] {
            assert!(!below_one.takes(text), "{text}");
        }
        assert!(Takes::WholeFrom(1).takes("3") && !Takes::WholeFrom(1).takes("3.5"));
        assert!(Takes::OneOf(&["loss"]).takes("loss") && !Takes::OneOf(&["loss"]).takes("los"));
    }
}
