//! Where a picture comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dvm_data::formats::{self, Frame, Study, Wanted};
use dvm_image::{Picture, Reading};

use crate::Error;

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
    /// The bytes of a picture file that came another way, such as from standard input.
    Bytes {
        /// What it is called.
        name: String,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
}

impl Source {
    /// The pictures of a file: one, or of a volume, DICOM file or array the slices that are `wanted`.
    ///
    /// # Errors
    /// [`Error::Data`] for a volume that cannot be read, [`Error::Usage`] if it has no such slice.
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
                "{}: has {count} slices, numbered 0 to {}, and none of those asked for",
                path.display(),
                count.saturating_sub(1)
            )));
        }
        Ok(sources)
    }

    /// Its file, or what stands for it.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Slice { path, .. } => path,
            Self::Bytes { name, .. } => Path::new(name),
        }
    }

    /// Which slice of a file with several it is.
    pub fn slice(&self) -> Option<usize> {
        match self {
            Self::Slice { index, count, .. } if *count > 1 => Some(*index),
            _ => None,
        }
    }

    /// The SHA-256 of its file, or of the bytes that came another way, in lower-case hexadecimal.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read.
    pub fn sha256(&self) -> Result<String, Error> {
        match self {
            Self::File(path) | Self::Slice { path, .. } => {
                dvm_fetch::sha256_of(path).map_err(|error| Error::File {
                    file: path.clone(),
                    detail: error.to_string(),
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
                        "{}: has changed: its slice {index} is gone",
                        path.display()
                    ))
                })
            }
        }
    }

    /// Of a DICOM file, whose picture it is: overlays can be saved as DICOM files of the same study.
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
