//! How picture files are read.

use clap::Args;
use dvm::{Classifier, Limits, Range};

/// The range of pixel values, and the largest picture.
#[derive(Args)]
#[command(next_help_heading = "Pictures")]
pub struct PictureOptions {
    /// Pixel values that become black and white, such as 0..4095
    ///
    /// LOW..HIGH: these values, for example 0..4095 for 12 bits stored in 16. `auto`: the smallest and
    /// largest value of each picture. `percentile`: its 1st and 99th percentile, or
    /// percentile:LOW..HIGH. `file`: the range of the file's type, or the window of a DICOM file
    /// [default: the range that the network was trained with, or `file`]
    #[arg(
        long,
        value_name = "LOW..HIGH|auto|percentile|file",
        allow_hyphen_values = true
    )]
    range: Option<Range>,
    /// --range as a window, as radiologists write it, such as 40/400
    #[arg(long, value_name = "CENTRE/WIDTH", value_parser = window, allow_hyphen_values = true)]
    #[arg(conflicts_with = "range")]
    window_level: Option<Range>,
    /// Largest number of pixels of a picture, such as 500MP [default: 268MP]
    ///
    /// Reading a picture takes up to 9 bytes per pixel.
    #[arg(long, value_name = "N", value_parser = pixels)]
    max_pixels: Option<u64>,
}

impl PictureOptions {
    /// The classifier with these options.
    pub fn apply(&self, classifier: Classifier) -> Classifier {
        let classifier = match self.range.or(self.window_level) {
            Some(range) => classifier.with_range(range),
            None => classifier,
        };
        classifier.with_limits(self.limits())
    }

    /// The range that was given.
    pub fn range(&self) -> Option<Range> {
        self.range.or(self.window_level)
    }

    /// The limits of picture files.
    pub fn limits(&self) -> Limits {
        match self.max_pixels {
            Some(pixels) => Limits::up_to(pixels).with_long_files(),
            None => Limits::default(),
        }
    }
}

fn window(text: &str) -> Result<Range, String> {
    let expected = || "must be CENTRE/WIDTH, such as 40/400".to_owned();
    let (centre, width) = text.split_once('/').ok_or_else(expected)?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| expected());
    Ok(Range::window(number(centre)?, number(width)?)?)
}

/// Parses a number of pixels, such as 64MP.
pub fn pixels(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = match lower.strip_suffix("mp").or(lower.strip_suffix('m')) {
        Some(digits) => (digits, 1_000_000),
        None => (lower.as_str(), 1),
    };
    let number = digits.trim().parse::<u64>().ok();
    let number = number.and_then(|number| number.checked_mul(factor));
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| "must be a number of pixels, or of megapixels such as 500MP".into())
}

/// The option that sets the range, where the range of a picture's values is doubtful.
pub fn range_hint(picture: &dvm::Picture) -> Option<String> {
    let levels = picture.levels()?;
    levels.warning()?;
    Some(match levels.suggestion() {
        Some(range) => format!("set it with --range {range} or --range auto"),
        None => "set it with --range auto".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_pixels_are_parsed() {
        assert_eq!(window("2048/4096"), Ok("0..4095".parse().unwrap()));
        assert_eq!(window("-600 / 1500").unwrap().to_string(), "-1350..149");
        for text in ["40", "40/", "40/0", "a/b", "40/400/1"] {
            assert!(window(text).is_err(), "{text}");
        }
        assert_eq!(pixels("500MP"), Ok(500_000_000));
        assert_eq!(pixels("1000"), Ok(1000));
        for text in ["0", "", "MP", "-1", "1.5MP", "99999999999999999999"] {
            assert!(pixels(text).is_err(), "{text}");
        }
    }
}
