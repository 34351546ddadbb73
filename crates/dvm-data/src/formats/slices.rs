//! Slices of volumes, frames of DICOM files and pictures of arrays.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use super::array::ReadError;
use super::frame::Frame;
use super::grey::Slice;
use super::{Study, array_frames, dicom, nifti};
use crate::Error;

/// Most bytes of a volume: 512 slices of 512 × 512 doubles.
#[cfg(feature = "medical")]
pub(super) const MOST_BYTES: u64 = 1 << 30;

/// The wanted slices of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All slices.
    All,
    /// The middle slice; of an even number, the upper of the two.
    Middle,
    /// The slices with these numbers, from 0, if they exist.
    Range(Range<usize>),
}

impl Wanted {
    /// Their numbers in a volume of `count` slices.
    pub fn of(&self, count: usize) -> Range<usize> {
        match self {
            Self::All => 0..count,
            Self::Middle if count == 0 => 0..0,
            Self::Middle => count / 2..count / 2 + 1,
            Self::Range(range) => range.start.min(count)..range.end.min(count),
        }
    }
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "it must be `all`, `middle`, a number from 0, or a range such as 40..60 (the \
             slices 40 to 59)";
        match text {
            "all" => return Ok(Self::All),
            "middle" => return Ok(Self::Middle),
            _ => {}
        }
        if let Ok(one) = text.parse::<u32>() {
            let one = one as usize;
            return Ok(Self::Range(one..one + 1));
        }
        let (start, end) = text.split_once("..").ok_or(EXPECTED)?;
        match (start.parse(), end.parse()) {
            (Ok(start), Ok(end)) if start < end => Ok(Self::Range(start..end)),
            _ => Err(EXPECTED),
        }
    }
}

/// Extensions of files with slices, in lower case.
const ENDINGS: [(&str, Kind); 5] = [
    (".nii", Kind::Nifti),
    (".nii.gz", Kind::Nifti),
    (".dcm", Kind::Dicom),
    (".dicom", Kind::Dicom),
    (".npy", Kind::Numpy),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Nifti,
    Dicom,
    Numpy,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let found = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
        found
            .filter(|_| !name.starts_with('.'))
            .map(|(_, kind)| *kind)
    }
}

/// The name without the extension, if the file is a NIfTI volume or a DICOM file by its extension.
pub fn volume_name(path: &Path) -> Option<&str> {
    Kind::of(path).filter(|kind| *kind != Kind::Numpy)?;
    let name = path.file_name()?.to_str()?;
    let cut = |ending: &str| {
        let stem = name.len().checked_sub(ending.len())?;
        let end = name.get(stem..)?;
        end.eq_ignore_ascii_case(ending).then(|| &name[..stem])
    };
    ENDINGS.iter().find_map(|(ending, _)| cut(ending))
}

/// Whether [`each_frame`] reads the file: NIfTI volumes, DICOM files and NumPy arrays by their extension, and
/// DICOM files by their first bytes, too, because they often have no extension.
pub fn holds_frames(path: &Path) -> bool {
    Kind::of(path).is_some() || is_dicom(path)
}

/// Whether a file is a DICOM file by its first bytes.
pub fn is_dicom(path: &Path) -> bool {
    let mut start = [0; 132];
    // Opening a named pipe would block for ever.
    let is_file = std::fs::metadata(path).is_ok_and(|kind| kind.is_file());
    let read = |start: &mut [u8]| File::open(path)?.read_exact(start);
    is_file && read(&mut start).is_ok() && start.ends_with(b"DICM")
}

/// Number of axial slices of a NIfTI volume, frames of a DICOM file or pictures of an array, from the header.
///
/// # Errors
/// As [`read_slices`].
pub fn slice_count(path: &Path) -> Result<usize, Error> {
    let count = match kind(path)? {
        Kind::Nifti => nifti::slice_count(path),
        Kind::Dicom => dicom::slice_count(path),
        Kind::Numpy => array_frames::count(path),
    };
    count.map_err(|stop| stop.at(path))
}

/// The slices of a NIfTI volume or DICOM file as grey pictures, each scaled separately.
///
/// NIfTI: axial slices from the feet to the head, with the patient's front at the top and the right side on
/// the left, whatever the order in the file. DICOM: the stored frames, inverted if 0 means white. Slopes
/// and intercepts are applied.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read, [`Error::Format`] for a file that is damaged, too large,
/// not supported or contains an infinity or NaN.
pub fn read_slices(path: &Path, wanted: &Wanted) -> Result<Vec<Slice>, Error> {
    let mut slices = Vec::new();
    let each = &mut |frame: Frame| {
        slices.push(frame.slice()?);
        Ok(())
    };
    each_of(kind(path)?, path, wanted, each).map_err(|stop| stop.at(path))?;
    Ok(slices)
}

/// Calls `each` with one picture after the other: axial slices of a NIfTI volume (see [`read_slices`]), frames
/// of a DICOM file (grey or coloured; also compressed with RLE, JPEG or JPEG 2000), or pictures of a NumPy
/// array (`[H, W]`, `[H, W, 3]`, `[3, H, W]`, or several of these along a first axis).
///
/// # Errors
/// As [`read_slices`], and errors of `each`.
pub fn each_frame<E: From<Error>>(
    path: &Path,
    wanted: &Wanted,
    mut each: impl FnMut(Frame) -> Result<(), E>,
) -> Result<(), E> {
    let mut failure = None;
    let hand_on = &mut |frame: Frame| {
        each(frame).map_err(|error| {
            failure = Some(error);
            ReadError::Io(std::io::Error::other("the reader of the frames stopped"))
        })
    };
    let kind = if Kind::of(path).is_none() && is_dicom(path) {
        Kind::Dicom
    } else {
        kind(path)?
    };
    let done = each_of(kind, path, wanted, hand_on);
    match (failure, done) {
        (Some(error), _) => Err(error),
        (None, done) => Ok(done.map_err(|stop| stop.at(path))?),
    }
}

fn each_of(
    kind: Kind,
    path: &Path,
    wanted: &Wanted,
    each: &mut dyn FnMut(Frame) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    match kind {
        Kind::Nifti => nifti::each_frame(path, wanted, each),
        Kind::Dicom => dicom::each_frame(path, wanted, each),
        Kind::Numpy => array_frames::each_frame(path, wanted, each),
    }
}

/// The patient and study of a DICOM file, to write other files of the same study.
///
/// # Errors
/// As [`read_slices`].
pub fn study(path: &Path) -> Result<Study, Error> {
    dicom::study(path).map_err(|stop| stop.at(path))
}

fn kind(path: &Path) -> Result<Kind, Error> {
    let is_file = std::fs::metadata(path)
        .map_err(Error::file(path))?
        .is_file();
    Kind::of(path)
        .filter(|_| is_file)
        .ok_or_else(|| Error::Layout {
            path: path.into(),
            detail: format!(
                "is not a file with one of the extensions {}",
                ENDINGS.map(|(e, _)| e).join(", ")
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_selected_by_word_or_number() {
        let of = |text: &str, count| text.parse::<Wanted>().map(|wanted| wanted.of(count));
        assert_eq!(of("all", 5), Ok(0..5));
        assert_eq!(of("middle", 5), Ok(2..3));
        assert_eq!(of("middle", 4), Ok(2..3));
        assert_eq!(of("middle", 0), Ok(0..0));
        assert_eq!(of("1..3", 5), Ok(1..3));
        assert_eq!(of("3..9", 5), Ok(3..5));
        assert_eq!(of("7..9", 5), Ok(5..5));
        assert_eq!(of("3", 5), Ok(3..4));
        for text in ["", "none", "3..", "5..3", "-1..3", "-1", "3..3"] {
            assert!(of(text, 5).is_err(), "{text}");
        }
    }

    #[test]
    fn volumes_are_recognised_by_their_extension() {
        for (name, stem) in [
            ("a/b.nii", Some("b")),
            ("b.NII.gz", Some("b")),
            ("b.c.dcm", Some("b.c")),
            ("b.png", None),
            (".b.nii", None),
            ("nii", None),
            ("b.gz", None),
        ] {
            assert_eq!(volume_name(Path::new(name)), stem, "{name}");
        }
    }
}
