//! Slices of volumes in class folders, made while they are written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dvm_image::Range;

use crate::Error;
use crate::formats::{Wanted, each_frame, slice_count, volume_name};
use crate::prepare::Content;

/// A cache of the last volumes. Slices of a volume are written one after the other; without the cache, the
/// volume would be unpacked for each of them.
pub(super) struct Volumes {
    wanted: Wanted,
    range: Range,
    recent: Mutex<VecDeque<(PathBuf, Cut)>>,
}

/// The slices of a volume. The first thread that needs them makes them; the others wait.
type Cut = Arc<Mutex<Option<Arc<Vec<Png>>>>>;

/// A slice's number and the bytes of its file.
type Png = (usize, Vec<u8>);

impl Volumes {
    /// A cache for these slices and this range of values.
    pub(super) fn new(wanted: Wanted, range: Range) -> Arc<Self> {
        Arc::new(Self {
            wanted,
            range,
            recent: Mutex::default(),
        })
    }

    /// The files that the volume at `path` becomes, by name.
    ///
    /// # Errors
    /// As [`slice_count`].
    pub(super) fn pictures(self: &Arc<Self>, path: &Path) -> Result<Vec<(String, Content)>, Error> {
        let stem = volume_name(path).unwrap_or_default();
        let picture = |index: usize| {
            let (volumes, path) = (self.clone(), path.to_owned());
            let make = move || volumes.png(&path, index);
            (format!("{stem}_{index}.png"), Content::Made(Box::new(make)))
        };
        Ok(self.wanted.of(slice_count(path)?).map(picture).collect())
    }

    fn png(&self, path: &Path, index: usize) -> Result<Vec<u8>, Error> {
        let cut = self.cut(path);
        let mut slices = cut.lock().unwrap_or_else(PoisonError::into_inner);
        let slices = match &*slices {
            Some(slices) => slices.clone(),
            None => slices.insert(Arc::new(self.pngs(path)?)).clone(),
        };
        let slice = slices.iter().find(|(known, _)| *known == index);
        let (_, bytes) = slice.ok_or_else(|| Error::Layout {
            path: path.into(),
            detail: "changed while its slices were written".into(),
        })?;
        Ok(bytes.clone())
    }

    fn pngs(&self, path: &Path) -> Result<Vec<Png>, Error> {
        let mut pngs = Vec::new();
        each_frame(path, &self.wanted, |frame| {
            let index = frame.index;
            let bytes = frame.png(self.range).map_err(|reason| Error::Format {
                path: path.into(),
                reason,
            })?;
            pngs.push((index, bytes));
            Ok::<_, Error>(())
        })?;
        Ok(pngs)
    }

    fn cut(&self, path: &Path) -> Cut {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.iter().position(|(known, _)| known == path);
        let entry = place.and_then(|place| recent.remove(place));
        let entry = entry.unwrap_or_else(|| (path.to_owned(), Cut::default()));
        let cut = entry.1.clone();
        recent.push_front(entry);
        // Each thread may work on a different volume.
        recent.truncate(rayon::current_num_threads() + 1);
        cut
    }
}
