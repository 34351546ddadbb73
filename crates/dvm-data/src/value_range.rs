//! Whether the pictures of a set make use of the range of values that they are read with.

use std::path::Path;

use dvm_image::{Picture, Reading, may_be_deep, read_as};
use rayon::prelude::*;

use crate::{Dataset, Split};

/// How many pictures of more than 8 bits are looked at.
const LOOKED_AT: usize = 32;

/// Looks at some of the pictures that may hold more than 8 bits per value, spread evenly over the set,
/// and tells what is doubtful about their range, if it is so of any.
pub fn range_warning(paths: &[&Path], reading: &Reading) -> Option<String> {
    let deep: Vec<&Path> = paths
        .par_iter()
        .copied()
        .filter(|path| may_be_deep(path))
        .collect();
    let count = deep.len().min(LOOKED_AT);
    let chosen: Vec<&Path> = (0..count).map(|at| deep[at * deep.len() / count]).collect();
    let doubtful: Vec<(&Path, String)> = chosen
        .par_iter()
        .filter_map(|path| {
            // What cannot be read is named by whoever reads it in earnest.
            let picture = read_as(path, reading).ok()?;
            Some((*path, warning(&picture)?))
        })
        .collect();
    let (path, warning) = doubtful.first()?;
    let others = match doubtful.len() {
        1 => String::new(),
        more => format!(" (so of {more} of {count} pictures looked at)"),
    };
    Some(format!("{}: {warning}{others}", path.display()))
}

impl Dataset {
    /// What is doubtful about the range of values of its pictures, of whatever split; see
    /// [`range_warning`].
    pub fn range_warning(&self, reading: &Reading) -> Option<String> {
        let samples = Split::ALL.into_iter().flat_map(|split| self.samples(split));
        let paths: Vec<&Path> = samples.map(|sample| sample.path.as_path()).collect();
        range_warning(&paths, reading)
    }
}

fn warning(picture: &Picture) -> Option<String> {
    picture.levels()?.warning()
}
