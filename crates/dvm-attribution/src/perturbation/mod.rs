//! Methods that change the picture and look at what the network then says.

mod occlusion;

pub use occlusion::OCCLUSION;
