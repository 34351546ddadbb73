//! Where networks are computed: on the CPU or on a GPU.

mod gpu;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dvm_engine::device::Device;
use dvm_engine::{Arithmetic, InstructionSet};
use serde::{Serialize, Serializer};

use crate::{Error, machine_memory};

/// Where networks are computed. As text: `cpu`, `gpu`, `gpu:N` or `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// On the CPU.
    #[default]
    Cpu,
    /// On the first GPU.
    Gpu,
    /// On the GPU with this number, from 0 ([`devices`]).
    GpuNumber(usize),
    /// On the first GPU, or on the CPU if no GPU can be used.
    Auto,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu => f.write_str("gpu"),
            Self::GpuNumber(number) => write!(f, "gpu:{number}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = || text.strip_prefix("gpu:")?.parse().ok();
        match text {
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            "auto" => Ok(Self::Auto),
            _ => number()
                .map(Self::GpuNumber)
                .ok_or("it must be cpu, gpu, gpu:N with a number from 0, or auto"),
        }
    }
}

impl Serialize for DeviceChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What [`DeviceChoice::open`] opened.
#[derive(Clone, Debug, Default)]
pub struct OpenedDevice {
    /// The device; `None` for the CPU.
    pub device: Option<Arc<dyn Device>>,
    /// Why [`DeviceChoice::Auto`] means the CPU here.
    pub fallback: Option<String>,
}

impl DeviceChoice {
    /// Opens the device for networks with this arithmetic.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no such GPU, if it cannot be used, or if this build of dvm has no support for
    /// GPUs; and for exact arithmetic, which only the CPU has. [`DeviceChoice::Auto`] then means the CPU.
    pub fn open(self, arithmetic: Arithmetic) -> Result<OpenedDevice, Error> {
        let number = match self {
            Self::Cpu => return Ok(OpenedDevice::default()),
            Self::GpuNumber(number) => Some(number),
            Self::Gpu | Self::Auto => None,
        };
        let opened = match arithmetic {
            Arithmetic::Fast => gpu::open(number),
            Arithmetic::Exact => Err(NOT_EXACT.to_owned()),
        };
        match (self, opened) {
            (_, Ok(device)) => Ok(OpenedDevice {
                device: Some(device),
                fallback: None,
            }),
            (Self::Auto, Err(why)) => Ok(OpenedDevice {
                device: None,
                fallback: Some(why.trim_end_matches(ON_THE_CPU).to_owned()),
            }),
            (_, Err(why)) => Err(Error::Device(why)),
        }
    }
}

/// The end of errors with a remedy that [`DeviceChoice::Auto`] applies itself.
const ON_THE_CPU: &str = ", or compute on the CPU";

/// The error of exact arithmetic on a device.
const NOT_EXACT: &str =
    "exact arithmetic is possible only on the CPU; use fast arithmetic, or compute on the CPU";

/// Returns an error for exact arithmetic on a device.
pub(crate) fn refuse_exact(
    arithmetic: Arithmetic,
    device: Option<&Arc<dyn Device>>,
) -> Result<(), Error> {
    match (arithmetic, device) {
        (Arithmetic::Exact, Some(_)) => Err(Error::Device(NOT_EXACT.into())),
        _ => Ok(()),
    }
}

/// A warning that names what the CPU computed because this device cannot; `None` if there is nothing.
pub fn left_to_cpu(device: &dyn Device) -> Option<String> {
    let kinds = device.left_to_cpu();
    let name = device.name();
    (!kinds.is_empty()).then(|| {
        format!(
            "{name} cannot compute `{}`; the CPU computed this part, which takes longer",
            kinds.join("`, `")
        )
    })
}

/// The CPU or a GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// The choice that means this device: `cpu`, `gpu:0`.
    #[serde(rename = "device")]
    pub choice: DeviceChoice,
    /// `CPU`, or the name that the driver of the GPU gives.
    pub name: String,
    /// The interface of a GPU, such as `Vulkan`; the vector instructions of the CPU.
    pub interface: &'static str,
    /// Number of processors of the CPU that this process can use.
    pub processors: Option<usize>,
    /// Its memory in bytes, if it is known.
    pub memory: Option<u64>,
    /// Whether it is a driver that computes on the CPU.
    pub is_software: bool,
}

/// The CPU and the GPUs of this machine, in this order. Drivers that compute on the CPU come last.
pub fn devices() -> Vec<DeviceInfo> {
    let mut all = vec![DeviceInfo {
        choice: DeviceChoice::Cpu,
        name: "CPU".into(),
        interface: InstructionSet::in_use().name(),
        processors: std::thread::available_parallelism().ok().map(usize::from),
        memory: machine_memory(),
        is_software: false,
    }];
    all.extend(gpu::all());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        let choices = [
            DeviceChoice::Cpu,
            DeviceChoice::Gpu,
            DeviceChoice::GpuNumber(0),
            DeviceChoice::GpuNumber(12),
            DeviceChoice::Auto,
        ];
        for choice in choices {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for wrong in ["", "GPU", "cuda", "gpu:", "gpu:-1", "gpu:first", "cpu:0"] {
            let error = wrong.parse::<DeviceChoice>().unwrap_err();
            assert!(error.contains("cpu, gpu, gpu:N"), "{wrong}: {error}");
        }
    }

    #[test]
    fn exact_arithmetic_is_only_on_the_cpu() {
        let open = |choice: DeviceChoice| choice.open(Arithmetic::Exact);
        assert!(open(DeviceChoice::Cpu).unwrap().device.is_none());
        let error = open(DeviceChoice::Gpu).unwrap_err().to_string();
        assert!(error.starts_with("exact arithmetic"), "{error}");
        let opened = open(DeviceChoice::Auto).unwrap();
        assert!(opened.device.is_none());
        let fallback = opened.fallback.unwrap();
        assert_eq!(error, fallback + ON_THE_CPU);
    }

    #[test]
    #[cfg(not(feature = "gpu"))]
    fn a_build_without_gpus_says_so() {
        let open = |choice: DeviceChoice| choice.open(Arithmetic::Fast);
        assert!(open(DeviceChoice::Cpu).unwrap().fallback.is_none());
        for choice in [DeviceChoice::Gpu, DeviceChoice::GpuNumber(1)] {
            let error = open(choice).unwrap_err().to_string();
            assert!(error.contains("feature `gpu`"), "{error}");
        }
        let opened = open(DeviceChoice::Auto).unwrap();
        assert!(opened.device.is_none() && opened.fallback.unwrap().contains("feature `gpu`"));
    }

    #[test]
    fn the_cpu_is_the_first_device() {
        let all = devices();
        assert_eq!(
            (all[0].choice, &all[0].name[..]),
            (DeviceChoice::Cpu, "CPU")
        );
        assert!(all[0].processors >= Some(1));
        let json = serde_json::to_value(&all).unwrap();
        assert_eq!(json[0]["device"], "cpu");
    }
}
