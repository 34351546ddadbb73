//! DICOM files: <https://dicom.nema.org/medical/dicom/current/output/html/part05.html>.
//!
//! Read with the tokens of `dicom-parser`, not with `dicom-object`: that crate reads nested sequences
//! recursively and allocates the declared length of a value, so a small file can overflow the stack or
//! allocate 4 GiB. About thirty values are kept; the other tokens are skipped.

mod compressed;
mod elements;
mod image;
mod rle;
mod secondary_capture;
mod tags;

use std::path::Path;

use super::FormatError;
use super::array::ReadError;
use super::frame::Frame;
use super::slices::Wanted;
use elements::Elements;
use image::Image;
pub use secondary_capture::Study;

const FORMAT: &str = "DICOM";

/// Number of frames, from the file's elements.
pub(super) fn slice_count(path: &Path) -> Result<usize, ReadError> {
    Ok(Image::of(&Elements::read(path)?)?.frames)
}

/// Calls `each` with one stored frame after the other.
pub(super) fn each_frame(
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Frame) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let elements = Elements::read(path)?;
    let image = Image::of(&elements)?;
    for index in wanted.of(image.frames) {
        each(image.frame(index)?)?;
    }
    Ok(())
}

/// The patient and study of the picture.
pub(super) fn study(path: &Path) -> Result<Study, ReadError> {
    Study::of(&Elements::read(path)?)
}

fn damaged(detail: impl Into<String>) -> ReadError {
    FormatError::Damaged {
        format: FORMAT,
        detail: detail.into(),
    }
    .into()
}

fn unsupported(what: impl Into<String>, advice: &'static str) -> ReadError {
    let what = what.into();
    FormatError::Unsupported { what, advice }.into()
}

const SAVE_GREY: &str = "save it as a grey picture of 8 or 16 bits, or as RGB of 8 bits";

const DECOMPRESS: &str = "decompress it first: gdcmconv --raw IN.dcm OUT.dcm, or dcmdjpeg IN.dcm \
     OUT.dcm for JPEG, or in Python: file = pydicom.dcmread(…); file.decompress(); file.save_as(…)";
