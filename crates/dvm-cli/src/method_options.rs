//! Options of the methods, one flag each, from the registry: none is written down here.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use dvm::methods::{self, Entry};
use dvm::{OptionSpec, Settings};

/// The options given on the command line.
#[derive(Clone, Debug, Default)]
pub struct MethodOptions {
    pub settings: Settings,
}

/// The option that every method with presets has.
const PRESET: &str = "preset";

/// An option with the methods that have it.
struct Shared {
    name: &'static str,
    value: &'static str,
    help: String,
    owners: Vec<&'static str>,
}

/// Every option of every method once, in the order of the registry.
fn shared() -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    let presets = methods::ALL
        .iter()
        .filter(|entry| !entry.presets.is_empty())
        .map(|entry| (entry, PRESET, "NAME", help_of_presets(entry)));
    let options = methods::ALL.iter().flat_map(|entry| {
        let flag = move |o: &OptionSpec| (entry, o.name, o.value, help_of(o));
        entry.options.iter().map(flag)
    });
    for (entry, name, value, help) in options.chain(presets) {
        match all.iter_mut().find(|option| option.name == name) {
            Some(option) => {
                option.owners.push(entry.name);
                if !option.help.contains(&help) {
                    option.help += &format!("; of {}: {help}", entry.name);
                }
            }
            None => all.push(Shared {
                name,
                value,
                help,
                owners: vec![entry.name],
            }),
        }
    }
    // Options of the same methods stand under one heading.
    let order = |option: &Shared| methods::ALL.iter().position(|e| e.name == option.owners[0]);
    all.sort_by_key(order);
    all
}

fn help_of(option: &OptionSpec) -> String {
    let mut help = option.help.to_owned();
    if let Some(first) = help.get(..1) {
        help.replace_range(..1, &first.to_uppercase());
    }
    format!("{help} [default: {}]", option.default)
}

fn help_of_presets(entry: &Entry) -> String {
    let presets: Vec<String> = entry
        .presets
        .iter()
        .map(|preset| format!("`{}` ({})", preset.name, preset.summary))
        .collect();
    format!(
        "Several of these at once; those given beside it win: {}",
        presets.join(", ")
    )
}

impl Args for MethodOptions {
    fn augment_args(command: Command) -> Command {
        shared().into_iter().fold(command, |command, option| {
            command.arg(
                Arg::new(option.name)
                    .long(option.name)
                    .value_name(option.value)
                    .help(option.help)
                    .help_heading(format!("Options of {}", option.owners.join(", "))),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for MethodOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for option in shared() {
            if let Some(value) = matches.get_one::<String>(option.name) {
                let settings = std::mem::take(&mut self.settings);
                self.settings = settings.with(option.name, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Settings {
        let command = MethodOptions::augment_args(Command::new("dvm"));
        let matches = command.try_get_matches_from(line.split(' ')).unwrap();
        MethodOptions::from_arg_matches(&matches).unwrap().settings
    }

    #[test]
    fn every_option_of_every_method_can_be_given() {
        for option in methods::ALL.iter().flat_map(|entry| entry.options) {
            let settings = settings(&format!("dvm --{} {}", option.name, option.default));
            assert_eq!(settings.text(option.name), Some(option.default));
        }
    }

    #[test]
    fn what_was_not_given_is_not_a_setting() {
        assert_eq!(settings("dvm").names().count(), 0);
    }

    #[test]
    fn an_option_of_several_methods_is_one_flag_that_names_them_all() {
        let all = shared();
        let channels: Vec<&Shared> = all.iter().filter(|o| o.name == "channels").collect();
        assert_eq!(channels.len(), 1);
        assert!(channels[0].owners.contains(&"gradient"));
        assert!(channels[0].owners.contains(&"guided-backprop"));
    }
}
