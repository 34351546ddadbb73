//! Warns if the pictures of a data set do not fit the range of values that they are read with.

use std::path::Path;

use dvm_image::{Picture, Reading, may_be_deep, read_as};
use rayon::prelude::*;

use crate::{Dataset, Split};

/// Most pictures of more than 8 bits that are checked.
const CHECKED: usize = 32;

/// Checks some of the pictures that may have more than 8 bits per value, spread evenly over the data set.
/// Returns a warning if the range of any of them is doubtful.
pub fn range_warning(paths: &[&Path], reading: &Reading) -> Option<String> {
    let deep: Vec<&Path> = paths
        .par_iter()
        .copied()
        .filter(|path| may_be_deep(path))
        .collect();
    let count = deep.len().min(CHECKED);
    let chosen: Vec<&Path> = (0..count).map(|at| deep[at * deep.len() / count]).collect();
    let doubtful: Vec<(&Path, String)> = chosen
        .par_iter()
        .filter_map(|path| {
            // Broken pictures are reported when they are loaded.
            let picture = read_as(path, reading).ok()?;
            Some((*path, warning(&picture)?))
        })
        .collect();
    let (path, warning) = doubtful.first()?;
    let others = match doubtful.len() {
        1 => String::new(),
        more => format!(" (the same for {more} of {count} pictures checked)"),
    };
    Some(format!("{}: {warning}{others}", path.display()))
}

impl Dataset {
    /// [`range_warning`] for the pictures of all splits.
    pub fn range_warning(&self, reading: &Reading) -> Option<String> {
        let samples = Split::ALL.into_iter().flat_map(|split| self.samples(split));
        let paths: Vec<&Path> = samples.map(|sample| sample.path.as_path()).collect();
        range_warning(&paths, reading)
    }
}

fn warning(picture: &Picture) -> Option<String> {
    picture.levels()?.warning()
}
