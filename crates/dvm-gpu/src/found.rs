//! The devices of this machine.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cubecl::client::Client;
use cubecl::ir::PhysicalDevice;
use cubecl::wgpu::{WgpuBackend, WgpuDevice, WgpuDeviceKind};
use dvm_engine::device::Device;

use crate::device::GpuDevice;
use crate::memory;

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The name that its driver gives, such as `NVIDIA H200`.
    pub name: String,
    /// The interface it is used through, such as `Vulkan`.
    pub interface: &'static str,
    /// Its memory in bytes, if the driver says it.
    pub memory: Option<u64>,
    /// Whether it is a driver that computes on the CPU, such as Mesa's llvmpipe.
    pub is_software: bool,
}

/// Why no device could be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no device at all.
    #[error(
        "there is no GPU that can be used: no driver for Vulkan, Metal or DirectX 12 reports one; install the \
         driver of the GPU, or compute on the CPU"
    )]
    NoDevice,
    /// There are only drivers that compute on the CPU.
    #[error(
        "the only device is `{name}`, a driver that computes on the CPU and is slower than dvm without it; \
         name it by its number to use it anyway, or compute on the CPU"
    )]
    OnlySoftware {
        /// Its name.
        name: String,
    },
    /// The driver lists the device and refuses to open it.
    #[error(
        "the GPU's driver ({interface}) refuses to open it: another program may use all of it, or the driver is \
         damaged; close other programs, or compute on the CPU"
    )]
    Refused {
        /// The interface.
        interface: &'static str,
    },
    /// There are fewer devices.
    #[error(
        "there is no GPU number {index}: this machine has {count}, counted from 0; take another one, or compute on the CPU"
    )]
    NoSuchDevice {
        /// The number asked for.
        index: usize,
        /// The number of devices.
        count: usize,
    },
}

/// The interfaces that graphics drivers are used through, best first.
const INTERFACES: &[(WgpuBackend, &str)] = &[
    #[cfg(target_vendor = "apple")]
    (WgpuBackend::Metal, "Metal"),
    #[cfg(not(target_vendor = "apple"))]
    (WgpuBackend::Vulkan, "Vulkan"),
    #[cfg(windows)]
    (WgpuBackend::Dx12, "DirectX 12"),
];

/// The most devices of one kind.
const MOST: usize = 64;

/// The devices of one interface. OpenGL is left out: it is older than the shaders that we need.
fn of_interface(api: WgpuBackend) -> Vec<cubecl::Device> {
    let kinds = [
        WgpuDeviceKind::DiscreteGpu,
        WgpuDeviceKind::IntegratedGpu,
        WgpuDeviceKind::VirtualGpu,
        WgpuDeviceKind::Other,
    ];
    let device = |kind| {
        let device = WgpuDevice::new(kind).on(api);
        cubecl::Device::Wgpu(device).on(api).ok()
    };
    let of_kind = |kind: fn(usize) -> WgpuDeviceKind| (0..MOST).map_while(move |i| device(kind(i)));
    let gpus = kinds.into_iter().flat_map(of_kind);
    gpus.chain(device(WgpuDeviceKind::Cpu)).collect()
}

/// The handles of this machine's devices; drivers that compute on the CPU come last. A card that several runtimes
/// reach is listed once, for the first of them.
fn handles() -> Vec<cubecl::Device> {
    let by_graphics = INTERFACES.iter().map(|&(api, _)| of_interface(api));
    let by_graphics = by_graphics.into_iter().find(|devices| !devices.is_empty());
    let cuda = (0..MOST).map_while(|index| cubecl::Device::cuda(index).ok());
    let rocm = (0..MOST).map_while(|index| cubecl::Device::rocm(index).ok());
    let mut found: Vec<cubecl::Device> = cuda.chain(rocm).collect();
    found.extend(by_graphics.unwrap_or_default());
    found.sort_by_key(is_software);
    let runtimes: BTreeSet<&str> = found.iter().map(interface).collect();
    if runtimes.len() < 2 {
        return found;
    }
    // Only an open device says which card it is.
    let mut cards: Vec<PhysicalDevice> = Vec::new();
    found.retain(|device| {
        let Some(card) = client(device).and_then(|c| c.properties().identity.physical.clone())
        else {
            return true;
        };
        let is_known = cards.iter().any(|known| known.is_same_card(&card));
        cards.push(card);
        !is_known
    });
    found
}

/// Opens a device; `None` if its driver lists it and cannot open it.
fn client(device: &cubecl::Device) -> Option<Client> {
    catch_unwind(AssertUnwindSafe(|| device.client())).ok()
}

fn described(device: &cubecl::Device, client: &Client) -> Gpu {
    let properties = client.properties();
    Gpu {
        name: properties.identity.name.clone(),
        interface: interface(device),
        memory: properties
            .memory
            .max_memory()
            .or_else(|| memory::of_card(properties.identity.physical.as_ref()?)),
        is_software: is_software(device),
    }
}

fn interface(device: &cubecl::Device) -> &'static str {
    match device {
        cubecl::Device::Cuda(_) => "CUDA",
        cubecl::Device::Hip(_) => "ROCm",
        cubecl::Device::Wgpu(device) => {
            let mut known = INTERFACES.iter();
            let known = known.find(|(api, _)| *api == device.backend);
            known.map_or("graphics driver", |(_, name)| name)
        }
        _ => "Metal",
    }
}

fn is_software(device: &cubecl::Device) -> bool {
    matches!(device, cubecl::Device::Wgpu(device) if device.kind == WgpuDeviceKind::Cpu)
}

/// The part of a device's memory that walks may use: the rest is for parameters, for values between two kernels, and
/// for other programs.
const SHARE: f64 = 0.6;

/// Bytes that walks may use if the driver does not say how much memory there is.
const UNKNOWN: usize = 1 << 30;

fn opened(device: &cubecl::Device) -> Result<Arc<dyn Device>, OpenError> {
    let client = client(device).ok_or(OpenError::Refused {
        interface: interface(device),
    })?;
    let gpu = described(device, &client);
    let memory = gpu
        .memory
        .map_or(UNKNOWN, |bytes| (bytes as f64 * SHARE) as usize);
    let name = format!("{} ({})", gpu.name, gpu.interface);
    let values = crate::values::Gpu::new(client, name);
    Ok(Arc::new(GpuDevice::new(values, memory, gpu.is_software)))
}

/// The devices of this machine, each opened to ask for its name and memory; drivers that compute on the CPU come
/// last. Empty if there is no driver.
pub fn devices() -> Vec<Gpu> {
    let described = |device: &cubecl::Device| match client(device) {
        Some(client) => described(device, &client),
        None => Gpu {
            name: "a device that cannot be opened".into(),
            interface: interface(device),
            memory: None,
            is_software: is_software(device),
        },
    };
    handles().iter().map(described).collect()
}

/// Opens the device with this position in [`devices`].
///
/// # Errors
/// [`OpenError`].
pub fn open(index: usize) -> Result<Arc<dyn Device>, OpenError> {
    let handles = handles();
    match (handles.get(index), handles.len()) {
        (Some(device), _) => opened(device),
        (None, 0) => Err(OpenError::NoDevice),
        (None, count) => Err(OpenError::NoSuchDevice { index, count }),
    }
}

/// Opens the first GPU; never a driver that computes on the CPU.
///
/// # Errors
/// [`OpenError`].
pub fn open_usual() -> Result<Arc<dyn Device>, OpenError> {
    let handles = handles();
    let first = handles.first().ok_or(OpenError::NoDevice)?;
    if is_software(first) {
        let client = client(first).ok_or(OpenError::NoDevice)?;
        return Err(OpenError::OnlySoftware {
            name: described(first, &client).name,
        });
    }
    opened(first)
}

/// The first device, for tests.
#[cfg(test)]
pub(crate) fn first_client() -> Client {
    client(&handles()[0]).expect("these tests need a device")
}
