//! The command line of `dvm`: see what an image classifier looks at. One file per subcommand.
//!
//! A library with one function, because two programs use it: `dvm` itself, and the command of the same name in the
//! Python wheel, which shares the engine with the Python module.

mod bench;
mod classify;
mod compare;
mod completions;
mod convert;
mod described;
mod device_option;
mod devices;
mod evaluate;
mod explain;
mod export;
mod failure;
mod fetch;
mod html_report;
mod images;
mod interruption;
mod man;
mod manifest;
mod method_options;
mod methods;
mod metrics;
mod models;
mod options;
mod picture_options;
mod prepare;
mod preprocess_options;
mod report;
mod serve;
mod survey;
mod train;

use std::ffi::OsString;
use std::sync::OnceLock;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;

/// See what an image classifier looks at.
#[derive(Parser)]
#[command(name = "dvm", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  dvm explain photo.jpg                  Maps of what the network looked at
  dvm classify photo.jpg                 The most probable classes
  dvm train flowers                      Train a network on a folder of pictures
  dvm methods list                       All attribution methods

Exit status:
  0  everything succeeded
  1  some pictures failed; an error names each
  2  the command could not be carried out or completed

Ctrl-C and SIGTERM end dvm. No file is left half written.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw maps of what the network looked at in each picture
    Explain(Box<explain::Arguments>),
    /// Print the most probable classes of each picture
    Classify(classify::Arguments),
    /// Train a network on a folder of pictures
    Train(train::Arguments),
    /// Measure how good a network is on labelled pictures
    Evaluate(evaluate::Arguments),
    /// Compare methods by metrics over many pictures
    Compare(Box<compare::Arguments>),
    /// Find where a network looks over a whole data set, and warn of shortcuts
    Survey(Box<survey::Arguments>),
    /// Serve a web page and an HTTP API that explain pictures
    Serve(Box<serve::Arguments>),
    /// Write the results of many pictures for other programs
    #[command(subcommand)]
    Export(export::Command),
    /// Measure the speed of a network and of each of its nodes
    Bench(bench::Arguments),
    /// List the devices that can compute networks: the CPU and the GPUs
    Devices(devices::Arguments),
    /// Make a data set with classes and splits, or check one
    #[command(subcommand)]
    Prepare(prepare::Command),
    /// List, show, fetch and convert networks
    #[command(subcommand)]
    Models(models::Command),
    /// List the attribution methods; show their papers and options
    #[command(subcommand)]
    Methods(methods::Command),
    /// List the metrics, which test maps; show their papers and options
    #[command(subcommand)]
    Metrics(metrics::Command),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual pages, or write them into a folder
    Man(man::Arguments),
}

/// Runs the command in `arguments`, whose first is the program's name. Prints results and errors and returns the exit
/// status. From then on, Ctrl-C and SIGTERM end the process.
pub fn status(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = ARGUMENTS.get_or_init(|| arguments.into_iter().collect());
    run(arguments).map_or_else(Failure::end, |()| 0)
}

/// The arguments of the command, the program's name first. In Python they differ from those of the process.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// The arguments without the program's name.
fn arguments() -> impl Iterator<Item = String> {
    let all = ARGUMENTS.get().into_iter().flatten().skip(1);
    all.map(|argument| argument.to_string_lossy().into_owned())
}

/// Parses the arguments. Options also take negative numbers, so that the error about `--runs -1` is about its value.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    fn with_negative_numbers(command: clap::Command) -> clap::Command {
        let with_own = command.mut_args(|arg| {
            let takes_value = arg.get_long().is_some() && arg.get_action().takes_values();
            arg.allow_negative_numbers(takes_value)
        });
        with_own.mut_subcommands(with_negative_numbers)
    }
    let matches = with_negative_numbers(Cli::command()).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

fn run(arguments: &[OsString]) -> Result<(), Failure> {
    interruption::listen()?;
    let cli = parse(arguments).map_err(Failure::Arguments)?;
    match cli.command {
        Command::Explain(arguments) => explain::run(*arguments),
        Command::Classify(arguments) => classify::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Survey(arguments) => survey::run(*arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Export(command) => export::run(command),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Prepare(command) => prepare::run(command),
        Command::Models(command) => models::run(command),
        Command::Methods(command) => methods::run(command),
        Command::Metrics(command) => metrics::run(command),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_methods_and_of_the_program_have_different_names() {
        Cli::command().debug_assert();
    }
}
