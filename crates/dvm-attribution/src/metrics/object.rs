//! The object that localisation metrics need.

use super::Candidate;
use crate::Error;

/// The pixels of the object, and their share of the picture.
pub(super) struct Object<'a> {
    /// Whether each pixel shows the object, `[H, W]`; at least one does.
    pub(super) pixels: &'a [bool],
    /// How many do.
    pub(super) area: usize,
    /// The part of all pixels that do, 0 … 1: the result of a map without information.
    pub(super) share: f64,
}

impl<'a> Object<'a> {
    /// The object of a candidate.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the region is not known, or no pixel shows the object.
    pub(super) fn of(candidate: &Candidate<'a>) -> Result<Self, Error> {
        let pixels = candidate.region()?;
        let area = pixels.iter().filter(|&&is_object| is_object).count();
        if area == 0 {
            return Err(Error::Unfit(
                "the object is outside of the part of the picture that the network gets".into(),
            ));
        }
        Ok(Self {
            pixels,
            area,
            share: area as f64 / pixels.len() as f64,
        })
    }
}
