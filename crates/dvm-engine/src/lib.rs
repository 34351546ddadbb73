//! A network as a graph of named nodes, the kernels of its ops, and the passes over it.
//!
//! A [`Blueprint`] describes an architecture; with weights it becomes a [`Graph`]. A graph has a forward
//! pass ([`Graph::forward`]), a backward pass with the true gradients or with other [`rules`]
//! ([`Graph::backward`]), and a forward pass where a part of the input changed ([`incremental`]). They do
//! not change the graph; [`passes`] make rewritten graphs. All values are f32; feature maps are `[N, C, H, W]`
//! (see [`Tensor`] for their storage).

pub mod device;
mod error;
mod graph;
mod network;
pub mod ops;
pub mod passes;
mod runtime;
mod tensor;
mod topology;
mod walk;
pub mod weights;

pub use error::Error;
pub use graph::blueprint::Blueprint;
pub use graph::gradient_check::GradientCheck;
pub use graph::initialisation::{Initialisation, Initialiser};
pub use graph::output::Output;
pub use graph::{Graph, Node, NodeId, Parameter, Role, seeded};
pub use network::Network;
pub use ops::layout::{Arrangement, SpatialLayout};
pub use ops::{Arithmetic, Mode};
pub use runtime::instruction_set::InstructionSet;
pub use runtime::stopwatch::{Lap, Stopwatch, Walk};
pub use tensor::Tensor;
pub use topology::block_outputs::BlockOutput;
pub use topology::last_stage::FeatureMap;
pub use topology::receptive_field::{FieldAxis, ReceptiveField};

pub use walk::backward::{Gradients, Request};
pub use walk::forward::{Activations, Keep};
pub use walk::segments::Segments;
pub use walk::{incremental, rules};
