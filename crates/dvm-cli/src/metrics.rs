//! `dvm metrics`: the registry of metrics.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use dvm::Checks;
use dvm::metrics::registry::{self, Better, MetricEntry, Needs, Question};
use serde::Serialize;

use crate::described::{self, Choice, Paper};
use crate::failure::Failure;
use crate::report::{self, Align, table};

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
        Command::List { json: true } => {
            let all: Vec<Described> = registry::ALL.iter().map(described).collect();
            report::print_json(&all)
        }
        Command::List { json: false } => Ok(report::print(&list())?),
        Command::Show { name, json } => {
            let entry = registry::find(&name).expect("clap has checked the name");
            if json {
                report::print_json(&described(entry))
            } else {
                Ok(report::print(&shown(entry))?)
            }
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
    let mut text = String::new();
    for question in Question::ALL {
        let of_question = registry::ALL.iter().filter(|e| e.question == question);
        let rows: Vec<[String; 4]> = of_question
            .map(|entry| {
                [
                    format!("  {}", entry.name),
                    described::paper(&entry.reference),
                    entry.better.word().into(),
                    entry.cost.into(),
                ]
            })
            .collect();
        if rows.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text += &format!("{}\n", question.text());
        let head = ["  metric", "paper", "better", "cost for a map"].map(String::from);
        text += &table([Align::Left; 4], &[vec![head], rows].concat());
    }
    text + "\n`dvm metrics show NAME` describes a metric and lists its options.\n"
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
