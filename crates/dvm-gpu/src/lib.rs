//! The second executor of a graph of `dvm-engine`: its ops on a GPU, through CubeCL's runtimes (Vulkan, Metal and
//! DirectX 12; CUDA and ROCm if they are built in). `open` returns a `Device`, which `Graph::with_device` takes.
//!
//! Without the feature `wgpu` the crate is empty, so that the plain build stays as it is.

#![cfg(feature = "wgpu")]

mod device;
mod found;
mod kernels;
mod memory;
mod ops;
mod values;

pub use found::{Gpu, OpenError, devices, open, open_usual};
