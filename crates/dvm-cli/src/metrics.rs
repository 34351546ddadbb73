//! `dvm metrics`: the registry of metrics.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use dvm::Checks;
use dvm::metrics::registry::{self, Better, MetricEntry, Needs, Question};
use serde::Serialize;

use crate::described::{self, Choice, Paper};
use crate::failure::Failure;

#[derive(Subcommand)]
pub enum Command {
    /// List all metrics by the question that each answers
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one metric: summary, paper, options
    Show {
        /// Name of the metric
        #[arg(value_parser = PossibleValuesParser::new(registry::ALL.iter().map(|entry| entry.name)))]
        name: String,
        /// Print the description as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Parses the name of a metric, or `usual`.
pub fn names() -> PossibleValuesParser {
    let names = registry::ALL.iter().map(|entry| entry.name);
    PossibleValuesParser::new(names.chain([Checks::USUAL]))
}

/// Prints one metric or all of them.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { json } => described::print_all(registry::ALL, json, described, list),
        Command::Show { name, json } => {
            let entry = registry::find(&name).expect("clap has checked the name");
            described::print_one(entry, json, described, shown)
        }
    }
}

/// A metric as JSON.
#[derive(Serialize)]
struct Described {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    question: &'static str,
    better: &'static str,
    needs: &'static str,
    cost: &'static str,
    reference: Paper,
    options: Vec<Choice>,
}

fn described(entry: &MetricEntry) -> Described {
    Described {
        name: entry.name,
        title: entry.title,
        summary: entry.summary,
        question: entry.question.name(),
        better: entry.better.word(),
        needs: needs(entry),
        cost: entry.cost,
        reference: Paper::of(&entry.reference),
        options: Choice::all(entry.options),
    }
}

/// What a metric needs.
fn needs(entry: &MetricEntry) -> &'static str {
    match entry.needs {
        Needs::Map => "the map",
        Needs::Method => "the method",
        Needs::Region => "where the object is",
    }
}

/// A table per question: name, paper, which values are better, cost for a map.
fn list() -> String {
    let groups = Question::ALL.into_iter().map(|question| {
        let head = ["  metric", "paper", "better", "cost for a map"].map(String::from);
        let entries = registry::ALL
            .iter()
            .filter(|entry| entry.question == question);
        (format!("{}\n", question.text()), head, entries.collect())
    });
    let row = |entry: &MetricEntry| {
        [
            format!("  {}", entry.name),
            described::paper(&entry.reference),
            entry.better.word().into(),
            entry.cost.into(),
        ]
    };
    described::tables(groups, row)
        + "\n`dvm metrics show NAME` describes a metric and lists its options.\n"
}

fn shown(entry: &MetricEntry) -> String {
    let mut text = described::head(entry.name, entry.summary, &entry.reference);
    text += &format!("\nQuestion: {}\n", entry.question.text());
    text += match entry.better {
        Better::Higher => "Better: higher values\n",
        Better::Lower => "Better: lower values\n",
        Better::Neither => "Better: neither; the value describes the map\n",
    };
    text += &format!("Needs: {}\nCost for a map: {}\n", needs(entry), entry.cost);
    if !entry.options.is_empty() {
        text += "\nOptions:\n";
    }
    for option in entry.options {
        let flag = format!("--set {}.{}=", entry.name, option.name);
        text += &described::option(&flag, option).replacen("= <", "=<", 1);
    }
    text
}
