//! Sources of pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dvm_data::formats::{self, Frame, Study, Wanted};
use dvm_image::{Picture, Reading};

use crate::{Error, system_words};

/// One picture, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A picture file.
    File(PathBuf),
    /// One slice of a NIfTI volume, frame of a DICOM file or picture of a NumPy array.
    Slice {
        /// The file.
        path: PathBuf,
        /// Its number, from 0.
        index: usize,
        /// How many the file holds.
        count: usize,
    },
    /// The bytes of a picture file, such as from standard input.
    Bytes {
        /// Its name.
        name: String,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
}

impl Source {
    /// The pictures of a file: one, or the `wanted` slices of a volume, DICOM file or array.
    ///
    /// # Errors
    /// [`Error::Data`] for a volume that cannot be read, [`Error::Usage`] if it has none of the slices.
    pub fn of(path: &Path, wanted: &Wanted) -> Result<Vec<Self>, Error> {
        if !formats::holds_frames(path) {
            return Ok(vec![Self::File(path.into())]);
        }
        let count = formats::slice_count(path)?;
        let slice = |index| Self::Slice {
            path: path.into(),
            index,
            count,
        };
        let sources: Vec<Self> = wanted.of(count).map(slice).collect();
        if sources.is_empty() {
            return Err(Error::Usage(format!(
                "{}: the wanted slices do not exist; the file has {count} slices, 0 to {}",
                path.display(),
                count.saturating_sub(1)
            )));
        }
        Ok(sources)
    }

    /// The file, or the name of the bytes.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Slice { path, .. } => path,
            Self::Bytes { name, .. } => Path::new(name),
        }
    }

    /// The index of the slice, if the file has several.
    pub fn slice(&self) -> Option<usize> {
        match self {
            Self::Slice { index, count, .. } if *count > 1 => Some(*index),
            _ => None,
        }
    }

    /// The SHA-256 of the file or of the bytes, in lower-case hexadecimal.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read.
    pub fn sha256(&self) -> Result<String, Error> {
        match self {
            Self::File(path) | Self::Slice { path, .. } => {
                dvm_fetch::sha256_of(path).map_err(|error| Error::File {
                    file: path.clone(),
                    detail: format!("cannot be read: {}", system_words(&error)),
                })
            }
            Self::Bytes { bytes, .. } => Ok(dvm_fetch::sha256_of_bytes(bytes)),
        }
    }

    /// Reads the picture.
    ///
    /// # Errors
    /// [`Error::Picture`] or [`Error::Data`], naming the file and what is wrong with it.
    pub fn read(&self, reading: &Reading) -> Result<Picture, Error> {
        match self {
            Self::File(path) => Ok(dvm_image::read_as(path, reading)?),
            Self::Bytes { name, bytes } => {
                let picture = dvm_image::decode_as(bytes, reading);
                Ok(picture.map_err(|reason| dvm_image::Error::Decode {
                    path: name.into(),
                    reason,
                })?)
            }
            Self::Slice { path, index, .. } => {
                let mut picture = None;
                let wanted = Wanted::Range(*index..*index + 1);
                formats::each_frame(path, &wanted, |frame: Frame| {
                    let read = frame.picture(reading.range);
                    picture = Some(read.map_err(|reason| dvm_data::Error::Format {
                        path: path.clone(),
                        reason,
                    })?);
                    Ok::<_, Error>(())
                })?;
                picture.ok_or_else(|| {
                    Error::Usage(format!(
                        "{}: the file has changed and has no slice {index} now",
                        path.display()
                    ))
                })
            }
        }
    }

    /// The study of a DICOM file; overlays can be saved as DICOM files of the same study.
    ///
    /// # Errors
    /// [`Error::Data`] if the file cannot be read.
    pub fn study(&self) -> Result<Option<Study>, Error> {
        match self {
            Self::Slice { path, .. } if formats::is_dicom(path) => Ok(Some(formats::study(path)?)),
            _ => Ok(None),
        }
    }
}
