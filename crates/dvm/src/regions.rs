//! Where objects are in pictures: what metrics of localisation compare a map with.

use dvm_image::Input;

pub use dvm_data::regions::{ALL, Format, Located, Object, Region, Regions, Shape};

use crate::{Error, Source};

/// Which pixels of a network's input show the objects of a picture, of one class or of any
/// ([`Regions::locate`]).
///
/// Of a file with several slices it is not known which one a box or a mask is about: none is located.
///
/// # Errors
/// [`Error::Data`] if what the file says of this picture makes no sense.
pub fn locate(
    regions: &Regions,
    source: &Source,
    class: Option<&str>,
    input: &Input,
) -> Result<Located, Error> {
    if source.slice().is_some() {
        return Ok(Located::Unknown(format!(
            "{} has several slices, and {} does not say which one it is about",
            source.path().display(),
            regions.path().display()
        )));
    }
    Ok(regions.locate(source.path(), class, input.placement())?)
}
