//! The trait of all methods.

use serde_json::{Map, Value};

use crate::{Attribution, Error, Subject, Target, Walks};

/// An attribution method with its settings.
pub trait Method: Send + Sync {
    /// Every setting that affects the map, with its value, for the record. For the methods of
    /// [`registry`](crate::registry) these are the options that they read when they were built.
    fn parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What it needs of the unchanged picture, so that one forward pass serves all methods.
    fn walks(&self) -> Walks {
        Walks::default()
    }

    /// Whether the maps of all targets come from the same passes, so that further targets cost nearly nothing.
    fn shares_walks(&self) -> bool {
        false
    }

    /// Runs everything that the targets have in common, and returns the function that makes the map of each. Maps are
    /// made one at a time, so that a thousand targets need no more memory than one.
    ///
    /// # Errors
    /// [`Error`] instead of a wrong map.
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

/// A method with the settings that it was built with.
pub(crate) struct Recorded {
    pub method: Box<dyn Method>,
    pub parameters: Map<String, Value>,
}

impl Method for Recorded {
    fn parameters(&self) -> Map<String, Value> {
        self.parameters.clone()
    }

    fn walks(&self) -> Walks {
        self.method.walks()
    }

    fn shares_walks(&self) -> bool {
        self.method.shares_walks()
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        self.method.begin(subject, targets)
    }
}

/// Makes the map of any of the targets that [`Method::begin`] was given.
pub type Observation<'a> = Box<dyn Fn(&Target) -> Result<Attribution, Error> + 'a>;
