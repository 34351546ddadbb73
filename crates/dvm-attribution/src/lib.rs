//! Attribution methods: which parts of a picture a network's output depends on.
//!
//! Data flows one way. A [`Subject`] is a network with a prepared picture. A [`Method`] runs the
//! network only through [`probe`] and returns one [`Attribution`] per [`Target`]. [`registry`]
//! lists all methods; the command line, its help and the documents use that list. [`metrics`] tests
//! maps. Methods are grouped by what they use: [`gradient`] uses backward passes to the picture,
//! [`cam`] feature maps, [`perturbation`] outputs for changed pictures, [`transformer`] attention.

mod attribution;
mod baseline;
pub mod cam;
mod error;
mod gaussian;
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

pub use attribution::{Array, Attribution, Cells, Check, ValueKind};
pub use baseline::{Baseline, Baselines};
pub use dvm_options::{OptionSpec, Preset, SettingError, Settings};
pub use error::Error;
pub use method::{Method, Observation};
pub use options::OptionReader;
pub use subject::{BeforeWalk, PictureCache, Progress, Subject, Walks, WindowObserver};
pub use target::{Score, Target};
