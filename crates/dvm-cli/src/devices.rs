//! `dvm devices`: the CPU and the GPUs of this machine.

use bytesize::ByteSize;
use clap::Args;
use dvm::engine::Arithmetic;
use dvm::{DeviceChoice, DeviceInfo};

use crate::failure::Failure;
use crate::report::{self, Align, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dvm devices
  dvm classify photo.jpg --device auto")]
pub struct Arguments {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// Prints all devices.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let devices = dvm::devices();
    if arguments.json {
        report::print_json(&devices)?;
    } else {
        report::print(&as_text(&devices))?;
    }
    if devices.len() == 1
        && let Some(why) = DeviceChoice::Auto.open(Arithmetic::Fast)?.fallback
    {
        report::say(&format!("note: {why}"));
    }
    Ok(())
}

fn as_text(devices: &[DeviceInfo]) -> String {
    let mut rows = vec![["device", "name", "interface", "memory", "processors"].map(String::from)];
    rows.extend(devices.iter().map(|device| {
        let memory = device.memory.map(|bytes| ByteSize(bytes).display().si());
        let processors = device.processors.map(|count| count.to_string());
        let name = match device.is_software {
            true => format!("{} (computes on the CPU)", device.name),
            false => device.name.clone(),
        };
        [
            device.choice.to_string(),
            name,
            device.interface.to_owned(),
            memory.map_or_else(|| "–".into(), |memory| memory.to_string()),
            processors.unwrap_or_else(|| "–".into()),
        ]
    }));
    let left = Align::Left;
    table([left, left, left, Align::Right, Align::Right], &rows)
}
