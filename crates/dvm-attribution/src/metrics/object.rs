//! The object that metrics of localisation ask about.

use super::Candidate;
use crate::Error;

/// Where the object is, and how much of the picture it takes.
pub(super) struct Object<'a> {
    /// Whether each pixel is the object, `[H, W]`; at least one is.
    pub(super) pixels: &'a [bool],
    /// How many are.
    pub(super) area: usize,
    /// The part of all pixels that are, 0 … 1: what a map gets that knows nothing of the object.
    pub(super) share: f64,
}

impl<'a> Object<'a> {
    /// The object of a candidate.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it is not known where it is, or no pixel shows it.
    pub(super) fn of(candidate: &Candidate<'a>) -> Result<Self, Error> {
        let pixels = candidate.region()?;
        let area = pixels.iter().filter(|&&is_object| is_object).count();
        if area == 0 {
            return Err(Error::Unfit(
                "no pixel that the network sees shows the object".into(),
            ));
        }
        Ok(Self {
            pixels,
            area,
            share: area as f64 / pixels.len() as f64,
        })
    }
}

/// A part of a whole as a percentage for sentences: two digits that count below ten.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        value if value >= 9.95 => format!("{value:.0} %"),
        value => format!("{value:.1} %"),
    }
}
