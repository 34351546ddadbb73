//! All pictures of a data set, each read once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dvm_image::{Picture, Reading};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::audit::appearance::Appearance;
use crate::{Dataset, Error, Split};

/// A data set with the facts that findings are based on.
pub(super) struct Survey {
    pub(super) folder: PathBuf,
    pub(super) classes: Vec<String>,
    /// Whether it is split. If not, all pictures are training pictures.
    pub(super) is_split: bool,
    /// Messages about ignored folders.
    pub(super) left_out: Vec<String>,
    /// By split, class and path.
    pub(super) pictures: Vec<SurveyedPicture>,
}

/// One picture.
pub(super) struct SurveyedPicture {
    pub(super) path: PathBuf,
    pub(super) split: Split,
    /// Index of its class.
    pub(super) class: usize,
    /// Facts about the picture, or why it cannot be read.
    pub(super) facts: Result<Facts, String>,
}

/// Facts about a readable picture.
pub(super) struct Facts {
    pub(super) sha256: [u8; 32],
    pub(super) height: usize,
    pub(super) width: usize,
    /// Whether the file is complete.
    pub(super) is_whole: bool,
    pub(super) is_grey: bool,
    /// A warning about the range of its values.
    pub(super) range_warning: Option<String>,
    pub(super) appearance: Appearance,
}

impl Survey {
    /// Reads a prepared data set, or a folder with one folder per class.
    pub(super) fn of(
        folder: &Path,
        reading: &Reading,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, Error> {
        let (data, is_split) = match Dataset::open(folder) {
            Err(Error::NotSplit { .. }) => (Dataset::open_unsplit(folder)?, false),
            opened => (opened?, true),
        };
        let all: Vec<_> = Split::ALL
            .into_iter()
            .flat_map(|split| {
                data.samples(split)
                    .iter()
                    .map(move |sample| (split, sample))
            })
            .collect();
        let done = AtomicUsize::new(0);
        let survey = |(split, sample): &(Split, &crate::Sample)| {
            let facts = Facts::of(&sample.path, reading);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all.len());
            SurveyedPicture {
                path: sample.path.clone(),
                split: *split,
                class: sample.class,
                facts,
            }
        };
        let pictures = all.par_iter().map(survey).collect();
        Ok(Self {
            folder: data.folder,
            classes: data.classes,
            left_out: data.left_out,
            is_split,
            pictures,
        })
    }

    /// The readable pictures, with their indices.
    pub(super) fn readable(&self) -> impl Iterator<Item = (usize, &SurveyedPicture, &Facts)> {
        let pictures = self.pictures.iter().enumerate();
        pictures.filter_map(|(index, picture)| Some((index, picture, picture.facts.as_ref().ok()?)))
    }

    /// Number of pictures of each class in a split.
    pub(super) fn counts(&self, split: Split) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for picture in self
            .pictures
            .iter()
            .filter(|picture| picture.split == split)
        {
            counts[picture.class] += 1;
        }
        counts
    }
}

impl Facts {
    fn of(path: &Path, reading: &Reading) -> Result<Self, String> {
        // The file's name is already shown beside the reason.
        let bytes = dvm_image::bytes_of(path, &reading.limits).map_err(|error| match error {
            dvm_image::Error::Unreadable { reason, .. } => format!("cannot be read: {reason}"),
            dvm_image::Error::TooLarge { limit, .. } => format!("has more than {limit} bytes"),
            other => other.to_string(),
        })?;
        let picture = dvm_image::decode_as(&bytes, reading).map_err(|why| why.to_string())?;
        Ok(Self {
            sha256: Sha256::digest(&bytes).into(),
            height: picture.height(),
            width: picture.width(),
            is_whole: picture.is_whole(),
            is_grey: is_grey(&picture),
            range_warning: picture.levels().and_then(dvm_image::Levels::warning),
            appearance: Appearance::of(&picture),
        })
    }
}

/// Largest difference of the channels of a grey pixel: JPEGs with colours are rounded.
const GREY: u8 = 4;

fn is_grey(picture: &Picture) -> bool {
    picture.rgb().chunks_exact(3).all(|rgb| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]];
        r.max(g).max(b) - r.min(g).min(b) <= GREY
    })
}
