//! The range of values that becomes black to white.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which values of a file become 0 and 255.
///
/// A value `x` becomes `(x − black) / (white − black) · 255`, rounded to the nearest whole number
/// (halves to the even one, as NumPy's `round`) and clipped to 0 … 255. As text and in JSON:
/// `file`, `auto`, `percentile`, `percentile:2..98` or `0..4095`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Range {
    /// The full range of the file's type (0 to 255, 0 to 65535, 0 to 1 for floats), or the window
    /// in a medical file.
    #[default]
    File,
    /// These values.
    Values {
        /// The value of black.
        black: f64,
        /// The value of white, greater than `black`.
        white: f64,
    },
    /// The smallest and the largest value of each picture.
    Auto,
    /// These percentiles of each picture's values, with linear interpolation as `numpy.percentile`.
    Percentile {
        /// The percentile of black, 0 to 100.
        low: f64,
        /// The percentile of white, greater than `low`, at most 100.
        high: f64,
    },
}

impl Range {
    /// The meaning of `percentile` without numbers.
    pub const PERCENTILE: Self = Self::Percentile {
        low: 1.0,
        high: 99.0,
    };

    /// The values of a DICOM window with the linear function (PS3.3, C.11.2.1.2.1): black up to
    /// `centre − 0.5 − (width − 1) / 2`, white from `centre − 0.5 + (width − 1) / 2`.
    ///
    /// # Errors
    /// If the width is not finite and greater than 1, or the centre is not finite.
    pub fn window(centre: f64, width: f64) -> Result<Self, &'static str> {
        if !centre.is_finite() || !width.is_finite() || width <= 1.0 {
            return Err("the centre of a window must be finite, and its width greater than 1");
        }
        let half = (width - 1.0) / 2.0;
        Ok(Self::Values {
            black: centre - 0.5 - half,
            white: centre - 0.5 + half,
        })
    }

    /// Whether it is [`Range::File`].
    pub fn is_file(&self) -> bool {
        *self == Self::File
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Auto => f.write_str("auto"),
            Self::Values { black, white } => write!(f, "{black}..{white}"),
            range if *range == Self::PERCENTILE => f.write_str("percentile"),
            Self::Percentile { low, high } => write!(f, "percentile:{low}..{high}"),
        }
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "it must be `file`, `auto`, `percentile`, percentiles such as \
                                percentile:2..98, or values such as 0..4095, the lower first";
        let bounds = |text: &str| {
            let (low, high) = text.split_once("..")?;
            let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            (low.is_finite() && high.is_finite() && low < high).then_some((low, high))
        };
        match text.trim() {
            "file" => Ok(Self::File),
            "auto" => Ok(Self::Auto),
            "percentile" => Ok(Self::PERCENTILE),
            text => match text.strip_prefix("percentile:") {
                Some(text) => match bounds(text) {
                    Some((low, high)) if low >= 0.0 && high <= 100.0 => {
                        Ok(Self::Percentile { low, high })
                    }
                    _ => Err(
                        "percentiles must be from 0 to 100, the lower first, such as \
                              percentile:2..98",
                    ),
                },
                None => {
                    let (black, white) = bounds(text).ok_or(EXPECTED)?;
                    Ok(Self::Values { black, white })
                }
            },
        }
    }
}

impl TryFrom<String> for Range {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_read_back() {
        for text in [
            "file",
            "auto",
            "percentile",
            "percentile:0.5..99.9",
            "0..4095",
            "-1024..3071.5",
        ] {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), text);
        }
        assert_eq!("percentile:1..99".parse(), Ok(Range::PERCENTILE));
    }

    #[test]
    fn invalid_ranges_are_errors() {
        for text in [
            "",
            "4095",
            "4095..0",
            "5..5",
            "0..inf",
            "nan..1",
            "percentile:",
            "percentile:-1..50",
            "percentile:2..101",
            "all",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_follows_the_dicom_standard() {
        // PS3.3, C.11.2.1.2.1: with centre 2048 and width 4096, 0 is black and 4095 white.
        let window = Range::window(2048.0, 4096.0);
        assert_eq!(window, Ok("0..4095".parse().unwrap()));
        assert!(Range::window(40.0, 1.0).is_err());
        assert!(Range::window(f64::NAN, 400.0).is_err());
    }
}
