//! Weights as the bytes of a file.

mod safetensors;
mod tensor_entry;
mod torch;

pub use self::safetensors::to_safetensors;
pub use self::tensor_entry::{Integers, TensorEntry};
pub(super) use self::torch::METADATA;
pub use self::torch::to_torch;
