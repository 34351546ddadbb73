//! Options of the methods, one flag each, from the registry. A flag applies to every chosen method that has the
//! option; `--set METHOD.OPTION=VALUE` to one method. `dvm methods show` lists the flags of a method; `--help` hides
//! them, because there are too many.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use dvm::methods::{self, MethodEntry};
use dvm::{OptionSpec, Settings};

/// The options of methods on the command line.
#[derive(Clone, Debug, Default)]
pub struct MethodOptions {
    pub settings: Settings,
}

/// The flag of a preset.
const PRESET: &str = "preset";

/// The flag that sets an option of one method.
const SET: &str = "set";

/// An option with the methods that have it.
struct Shared {
    name: &'static str,
    value: String,
    help: String,
    owners: Vec<&'static str>,
}

/// Every option of every method, once each, in the order of the registry.
fn shared() -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    let presets = methods::ALL
        .iter()
        .filter(|entry| !entry.presets.is_empty())
        .map(|entry| (entry, PRESET, "NAME".into(), help_of_presets(entry)));
    let options = methods::ALL.iter().flat_map(|entry| {
        let flag = move |o: &OptionSpec| (entry, o.name, o.takes.form(), help_of(o));
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
    // Groups the options of the same methods under one heading.
    let order = |option: &Shared| methods::ALL.iter().position(|e| e.name == option.owners[0]);
    all.sort_by_key(order);
    all
}

/// Parses `METHOD.OPTION=VALUE`.
fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (option, value) = text.split_once('=').unwrap_or((text, ""));
    match option.trim().split_once('.') {
        Some((method, name)) if !method.is_empty() && !name.is_empty() && text.contains('=') => {
            Ok((option.trim().into(), value.trim().into()))
        }
        _ => Err("must be METHOD.OPTION=VALUE, such as occlusion.window=32"),
    }
}

fn help_of(option: &OptionSpec) -> String {
    let mut help = option.help.to_owned();
    if let Some(first) = help.get(..1) {
        help.replace_range(..1, &first.to_uppercase());
    }
    match option.default {
        "" => help,
        default => format!("{help} [default: {default}]"),
    }
}

fn help_of_presets(entry: &MethodEntry) -> String {
    let presets: Vec<String> = entry
        .presets
        .iter()
        .map(|preset| format!("`{}` ({})", preset.name, preset.summary))
        .collect();
    format!(
        "Several options at once; options on the command line override it: {}",
        presets.join(", ")
    )
}

impl Args for MethodOptions {
    fn augment_args(command: Command) -> Command {
        let set = Arg::new(SET)
            .long(SET)
            .value_name("METHOD.OPTION=VALUE")
            .action(ArgAction::Append)
            .value_parser(assignment)
            .help("Option of one method, such as occlusion.window=32; repeatable")
            .long_help(
                "Option of one method, such as occlusion.window=32; repeatable\n\n`dvm methods show NAME` lists the options \
                 of a method. As a flag (--window 32), an option applies to every chosen method that has it.",
            )
            .help_heading("Methods");
        shared()
            .into_iter()
            .fold(command.arg(set), |command, option| {
                command.arg(
                    Arg::new(option.name)
                        .long(option.name)
                        .value_name(option.value)
                        .allow_negative_numbers(true)
                        .hide_short_help(true)
                        .hide_long_help(true)
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
        for (option, value) in matches
            .get_many::<(String, String)>(SET)
            .into_iter()
            .flatten()
        {
            let settings = std::mem::take(&mut self.settings);
            self.settings = settings.with(option, value);
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
    fn every_option_of_every_method_has_a_flag() {
        for option in methods::ALL.iter().flat_map(|entry| entry.options) {
            let settings = settings(&format!("dvm --{}=x", option.name));
            assert_eq!(settings.text(option.name), Some("x"));
        }
    }

    #[test]
    fn set_gives_an_option_to_one_method() {
        let settings = settings("dvm --window 20 --set occlusion.window=32");
        assert_eq!(settings.text("window"), Some("20"));
        assert_eq!(settings.text("occlusion.window"), Some("32"));
        for wrong in ["occlusion.window", "window=3", ".window=3", "occlusion.=3"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_that_are_not_given_are_not_set() {
        assert_eq!(settings("dvm").names().count(), 0);
    }

    #[test]
    fn an_option_of_several_methods_is_one_flag() {
        let all = shared();
        let channels: Vec<&Shared> = all.iter().filter(|o| o.name == "channels").collect();
        assert_eq!(channels.len(), 1);
        assert!(channels[0].owners.contains(&"gradient"));
        assert!(channels[0].owners.contains(&"guided-backprop"));
    }
}
