//! Where objects are in pictures, for metrics of localisation.

use dvm_image::Input;

pub use dvm_data::regions::{ALL, Format, Located, Object, Region, Regions, Shape};

use crate::{Error, Source};

/// The pixels of a network's input that show the objects of a picture, of one class or of all classes
/// ([`Regions::locate`]).
///
/// Regions do not name slices, so nothing is located in a file with several slices.
///
/// # Errors
/// [`Error::Data`] if the entry of this picture is invalid.
pub fn locate(
    regions: &Regions,
    source: &Source,
    class: Option<&str>,
    input: &Input,
) -> Result<Located, Error> {
    if source.slice().is_some() {
        return Ok(Located::Unknown(format!(
            "{} has several slices, and {} does not name the slice",
            source.path().display(),
            regions.path().display()
        )));
    }
    Ok(regions.locate(source.path(), class, input.placement())?)
}
