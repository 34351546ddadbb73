//! Attribution methods: what in the picture moved the network.
//!
//! Data flows one way. A [`Subject`] is a network with a prepared picture. A [`Method`] asks it about
//! [`Target`]s, only by the ways in [`probe`], and gives one [`Attribution`] per target.
//! [`registry`] lists all methods; the command line, its help and the documents read that list.
//! Maps are tested by [`metrics`].
//! Methods are grouped by how they ask: [`gradient`] walks the network backwards, [`cam`] looks at feature
//! maps, [`perturbation`] changes the picture and looks at the answer, [`transformer`] looks at attention.

mod attribution;
mod baseline;
pub mod cam;
mod error;
pub mod gradient;
mod method;
pub mod metrics;
mod options;
pub mod perturbation;
pub mod probe;
pub mod random;
pub mod registry;
mod subject;
mod target;
pub mod transformer;
mod upsample;

pub use attribution::{Array, Attribution, Cells, Check, Nature};
pub use baseline::{Baseline, Baselines};
pub use dvm_options::{OptionSpec, Preset, SettingError, Settings};
pub use error::Error;
pub use method::{Method, Observation};
pub use subject::{Kept, Progress, Seen, Subject, Walking, Walks};
pub use target::{Score, Target};
