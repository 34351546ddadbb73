//! Weights as the bytes of a file.

mod entry;
mod safetensors;
mod torch;

pub use self::entry::{Entry, Integers};
pub use self::safetensors::to_safetensors;
pub(super) use self::torch::METADATA;
pub use self::torch::to_torch;
