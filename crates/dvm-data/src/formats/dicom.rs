//! DICOM files: <https://dicom.nema.org/medical/dicom/current/output/html/part05.html>.
//!
//! Read by `dicom-parser`'s tokens, not into a `dicom-object`: that one builds sequences within
//! sequences by calling itself, and takes the memory that a value declares, so that a small file can
//! overflow the stack or ask for 4 GiB. Of the tokens, some thirty values are kept and all else is
//! read over.

mod compressed;
mod elements;
mod image;
mod rle;
mod secondary_capture;
mod tags;

use std::path::Path;

use super::FormatError;
use super::array::Stop;
use super::frame::Frame;
use super::slices::Wanted;
use elements::Elements;
use image::Image;
pub use secondary_capture::{Description, Study};

const FORMAT: &str = "DICOM";

/// How many frames the file says it has.
pub(super) fn slice_count(path: &Path) -> Result<usize, Stop> {
    Ok(Image::of(&Elements::read(path)?)?.frames)
}

/// Hands on the frames as they are stored, one after the other.
pub(super) fn each_frame(
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Frame) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let elements = Elements::read(path)?;
    let image = Image::of(&elements)?;
    for index in wanted.of(image.frames) {
        each(image.frame(index)?)?;
    }
    Ok(())
}

/// Whose picture it is, of which study.
pub(super) fn study(path: &Path) -> Result<Study, Stop> {
    Study::of(&Elements::read(path)?)
}

fn damaged(detail: impl Into<String>) -> Stop {
    FormatError::Damaged {
        format: FORMAT,
        detail: detail.into(),
    }
    .into()
}

fn unsupported(what: impl Into<String>, advice: &'static str) -> Stop {
    let what = what.into();
    FormatError::Unsupported { what, advice }.into()
}

const SAVE_GREY: &str = "save it as a grey picture of 8 or 16 bits, or as RGB of 8 bits";

const DECOMPRESS: &str = "decompress it first: gdcmconv --raw IN.dcm OUT.dcm, or dcmdjpeg IN.dcm \
     OUT.dcm for JPEG, or in Python: file = pydicom.dcmread(…); file.decompress(); file.save_as(…)";
