//! Pictures from Python: a file, its bytes, pixels, or a prepared input.

use std::path::PathBuf;
use std::sync::Arc;

use dvm::data::formats::Wanted;
use dvm::{Input, Picture, Source};
use numpy::{PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::failure;

/// A picture given from Python.
pub enum PythonPicture {
    /// A file, or its bytes.
    Source(Source),
    /// Pixels `[H, W, 3]`, 0 to 255.
    Pixels(Picture),
    /// A prepared input: normalised values `[C, H, W]`, with rows and columns.
    Values(Vec<f32>, (usize, usize)),
}

impl PythonPicture {
    /// A `str` or path is a file, `bytes` are the bytes of one, `uint8` arrays `[H, W, 3]` are pixels and `float32`
    /// arrays `[C, H, W]` are a prepared input. `slice` selects a picture of a volume.
    pub fn of(picture: &Bound<'_, PyAny>, slice: Option<usize>) -> PyResult<Self> {
        let py = picture.py();
        if let Ok(bytes) = picture.cast::<PyBytes>() {
            return Ok(Self::Source(Source::Bytes {
                name: "bytes".into(),
                bytes: bytes.as_bytes().into(),
            }));
        }
        if let Ok(pixels) = picture.extract::<PyReadonlyArray3<u8>>() {
            let &[height, width, 3] = pixels.shape() else {
                return Err(failure::value(format!(
                    "pixels must have the shape (rows, columns, 3), not {:?}",
                    pixels.shape()
                )));
            };
            if height == 0 || width == 0 {
                return Err(failure::value("the picture has no pixels"));
            }
            let values = pixels.as_array().iter().copied().collect();
            return Ok(Self::Pixels(Picture::new(height, width, values)));
        }
        if let Ok(values) = picture.extract::<PyReadonlyArray3<f32>>() {
            let &[_, height, width] = values.shape() else {
                unreachable!("it has three axes")
            };
            let values = values.as_array().iter().copied().collect();
            return Ok(Self::Values(values, (height, width)));
        }
        let path: PathBuf = picture.extract()?;
        let wanted = slice.map_or(Wanted::Middle, |index| Wanted::Range(index..index + 1));
        let sources = Source::of(&path, &wanted).map_err(|e| failure::exception(py, &e))?;
        let first = sources.into_iter().next();
        first
            .map(Self::Source)
            .ok_or_else(|| failure::usage(py, format!("{}: has no such picture", path.display())))
    }

    /// The network's input.
    pub fn into_input(self, classifier: &dvm::Classifier) -> Result<Input, dvm::Error> {
        match self {
            Self::Source(source) => classifier.prepare(source.read(&classifier.reading())?),
            Self::Pixels(picture) => classifier.prepare(picture),
            Self::Values(values, (height, width)) => {
                let preprocess = classifier.preprocess();
                let channels = preprocess.channels.count();
                if values.len() != channels * height * width || values.is_empty() {
                    return Err(dvm::Error::Usage(format!(
                        "the input must have the shape ({channels}, rows, columns), not ({}, {height}, {width})",
                        values.len() / (height * width).max(1)
                    )));
                }
                if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
                    return Err(dvm::Error::Usage(format!(
                        "the input contains {wrong}; all values must be finite"
                    )));
                }
                Ok(preprocess.input_of(values, height, width))
            }
        }
    }

    /// The file, or bytes, that it came from.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Source(source) => Some(source),
            Self::Pixels(_) | Self::Values(..) => None,
        }
    }
}

/// The source of a picture, for its record.
pub struct Origin {
    /// The file, or `bytes`.
    pub source: Source,
    /// Its checksum.
    pub sha256: String,
    /// The study, for a DICOM file.
    pub study: Option<Arc<dvm::data::formats::Study>>,
}

impl Origin {
    /// Reads the checksum and the study.
    pub fn of(source: &Source) -> Result<Self, dvm::Error> {
        Ok(Self {
            source: source.clone(),
            sha256: source.sha256()?,
            study: source.study()?.map(Arc::new),
        })
    }
}
