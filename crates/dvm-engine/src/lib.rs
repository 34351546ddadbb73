//! The network as a graph of named nodes, its kernels, and the ways of walking it.
//!
//! An architecture is written down as a [`Blueprint`]; with weights it becomes a [`Graph`]. A
//! graph is walked forward ([`Graph::forward`]), backward with the true gradients or with replaced
//! [`rules`] ([`Graph::backward`]), forward again where a part of the picture changed
//! ([`incremental`]), and rewritten by [`passes`]. No walk changes it. Everything is
//! f32; feature maps are `[N, C, H, W]` (see [`Tensor`] for how they lie in memory).

mod awake;
mod backward;
mod block_outputs;
mod blueprint;
mod buffer;
mod error;
mod forward;
mod gradient_check;
mod graph;
mod heads;
pub mod incremental;
mod initialisation;
mod last_stage;
mod made_once;
mod network;
pub mod ops;
mod output;
#[cfg(target_os = "linux")]
mod pages;
pub mod passes;
mod places;
mod receptive_field;
pub mod rules;
pub mod seeded;
mod segments;
mod stopwatch;
mod tensor;
mod waists;
pub mod weights;

pub use backward::{Gradients, Request};
pub use block_outputs::BlockOutput;
pub use blueprint::Blueprint;
pub use error::Error;
pub use forward::{Activations, Keep};
pub use gradient_check::GradientCheck;
pub use graph::{Graph, Node, NodeId, Parameter, Role};
pub use initialisation::{Initialisation, Spread};
pub use last_stage::FeatureMap;
pub use network::Network;
pub use ops::InstructionSet;
pub use ops::{Arithmetic, Mode};
pub use output::Output;
pub use places::{Arrangement, Places};
pub use receptive_field::{Extent, ReceptiveField};
pub use segments::Segments;
pub use stopwatch::{Lap, Stopwatch, Walk};
pub use tensor::Tensor;
