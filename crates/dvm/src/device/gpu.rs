//! GPUs, if this build supports them.

use std::sync::Arc;

use dvm_engine::device::Device;

use super::DeviceInfo;

/// Opens the GPU with this number, or the first one. The error is a sentence that says what to do.
#[cfg(feature = "gpu")]
pub(super) fn open(number: Option<usize>) -> Result<Arc<dyn Device>, String> {
    let opened = match number {
        Some(number) => dvm_gpu::open(number),
        None => dvm_gpu::open_usual(),
    };
    opened.map_err(|error| error.to_string())
}

/// All GPUs.
#[cfg(feature = "gpu")]
pub(super) fn all() -> Vec<DeviceInfo> {
    let gpus = dvm_gpu::devices().into_iter().enumerate();
    gpus.map(|(number, gpu)| DeviceInfo {
        choice: super::DeviceChoice::GpuNumber(number),
        name: gpu.name,
        interface: gpu.interface,
        processors: None,
        memory: gpu.memory,
        is_software: gpu.is_software,
    })
    .collect()
}

#[cfg(not(feature = "gpu"))]
pub(super) fn open(_number: Option<usize>) -> Result<Arc<dyn Device>, String> {
    Err(
        "this dvm was built without support for GPUs; build it with the feature `gpu`, or compute on the CPU"
            .into(),
    )
}

#[cfg(not(feature = "gpu"))]
pub(super) fn all() -> Vec<DeviceInfo> {
    Vec::new()
}
