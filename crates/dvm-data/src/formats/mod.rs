//! Readers of NumPy arrays, NIfTI volumes and DICOM files. NIfTI and DICOM need the feature `medical`.
//!
//! Files may be hostile: no code in them is run, and sizes they declare are compared with the file's length
//! before memory is allocated.

mod array;
mod array_frames;
mod description;
#[cfg(feature = "medical")]
mod dicom;
mod dtype;
mod element;
mod error;
mod frame;
mod grey;
mod nested;
#[cfg(feature = "medical")]
mod nifti;
mod npy;
mod numpy;
#[cfg(feature = "medical")]
mod orientation;
mod slices;
#[cfg(not(feature = "medical"))]
mod without_medical;

pub use array::{Array, read_array};
pub use description::Description;
#[cfg(feature = "medical")]
pub use dicom::Study;
pub use error::FormatError;
pub use frame::Frame;
pub use grey::Slice;
pub use slices::{
    Wanted, each_frame, holds_frames, is_dicom, read_slices, slice_count, study, volume_name,
};
#[cfg(not(feature = "medical"))]
pub use without_medical::Study;
#[cfg(not(feature = "medical"))]
use without_medical::{reader as dicom, reader as nifti};
