//! Readers of what medicine keeps pictures in: NumPy's arrays, NIfTI volumes, DICOM files.
//!
//! All of them take files from strangers: nothing in a file is run, and what it claims is weighed
//! against its length before memory is taken for it.

mod array;
mod dicom;
mod element;
mod error;
mod grey;
mod nifti;
mod npy;
mod numpy;
mod orientation;
mod slices;

pub use array::{Array, read_array};
pub use error::FormatError;
pub use grey::Slice;
pub use slices::{Wanted, read_slices, slice_count, volume_name};
