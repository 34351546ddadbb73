//! `dvm completions`: completion scripts for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::{Cli, report};

#[derive(Args)]
#[command(after_help = "\
Example:
  dvm completions bash > ~/.local/share/bash-completion/completions/dvm")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "dvm", &mut script);
    let script = String::from_utf8(script).expect("completion scripts are text");
    Ok(report::print(&script)?)
}
