//! `dvm prepare`: makes a data set with classes and splits.

mod audit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, FromArgMatches, Subcommand, ValueHint};
use dvm::data::Split;
use dvm::data::corpora::{self, Corpus, OptionSpec, Settings};
use dvm::data::prepare::{PrepareOutcome, PreparedDataset, Record, Transfer, WriteOptions};
use serde::Serialize;

use crate::failure::Failure;
use crate::interruption;
use crate::options::one_of;
use crate::report::{self, Align, Progress, table};

/// One subcommand per corpus of the registry, and `audit`.
pub enum Command {
    Prepare {
        corpus: &'static Corpus,
        settings: Settings,
        arguments: Arguments,
    },
    Audit(audit::Arguments),
}

/// Name of the command that checks a data set.
const AUDIT: &str = "audit";

/// Arguments of all corpora.
#[derive(Args)]
pub struct Arguments {
    /// Folder with the original pictures or arrays
    #[arg(value_name = "SOURCE", value_hint = ValueHint::DirPath)]
    source: PathBuf,
    /// Folder for the data set
    ///
    /// It appears when the data set is complete.
    #[arg(value_name = "DEST", value_hint = ValueHint::DirPath)]
    destination: PathBuf,
    /// Copy the files, make hard links, or write only a list of them
    #[arg(long, value_name = transfers(), hide_possible_values = true)]
    #[arg(default_value = Transfer::default().name(), value_parser = one_of(Transfer::ALL, Transfer::name))]
    link: Transfer,
    /// Replace a data set that dvm prepared
    #[arg(long)]
    replace: bool,
    /// Print the content of the data set as JSON
    #[arg(long, help_heading = "Running")]
    json: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

/// The names of the ways to link files: `copy|hard|…`.
fn transfers() -> String {
    Transfer::ALL.map(Transfer::name).join("|")
}

/// The command of a corpus.
fn command(corpus: &'static Corpus) -> clap::Command {
    // After `augment_args`, which sets the description of `Arguments`.
    let command = Arguments::augment_args(clap::Command::new(corpus.name))
        .about(corpus.summary)
        .long_about(format!("{}.\n\n{}", corpus.summary, corpus.rule));
    corpus.options.iter().fold(command, |command, option| {
        command.arg(
            Arg::new(option.name)
                .long(option.name)
                .value_name(option.takes.form())
                .allow_hyphen_values(true)
                .help(help_of(option))
                .help_heading("Classes and splits"),
        )
    })
}

fn help_of(option: &OptionSpec) -> String {
    match option.default {
        "" => option.help.into(),
        default => format!("{} [default: {default}]", option.help),
    }
}

impl Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let audit = audit::Arguments::augment_args(clap::Command::new(AUDIT));
        command
            .subcommands(corpora::ALL.iter().map(self::command))
            .subcommand(audit)
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == AUDIT || corpora::find(name).is_some()
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        if name == AUDIT {
            return Ok(Self::Audit(audit::Arguments::from_arg_matches(matches)?));
        }
        let corpus = corpora::find(name).ok_or_else(missing)?;
        let given = corpus.options.iter().filter_map(|option| {
            let value = matches.get_one::<String>(option.name)?;
            Some((option.name, value))
        });
        Ok(Self::Prepare {
            corpus,
            settings: given.fold(Settings::new(), |all, (name, value)| all.with(name, value)),
            arguments: Arguments::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Prepares or audits a data set.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Prepare {
            corpus,
            settings,
            arguments,
        } => prepare(corpus, &settings, &arguments),
        Command::Audit(arguments) => audit::run(&arguments),
    }
}

/// Prepares the data sets of a source and prints their content.
fn prepare(corpus: &Corpus, settings: &Settings, arguments: &Arguments) -> Result<(), Failure> {
    let sets = corpus.sets(&arguments.source, settings)?;
    let mut results = Vec::new();
    for (place, settings) in &sets {
        // Joining nothing would add a slash.
        let destination = match place.as_os_str().is_empty() {
            true => arguments.destination.clone(),
            false => arguments.destination.join(place),
        };
        let (written, warnings) = prepare_one(corpus, settings, &destination, arguments)?;
        if arguments.json {
            let result = JsonDataSet::of(&destination, &written, &warnings);
            results.push(serde_json::to_value(result).expect("results are plain data"));
        } else if !arguments.quiet {
            for (why, count) in &written.record.left_out {
                report::say(&format!("note: left out: {why} ({count})"));
            }
            report::print(&as_text(&destination, &written))?;
        }
    }
    match (arguments.json, results.as_slice()) {
        (false, _) => Ok(()),
        (true, [one]) => report::print_json(one),
        (true, several) => report::print_json(&several),
    }
}

/// Prepares one data set; returns its content and warnings.
fn prepare_one(
    corpus: &Corpus,
    settings: &Settings,
    destination: &Path,
    arguments: &Arguments,
) -> Result<(PreparedDataset, Vec<String>), Failure> {
    let plan = corpus.plan(&arguments.source, settings)?;
    for warning in &plan.warnings {
        report::say(&format!("warning: {warning}"));
    }
    let progress = Progress::new(1, !arguments.quiet);
    progress.picture(0, &destination.display().to_string());
    let how = WriteOptions {
        transfer: arguments.link,
        replace: arguments.replace,
    };
    let update = |done, all| progress.update("pictures", done, all);
    let hold = interruption::hold();
    let written = plan.write_unless(&interruption::is_requested, destination, &how, &update);
    drop(hold);
    if let Err(dvm::data::Error::Stopped { .. }) = written {
        drop(progress);
        let folder = destination.display();
        interruption::check(|| format!("interrupted; {folder} is unchanged"))?;
    }
    Ok((written?, plan.warnings))
}

/// A prepared data set, as JSON.
#[derive(Serialize)]
struct JsonDataSet<'a> {
    folder: String,
    outcome: &'static str,
    corpus: &'a str,
    settings: &'a BTreeMap<String, String>,
    link: Transfer,
    sha256: &'a str,
    classes: &'a [String],
    /// Number of pictures of each class in each split.
    pictures: BTreeMap<&'static str, BTreeMap<&'a str, usize>>,
    left_out: &'a BTreeMap<String, usize>,
    warnings: &'a [String],
}

impl<'a> JsonDataSet<'a> {
    fn of(folder: &Path, written: &'a PreparedDataset, warnings: &'a [String]) -> Self {
        let record = &written.record;
        let of = |split: Split| {
            let classes = record.classes.iter().map(String::as_str);
            (split.name(), classes.zip(record.counts(split)).collect())
        };
        Self {
            folder: folder.display().to_string(),
            outcome: match written.outcome {
                PrepareOutcome::Made => "made",
                PrepareOutcome::Replaced => "replaced",
                PrepareOutcome::AlreadyThere => "already there",
            },
            corpus: &record.corpus,
            settings: &record.settings,
            link: record.transfer,
            sha256: &record.sha256,
            classes: &record.classes,
            pictures: record.splits.keys().map(|split| of(*split)).collect(),
            left_out: &record.left_out,
            warnings,
        }
    }
}

fn as_text(folder: &Path, written: &PreparedDataset) -> String {
    let record = &written.record;
    let outcome = match written.outcome {
        PrepareOutcome::Made => "made",
        PrepareOutcome::Replaced => "made; it replaces another data set",
        PrepareOutcome::AlreadyThere => "exists already; nothing was changed",
    };
    format!(
        "{}: {} pictures of {} classes, {outcome}\n{}",
        report::shown(folder),
        record.pictures(),
        record.classes.len(),
        counts(record)
    )
}

/// Number of pictures by class and split.
fn counts(record: &Record) -> String {
    let of = Split::ALL.map(|split| record.counts(split));
    let row = |name: &str, counts: [usize; 3]| {
        let [train, val, test] = counts.map(|count| count.to_string());
        [name.to_owned(), train, val, test]
    };
    let head = ["class", "train", "val", "test"].map(String::from);
    let classes = record.classes.iter().enumerate();
    let rows = classes.map(|(class, name)| row(name, of.each_ref().map(|counts| counts[class])));
    let sum = row("all", of.each_ref().map(|counts| counts.iter().sum()));
    let rows: Vec<[String; 4]> = [head].into_iter().chain(rows).chain([sum]).collect();
    let [left, right] = [Align::Left, Align::Right];
    table([left, right, right, right], &rows)
}
