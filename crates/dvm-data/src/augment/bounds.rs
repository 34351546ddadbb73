//! Checks of options, and an option that several augmentations have.

use dvm_options::{OptionSpec, Takes};

use super::Invalid;

/// The option `p` of changes that are made to some of the pictures.
pub(super) const PROBABILITY: OptionSpec = OptionSpec {
    name: "p",
    takes: Takes::Text("NUMBER"),
    default: "0.5",
    help: "probability, from 0 to 1",
};

pub(super) fn probability(option: &'static str, p: f64) -> Result<(), Invalid> {
    check(
        (0.0..=1.0).contains(&p),
        option,
        p,
        "a probability from 0 to 1",
    )
}

/// A range of shares of the picture's area.
pub(super) fn scale(option: &'static str, scale: (f64, f64)) -> Result<(), Invalid> {
    check(
        scale.0 > 0.0 && scale.0 <= scale.1 && scale.1 <= 1.0,
        option,
        scale,
        "two shares of the area, greater than 0 and at most 1, the smaller one first",
    )
}

/// A range of the ratio of two sides.
pub(super) fn ratio(option: &'static str, ratio: (f64, f64)) -> Result<(), Invalid> {
    check(
        ratio.0 >= 0.01 && ratio.0 <= ratio.1 && ratio.1 <= 100.0,
        option,
        ratio,
        "two ratios of the sides, from 0.01 to 100, the smaller one first",
    )
}

pub(super) fn check(
    holds: bool,
    option: &'static str,
    value: impl std::fmt::Debug,
    expected: &'static str,
) -> Result<(), Invalid> {
    if holds {
        return Ok(());
    }
    Err(Invalid {
        option,
        value: format!("{value:?}"),
        expected,
    })
}
