//! Attribution methods: what in the picture moved the network.
//!
//! Every method is a [`Method`]: given a [`Scene`] (network, picture, room to work in) and classes,
//! it returns one [`Attribution`] per class. [`registry`] lists them all; the command line, its
//! help and the documentation read that list. Methods are grouped by how they ask the network:
//! [`gradient`] walks it backwards once, [`perturbation`] covers parts of the picture and looks
//! at the answer.

mod error;
pub mod gradient;
mod method;
pub mod perturbation;
pub mod registry;
mod settings;

pub use error::Error;
pub use method::{Attribution, Method, Nature, Observation, Progress, Raw, Scene};
pub use settings::{OptionSpec, SettingError, Settings};
