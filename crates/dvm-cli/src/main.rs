//! `dvm`: see what an image classifier looks at. One file per subcommand.

mod bench;
mod classify;
mod compare;
mod completions;
mod convert;
mod described;
mod evaluate;
mod explain;
mod failure;
mod fetch;
mod images;
mod interruption;
mod man;
mod method_options;
mod methods;
mod metrics;
mod models;
mod options;
mod picture_options;
mod prepare;
mod preprocess_options;
mod report;
mod survey;
mod train;

use std::process::ExitCode;

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

fn main() -> ExitCode {
    run().map_or_else(Failure::end, |()| ExitCode::SUCCESS)
}

fn run() -> Result<(), Failure> {
    interruption::listen()?;
    match Cli::try_parse().map_err(Failure::Arguments)?.command {
        Command::Explain(arguments) => explain::run(*arguments),
        Command::Classify(arguments) => classify::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Survey(arguments) => survey::run(*arguments),
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
