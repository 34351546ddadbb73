//! How much memory a card has, where its runtime does not say it: from the driver's own interface.

use cubecl::ir::PhysicalDevice;

/// The memory of a card in bytes, if its driver tells it: NVIDIA's by NVML, AMD's by the kernel's files.
#[cfg(target_os = "linux")]
pub(crate) fn of_card(card: &PhysicalDevice) -> Option<u64> {
    let address = card.pci_address?.to_string();
    let by_nvml = || {
        let nvml = nvml_wrapper::Nvml::init().ok()?;
        let device = nvml.device_by_pci_bus_id(address.as_str()).ok()?;
        device.memory_info().ok().map(|memory| memory.total)
    };
    let by_file = || {
        let file = format!("/sys/bus/pci/devices/{address}/mem_info_vram_total");
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    };
    by_nvml().or_else(by_file).filter(|&bytes| bytes > 0)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn of_card(_: &PhysicalDevice) -> Option<u64> {
    None
}
