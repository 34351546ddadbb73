//! What a method is.

use serde_json::{Map, Value};

use crate::{Attribution, Error, Subject, Target, Walks};

/// A way of finding out what in the picture moved the network.
pub trait Method: Send + Sync {
    /// Every setting that shapes the map, with its value, for the record.
    fn parameters(&self) -> Map<String, Value>;

    /// What it will ask of the picture itself: a subject that knows walks the network once for all.
    fn walks(&self) -> Walks {
        Walks::default()
    }

    /// Whether the maps of all targets come from the same walks, so that more targets cost nearly nothing.
    fn shares_walks(&self) -> bool {
        false
    }

    /// Asks the network all that the targets have in common, and returns what makes the map of each.
    /// Maps are made one at a time, so that a thousand targets take no more memory than one.
    ///
    /// # Errors
    /// [`Error`]: rather none than a wrong map.
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error>;

    /// One map for each target, in their order.
    ///
    /// # Errors
    /// As [`Method::begin`].
    fn attribute(&self, subject: &Subject, targets: &[Target]) -> Result<Vec<Attribution>, Error> {
        let observation = self.begin(subject, targets)?;
        targets.iter().map(&*observation).collect()
    }
}

/// What a method knows of one picture: it makes the map of any of the targets that it was begun with.
pub type Observation<'a> = Box<dyn Fn(&Target) -> Result<Attribution, Error> + 'a>;
