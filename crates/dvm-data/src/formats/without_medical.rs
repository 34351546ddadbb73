//! In place of the readers of DICOM and NIfTI in a build without the feature `medical`: every file is an
//! error.

use std::path::Path;

use dvm_image::Picture;

use super::array::ReadError;
use super::frame::Frame;
use super::slices::Wanted;
use super::{Description, FormatError};

/// The study of a DICOM file. This build reads none, so it has no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Study {}

impl Study {
    /// The bytes of a DICOM file that shows `picture`.
    pub fn secondary_capture(&self, _picture: &Picture, _of: &Description) -> Vec<u8> {
        match *self {}
    }
}

/// The reader of both formats.
pub(super) mod reader {
    use super::*;

    pub fn slice_count(path: &Path) -> Result<usize, ReadError> {
        Err(not_built(path))
    }

    pub fn each_frame(
        path: &Path,
        _: &Wanted,
        _: &mut dyn FnMut(Frame) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        Err(not_built(path))
    }

    pub fn study(path: &Path) -> Result<Study, ReadError> {
        Err(not_built(path))
    }
}

fn not_built(path: &Path) -> ReadError {
    let name = path.to_string_lossy().to_lowercase();
    let format = match name.ends_with(".nii") || name.ends_with(".nii.gz") {
        true => "NIfTI",
        false => "DICOM",
    };
    FormatError::NotBuilt { format }.into()
}

#[cfg(test)]
mod tests {
    use super::super::{slice_count, study};

    #[test]
    fn a_medical_file_is_recognised_and_the_error_names_the_feature() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in [("a.dcm", "DICOM"), ("a.nii.gz", "NIfTI")] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            let error = slice_count(&path).unwrap_err().to_string();
            let expected = format!("this build of dvm does not read {format} files");
            assert!(error.contains(&expected), "{error}");
            assert!(error.contains("feature `medical`"), "{error}");
        }
        assert!(study(&folder.path().join("a.dcm")).is_err());
    }
}
