//! The second executor of a [`Graph`](dvm_engine::Graph): its ops on a GPU, through CubeCL's runtimes (Vulkan,
//! Metal and DirectX 12; CUDA and ROCm if they are built in). [`open`] returns a
//! [`Device`], which [`Graph::with_device`](dvm_engine::Graph::with_device) takes.

#![cfg(feature = "wgpu")]

mod device;
mod found;
mod kernels;
mod memory;
mod ops;
mod values;

pub use found::{Gpu, OpenError, devices, open, open_usual};
