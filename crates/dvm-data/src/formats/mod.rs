//! Readers of what medicine keeps pictures in: NumPy's arrays, NIfTI volumes, DICOM files.
//!
//! All of them take files from strangers: nothing in a file is run, and what it claims is weighed
//! against its length before memory is taken for it.

mod array;
mod array_frames;
mod collected;
mod dicom;
mod dtype;
mod element;
mod error;
mod frame;
mod grey;
mod nifti;
mod npy;
mod numpy;
mod orientation;
mod slices;

pub use array::{Array, read_array};
pub use dicom::{Description, Study};
pub use error::FormatError;
pub use frame::Frame;
pub use grey::Slice;
pub use slices::{
    Wanted, each_frame, holds_frames, is_dicom, read_slices, slice_count, study, volume_name,
};
