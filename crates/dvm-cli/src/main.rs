//! The program `dvm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dvm_cli::status(std::env::args_os()).into()
}
