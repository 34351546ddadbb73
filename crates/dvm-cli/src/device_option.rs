//! Where networks are computed.

use std::sync::Arc;

use clap::Args;
use dvm::engine::Arithmetic;
use dvm::engine::device::Device;
use dvm::{Classifier, DeviceChoice};

use crate::failure::Failure;
use crate::options::RunOptions;
use crate::report;

/// The device.
#[derive(Args)]
#[command(next_help_heading = "Running")]
pub struct DeviceOption {
    /// Device that computes the network: cpu, gpu, gpu:N or auto
    ///
    /// `gpu`: the first GPU; gpu:1: the second one of `dvm devices`. `auto`: the first GPU, or the CPU if
    /// no GPU can be used. Results differ from those of the CPU by rounding.
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
}

/// How networks are computed: the arithmetic and the device.
pub struct Engine {
    arithmetic: Arithmetic,
    device: Option<Arc<dyn Device>>,
}

impl DeviceOption {
    /// Starts the engine and opens the device; says which, unless it is `quiet`. Call it once, before a network is
    /// loaded.
    pub fn start_engine(&self, run: &RunOptions, quiet: bool) -> Result<Engine, Failure> {
        let on_cpu = run.start_engine()?;
        let opened = self.device.open(on_cpu.arithmetic)?;
        let line = match (&opened.device, &opened.fallback) {
            (Some(device), _) => Some(format!("note: computing on {}", device.name())),
            (None, Some(why)) => Some(format!("note: computing on the CPU: {why}")),
            (None, None) => None,
        };
        if let Some(line) = line.filter(|_| !quiet) {
            report::say(&line);
        }
        Ok(Engine {
            device: opened.device,
            ..on_cpu
        })
    }
}

impl Engine {
    /// On the CPU.
    pub fn on_cpu(arithmetic: Arithmetic) -> Self {
        Self {
            arithmetic,
            device: None,
        }
    }

    /// The arithmetic.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The device; `None` for the CPU.
    pub fn device(&self) -> Option<Arc<dyn Device>> {
        self.device.clone()
    }

    /// The classifier, computed like this.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        let classifier = classifier.with_arithmetic(self.arithmetic);
        Ok(classifier.with_device(self.device())?)
    }
}
