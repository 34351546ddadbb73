//! Flags of `dvm train`, one for each value of its configuration. Options of optimisers, schedules and
//! augmentations come from their registries.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use dvm::data::augment;
use dvm::training::{OptionSpec, optimisers, schedules};

/// Values of the configuration given as flags: (`optimiser.momentum`, `0.9`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingFlags {
    pub values: Vec<(String, String)>,
}

/// A flag that sets a value of the configuration.
struct Flag {
    name: String,
    /// Path of the value in the configuration file.
    key: String,
    value: String,
    help: String,
    /// For `--help`, if it differs from that for `-h`.
    long_help: Option<String>,
    heading: &'static str,
}

/// (name, key, value, help, heading)
type Plain = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const NETWORK: &str = "Network";
const TRAINING: &str = "Training";
const TENSORBOARD: &str = "TensorBoard";

#[rustfmt::skip]
const PLAIN: &[Plain] = &[
    ("model", "model", "NAME", "Network by name (see `dvm models list`)", NETWORK),
    ("weights", "weights", "pretrained|none|FILE", "Initial weights: pretrained (published), none (random), or a file", NETWORK),
    ("train", "train", "all|head|last-stage", "Layers to train; with head and no augmentation, features are computed once", NETWORK),
    ("epochs", "epochs", "N", "Number of epochs", TRAINING),
    ("batch", "batch", "N", "Batch size: pictures per forward pass", TRAINING),
    ("accumulate", "accumulate", "N", "Batches per step of the optimiser", TRAINING),
    ("seed", "seed", "N", "Seed of all random numbers", TRAINING),
    ("label-smoothing", "label_smoothing", "SHARE", "Label smoothing, 0 to below 1", TRAINING),
    ("class-weights", "class_weights", "none|balanced|LIST", "Class weights in the loss: none, balanced, or a list [1, 2.5, …]", TRAINING),
    ("clip", "clip", "NORM", "Largest norm of the gradient; larger ones are scaled down; 0: off", TRAINING),
    ("ema", "ema", "DECAY", "Decay of a moving average of the weights, used in validation and saved; 0: off", TRAINING),
    ("mixup", "mixup", "ALPHA", "Mixup: alpha of the beta distribution (arXiv 1710.09412); 0: off", TRAINING),
    ("train-side", "train_side", "PIXELS", "Side of the crops in training, in pixels; 0: as in validation", TRAINING),
    ("best-by", "best_by", "accuracy|balanced_accuracy|loss", "Validation value that decides which epoch is the best", TRAINING),
    ("patience", "patience", "EPOCHS", "Early stopping: epochs without improvement; 0: off", TRAINING),
    ("range", "range", "file|auto|percentile|LOW..HIGH", "Pixel values that become black and white, such as 0..4095", NETWORK),
    ("max-pixels", "max_pixels", "N", "Largest number of pixels of a picture [default: 268435456]", NETWORK),
    ("on-broken", "on_broken", "fail|skip", "If a picture cannot be read: stop, or skip it", TRAINING),
    ("optimiser", "optimiser.name", "NAME", "Optimiser:", TRAINING),
    ("learning-rate", "optimiser.learning_rate", "RATE", "Learning rate; the schedule multiplies it by its factor", TRAINING),
    ("schedule", "schedule.name", "NAME", "Schedule of the learning rate:", TRAINING),
    ("tensorboard-names", "tensorboard.names", "dvm|seed", "Names of scalars: dvm, or seed (train_epoch_loss, …)", TENSORBOARD),
    ("images-every", "tensorboard.images_every", "EPOCHS", "Epochs between pictures with maps; 0: no pictures", TENSORBOARD),
    ("images", "tensorboard.images", "N", "Number of validation pictures with maps", TENSORBOARD),
];

/// Every flag, in the order of help.
fn flags() -> Vec<Flag> {
    let mut flags: Vec<Flag> = PLAIN
        .iter()
        .map(|&(name, key, value, help, heading)| {
            let summaries: Vec<(&str, &str)> = match name {
                "optimiser" => optimisers::ALL
                    .iter()
                    .map(|e| (e.name, e.summary))
                    .collect(),
                "schedule" => schedules::ALL.iter().map(|e| (e.name, e.summary)).collect(),
                _ => Vec::new(),
            };
            let is_choice = !summaries.is_empty();
            Flag {
                name: name.into(),
                key: key.into(),
                value: value.into(),
                help: format!("{help} {}", names(&summaries))
                    .trim_end()
                    .to_owned(),
                long_help: is_choice.then(|| help.to_owned() + &with_summaries(&summaries)),
                heading,
            }
        })
        .collect();
    for entry in optimisers::ALL {
        for option in entry.all_options() {
            add(
                &mut flags,
                "",
                "optimiser",
                "Options of optimisers",
                entry.name,
                option,
            );
        }
    }
    for entry in schedules::ALL {
        for option in entry.options {
            add(
                &mut flags,
                "schedule-",
                "schedule",
                "Options of schedules",
                entry.name,
                option,
            );
        }
    }
    flags
}

/// Names, separated by commas.
fn names(entries: &[(&str, &str)]) -> String {
    let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Names with their summaries, one per line.
fn with_summaries(entries: &[(&str, &str)]) -> String {
    let line = |(name, summary): &(&str, &str)| format!("\n  {name}: {summary}");
    entries.iter().map(line).collect()
}

/// Adds the flag of an option, or extends the help of a flag that exists.
fn add(
    flags: &mut Vec<Flag>,
    prefix: &str,
    table: &str,
    heading: &'static str,
    owner: &str,
    option: &OptionSpec,
) {
    let key = format!("{table}.{}", option.name);
    let text = format!(": {} [default: {}]", option.help, option.default);
    match flags.iter_mut().find(|flag| flag.key == key) {
        Some(flag) => match flag.help.strip_suffix(&text) {
            Some(owners) => flag.help = format!("{owners}, {owner}{text}"),
            None => flag.help += &format!("; {owner}{text}"),
        },
        None => flags.push(Flag {
            name: format!("{prefix}{}", option.name.replace('_', "-")),
            key,
            value: option.takes.form(),
            help: format!("{owner}{text}"),
            long_help: None,
            heading,
        }),
    }
}

const SET: &str = "set";
const AUGMENT: &str = "augment";
const NO_AUGMENT: &str = "no-augment";

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let command = flags().into_iter().fold(command, |command, flag| {
            let long_help = flag.long_help.unwrap_or_else(|| flag.help.clone());
            command.arg(
                Arg::new(flag.name.clone())
                    .long(flag.name)
                    .value_name(flag.value)
                    .allow_negative_numbers(true)
                    .help(flag.help)
                    .long_help(long_help)
                    .help_heading(flag.heading),
            )
        });
        let all: Vec<(&str, &str)> = augment::ALL.iter().map(|a| (a.name, a.summary)).collect();
        let list = |name: &'static str, help: String| {
            Arg::new(name)
                .long(name)
                .value_name("NAME,…")
                .value_delimiter(',')
                .value_parser(move |text: &str| augmentations(text, name == NO_AUGMENT))
                .help(help)
                .help_heading("Augmentation")
        };
        command
            .arg(
                list(AUGMENT, format!("Augmentations to turn on: {}", names(&all)))
                    .long_help(format!("Augmentations to turn on:{}", with_summaries(&all))),
            )
            .arg(list(NO_AUGMENT, "Augmentations to turn off, or all".into()))
            .arg(
                Arg::new(SET)
                    .long(SET)
                    .value_name("KEY=VALUE")
                    .action(ArgAction::Append)
                    .value_parser(assignment)
                    .help(
                        "Any value of the configuration, such as augment.random_resized_crop.scale=[0.4,1]",
                    )
                    .help_heading(TRAINING),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in flags() {
            if let Some(value) = matches.get_one::<String>(&flag.name) {
                self.values.push((flag.key, value.clone()));
            }
        }
        for (flag, on) in [(NO_AUGMENT, false), (AUGMENT, true)] {
            let chosen = matches
                .get_many::<Vec<&str>>(flag)
                .into_iter()
                .flatten()
                .flatten();
            let value = |name| (format!("augment.{name}"), on.to_string());
            self.values.extend(chosen.map(value));
        }
        let set = matches.get_many::<(String, String)>(SET);
        self.values.extend(set.into_iter().flatten().cloned());
        Ok(())
    }
}

/// Parses the name of an augmentation; `all` names every one if `takes_all`.
fn augmentations(text: &str, takes_all: bool) -> Result<Vec<&'static str>, String> {
    let name = text.replace('-', "_");
    let every = takes_all && name == "all";
    let all = augment::ALL.iter().map(|augmentation| augmentation.name);
    let chosen: Vec<&str> = all.clone().filter(|&one| every || one == name).collect();
    match chosen.is_empty() {
        true => Err(format!(
            "must be one of {}",
            all.collect::<Vec<_>>().join(", ")
        )),
        false => Ok(chosen),
    }
}

/// Parses `KEY=VALUE`.
fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text
        .split_once('=')
        .ok_or("must be KEY=VALUE, such as optimiser.momentum=0.9")?;
    Ok((key.trim().into(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm::training::{Config, PRESETS};

    fn parse(line: &str) -> Result<Vec<(String, String)>, clap::Error> {
        let command = SettingFlags::augment_args(Command::new("train"));
        let matches = command.try_get_matches_from(line.split(' '))?;
        Ok(SettingFlags::from_arg_matches(&matches)?.values)
    }

    /// Paths of all values in a configuration, without those of augmentations.
    fn keys(prefix: &str, value: &toml::Table, all: &mut Vec<String>) {
        for (name, value) in value {
            match value.as_table() {
                Some(table) if name != "augment" => keys(&format!("{name}."), table, all),
                Some(_) => {}
                None => all.push(format!("{prefix}{name}")),
            }
        }
    }

    #[test]
    fn every_value_of_every_preset_has_a_flag() {
        let flags = flags();
        for preset in PRESETS {
            let data = [("data".to_owned(), "flowers".to_owned())];
            let config = Config::resolve(Some(preset.name), None, &data).unwrap();
            let mut all = Vec::new();
            keys("", &config.to_toml().parse().unwrap(), &mut all);
            assert!(all.len() > 15);
            for key in all.iter().filter(|key| *key != "data") {
                assert!(flags.iter().any(|flag| flag.key == *key), "{key}");
            }
        }
    }

    #[test]
    fn flags_become_values_of_the_configuration() {
        let values = parse("train --learning-rate 1e-3 --weight-decay 0 --schedule-warm-up 0.2");
        let expected = [
            ("optimiser.learning_rate", "1e-3"),
            ("optimiser.weight_decay", "0"),
            ("schedule.warm_up", "0.2"),
        ];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(values.unwrap(), expected);
    }

    #[test]
    fn augmentations_are_turned_on_and_off_by_name() {
        let values = parse("train --no-augment all --augment rotation,colour-jitter").unwrap();
        let on: Vec<&str> = values
            .iter()
            .filter(|(_, on)| on == "true")
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(on, ["augment.rotation", "augment.colour_jitter"]);
        assert_eq!(values.len(), augment::ALL.len() + 2);
        let error = parse("train --augment zoom").unwrap_err().to_string();
        assert!(
            error.contains("zoom") && error.contains("rotation"),
            "{error}"
        );
    }
}
