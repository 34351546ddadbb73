//! `dvm` on the command line: see what an image classifier looks at. One file per subcommand.
//!
//! A library with one function, because two programs are made of it: `dvm` itself, and the command of the same name
//! in the Python wheel, which shares the wheel's only copy of the engine.

mod bench;
mod classify;
mod compare;
mod completions;
mod convert;
mod described;
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

use clap::{Parser, Subcommand};

use failure::Failure;

/// See what an image classifier looks at.
#[derive(Parser)]
#[command(name = "dvm", version, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 all done, 1 some pictures failed (each is named), 2 the request \
                  cannot be carried out, or not to its end. Ctrl-C and SIGTERM end the program; \
                  no file is left half written."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw what the network looked at in each picture
    Explain(Box<explain::Arguments>),
    /// Say what the network sees in each picture
    Classify(classify::Arguments),
    /// Train a network on a folder of pictures
    Train(train::Arguments),
    /// Say how good a network is on labelled pictures
    Evaluate(evaluate::Arguments),
    /// Say which method explains a network best: methods × metrics over many pictures
    Compare(Box<compare::Arguments>),
    /// Say where a network looks over a whole data set, and warn of shortcuts
    Survey(Box<survey::Arguments>),
    /// Show a page in the browser that explains pictures, and answer other systems
    Serve(Box<serve::Arguments>),
    /// Write the results of many pictures for other programs
    #[command(subcommand)]
    Export(export::Command),
    /// Say how long a network takes, and which of its nodes
    Bench(bench::Arguments),
    /// Make a data set of labelled pictures: classes, splits
    #[command(subcommand)]
    Prepare(prepare::Command),
    /// Networks: what there is, and how each is built
    #[command(subcommand)]
    Models(models::Command),
    /// Methods: what there is, where it was published, its options
    #[command(subcommand)]
    Methods(methods::Command),
    /// Metrics, the tests of maps: what there is, where it was published, its options
    #[command(subcommand)]
    Metrics(metrics::Command),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual pages, or write them into a folder
    Man(man::Arguments),
}

/// Carries out the command that the arguments say, of which the first is the program's name; prints results and
/// errors, and gives the exit status. From here on Ctrl-C and SIGTERM end the process.
pub fn status(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = ARGUMENTS.get_or_init(|| arguments.into_iter().collect());
    run(arguments).map_or_else(Failure::end, |()| 0)
}

/// The arguments that the command was given, the program's name first: in Python's process they are not those of
/// the process.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// The arguments behind the program's name.
fn given() -> impl Iterator<Item = String> {
    let arguments = ARGUMENTS.get().into_iter().flatten().skip(1);
    arguments.map(|argument| argument.to_string_lossy().into_owned())
}

fn run(arguments: &[OsString]) -> Result<(), Failure> {
    interruption::listen()?;
    let cli = Cli::try_parse_from(arguments).map_err(Failure::Arguments)?;
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
    use clap::CommandFactory;

    #[test]
    fn no_option_of_a_method_has_the_name_of_one_of_the_program() {
        Cli::command().debug_assert();
    }
}
