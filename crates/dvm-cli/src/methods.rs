//! `dvm methods`: the registry of methods.

use std::collections::BTreeMap;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use dvm::methods::{self, Family, MethodEntry};
use serde::Serialize;

use crate::described::{self, Choice, Paper};
use crate::failure::Failure;

#[derive(Subcommand)]
pub enum Command {
    /// List all methods
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one method: summary, paper, options, presets
    Show {
        /// Name of the method
        #[arg(value_parser = names())]
        name: String,
        /// Print the description as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Parses the name of a method.
pub fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(methods::ALL.iter().map(|entry| entry.name))
}

/// Prints one method or all.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { json } => described::print_all(methods::ALL, json, described, list),
        Command::Show { name, json } => {
            let entry = methods::find(&name).expect("clap has checked the name");
            described::print_one(entry, json, described, shown)
        }
    }
}

/// A method as JSON.
#[derive(Serialize)]
struct Described {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    family: &'static str,
    cost: &'static str,
    networks: &'static str,
    reference: Paper,
    options: Vec<Choice>,
    presets: Vec<Preset>,
}

#[derive(Serialize)]
struct Preset {
    name: &'static str,
    summary: &'static str,
    options: BTreeMap<&'static str, &'static str>,
}

fn described(entry: &MethodEntry) -> Described {
    let presets = entry.presets.iter().map(|preset| Preset {
        name: preset.name,
        summary: preset.summary,
        options: preset.options.iter().copied().collect(),
    });
    Described {
        name: entry.name,
        title: entry.title,
        summary: entry.summary,
        family: entry.family.name(),
        cost: entry.cost,
        networks: entry.networks,
        reference: Paper::of(&entry.reference),
        options: Choice::all(entry.options),
        presets: presets.collect(),
    }
}

/// A table per family: name, paper, cost of a map, networks.
fn list() -> String {
    let groups = Family::ALL.into_iter().map(|family| {
        let mut name = family.name().to_owned();
        name[..1].make_ascii_uppercase();
        let head = [&name, "paper", "cost of a map", "networks"].map(String::from);
        let entries = methods::ALL.iter().filter(|entry| entry.family == family);
        (String::new(), head, entries.collect())
    });
    let row = |entry: &MethodEntry| {
        [
            format!("  {}", entry.name),
            described::paper(&entry.reference),
            entry.cost.into(),
            entry.networks.into(),
        ]
    };
    described::tables(groups, row)
        + "\n`dvm methods show NAME` describes a method and lists its options.\n"
}

fn shown(entry: &MethodEntry) -> String {
    let mut text = described::head(entry.name, entry.summary, &entry.reference);
    text += &format!(
        "\nCost of a map: {}\nNetworks: {}\n",
        entry.cost, entry.networks
    );
    if !entry.options.is_empty() {
        text += "\nOptions (only for this method: --set NAME.OPTION=VALUE):\n";
    }
    for option in entry.options {
        text += &described::option(&format!("--{}", option.name), option);
    }
    if !entry.presets.is_empty() {
        text += "\nPresets (--preset NAME; options on the command line override it):\n";
    }
    for preset in entry.presets {
        let options: Vec<String> = preset
            .options
            .iter()
            .map(|(name, value)| format!("--{name} {value}"))
            .collect();
        text += &format!(
            "  {}\n      {}\n      {}\n",
            preset.name,
            preset.summary,
            options.join(" ")
        );
    }
    text
}
