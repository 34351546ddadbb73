//! Boxes, outlines and masks: their pixels, their pictures, and errors.

mod coco;
mod hostile;
mod masks;
mod names;
mod voc;

use std::fs;
use std::path::{Path, PathBuf};

use dvm_data::Error;
use dvm_data::regions::{Located, Regions};
use dvm_image::{Placement, Preprocess, Resize};
use tempfile::TempDir;

/// A folder with these files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// A file of these bytes, opened.
pub fn opened(name: &str, bytes: &[u8]) -> Result<Regions, Error> {
    let folder = folder(&[(name, bytes)]);
    Regions::open(&folder.path().join(name))
}

/// The placement of an input that is the whole picture of so many rows and columns.
pub fn as_it_is(height: usize, width: usize) -> Placement {
    let preprocess = Preprocess {
        resize: Resize::None,
        crop: (height, width),
        ..Preprocess::imagenet()
    };
    preprocess.placement(height, width)
}

/// Rows of `#` (object) and `.`.
pub fn rows(located: &Located, width: usize) -> Vec<String> {
    let mark = |&is_object: &bool| if is_object { '#' } else { '.' };
    let pixels = located.pixels().unwrap_or_else(|| panic!("{located:?}"));
    let rows = pixels.chunks(width);
    rows.map(|row| row.iter().map(mark).collect()).collect()
}

/// A committed file.
pub fn reference(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/regions");
    folder.join(name)
}

/// The error of a result without `Debug`.
pub fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}
