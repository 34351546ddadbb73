//! Flags of `dvm train`, one for each value of its configuration: options of optimisers, schedules
//! and augmentations come from their registries, none of them is written down here.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use dvm::data::augment;
use dvm::training::{OptionSpec, optimisers, schedules};

/// Values of the configuration that were given as flags: (`optimiser.momentum`, `0.9`).
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
const LEARNING: &str = "Learning";
const WATCHING: &str = "TensorBoard";

const PLAIN: &[Plain] = &[
    (
        "model",
        "model",
        "NAME",
        "A network by name, see `dvm models list`",
        NETWORK,
    ),
    (
        "weights",
        "weights",
        "pretrained|none|FILE",
        "Where its weights begin: published ones that come with the program or were fetched, none at all, \
         or a file",
        NETWORK,
    ),
    (
        "train",
        "train",
        "all|head|last-stage",
        "Which layers learn; for `head`, features are computed once unless pictures are augmented",
        NETWORK,
    ),
    (
        "epochs",
        "epochs",
        "N",
        "How often every training picture is seen",
        LEARNING,
    ),
    ("batch", "batch", "N", "Pictures per forward pass", LEARNING),
    (
        "accumulate",
        "accumulate",
        "N",
        "Forward passes per step of the optimiser",
        LEARNING,
    ),
    (
        "seed",
        "seed",
        "N",
        "Where all random numbers begin",
        LEARNING,
    ),
    (
        "label-smoothing",
        "label_smoothing",
        "SHARE",
        "Share of the target that is spread over all classes, 0 to below 1",
        LEARNING,
    ),
    (
        "class-weights",
        "class_weights",
        "none|balanced|LIST",
        "How much classes count: as often as they come, all alike, or [1, 2.5, …]",
        LEARNING,
    ),
    (
        "clip",
        "clip",
        "NORM",
        "Largest norm of all gradients together; 0 for no limit",
        LEARNING,
    ),
    (
        "ema",
        "ema",
        "DECAY",
        "Decay of a moving average of the weights, which is then what is validated and kept; 0 for none",
        LEARNING,
    ),
    (
        "mixup",
        "mixup",
        "ALPHA",
        "Mix pictures by shares of a beta distribution (arXiv 1710.09412); 0 for none",
        LEARNING,
    ),
    (
        "train-side",
        "train_side",
        "PIXELS",
        "Rows and columns of the random crops that are trained on; 0 for those that are used",
        LEARNING,
    ),
    (
        "best-by",
        "best_by",
        "accuracy|balanced_accuracy|loss",
        "What of validation makes an epoch the best",
        LEARNING,
    ),
    (
        "patience",
        "patience",
        "EPOCHS",
        "Epochs without a better one after which training stops; 0 for never",
        LEARNING,
    ),
    (
        "range",
        "range",
        "file|auto|percentile|LOW..HIGH",
        "Which values of picture files become black and white, such as 0..4095 for 12 bits in 16",
        NETWORK,
    ),
    (
        "max-pixels",
        "max_pixels",
        "N",
        "Most pixels of a picture [default: 268435456]; reading it takes up to 9 bytes for each",
        NETWORK,
    ),
    (
        "on-broken",
        "on_broken",
        "fail|skip",
        "What happens when a picture cannot be read",
        LEARNING,
    ),
    ("optimiser", "optimiser.name", "NAME", "", LEARNING),
    (
        "learning-rate",
        "optimiser.learning_rate",
        "RATE",
        "The learning rate that the schedule takes its shares of",
        LEARNING,
    ),
    ("schedule", "schedule.name", "NAME", "", LEARNING),
    (
        "tensorboard-names",
        "tensorboard.names",
        "dvm|seed",
        "Names of the scalars; `seed` for train_epoch_loss and the like",
        WATCHING,
    ),
    (
        "images-every",
        "tensorboard.images_every",
        "EPOCHS",
        "Epochs from one set of pictures with their maps to the next; 0 for none",
        WATCHING,
    ),
    (
        "images",
        "tensorboard.images",
        "N",
        "How many validation pictures are followed",
        WATCHING,
    ),
];

/// Every flag, in the order of help.
fn flags() -> Vec<Flag> {
    let mut flags: Vec<Flag> = PLAIN
        .iter()
        .map(|&(name, key, value, help, heading)| Flag {
            name: name.into(),
            key: key.into(),
            value: value.into(),
            help: match name {
                "optimiser" => listed(optimisers::ALL.iter().map(|e| (e.name, e.summary))),
                "schedule" => listed(schedules::ALL.iter().map(|e| (e.name, e.summary))),
                _ => help.into(),
            },
            heading,
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

fn listed<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let entries: Vec<String> = entries
        .map(|(name, what)| format!("`{name}` ({what})"))
        .collect();
    entries.join(", ")
}

/// Adds the flag of an option, or the owner's name to a flag that is there already.
fn add(
    flags: &mut Vec<Flag>,
    prefix: &str,
    table: &str,
    heading: &'static str,
    owner: &str,
    option: &OptionSpec,
) {
    let key = format!("{table}.{}", option.name);
    let help = format!("{owner}: {} [default: {}]", option.help, option.default);
    match flags.iter_mut().find(|flag| flag.key == key) {
        Some(flag) => flag.help += &format!("; {help}"),
        None => flags.push(Flag {
            name: format!("{prefix}{}", option.name.replace('_', "-")),
            key,
            value: option.takes.form(),
            help,
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
            command.arg(
                Arg::new(flag.name.clone())
                    .long(flag.name)
                    .value_name(flag.value)
                    .allow_negative_numbers(true)
                    .help(flag.help)
                    .help_heading(flag.heading),
            )
        });
        let all = augment::ALL.iter().map(|a| (a.name, a.summary));
        let list = |name: &'static str, help: String| {
            Arg::new(name)
                .long(name)
                .value_name("NAME,…")
                .value_delimiter(',')
                .help(help)
                .help_heading("Augmentation")
        };
        command
            .arg(list(AUGMENT, format!("Turn on: {}", listed(all))))
            .arg(list(NO_AUGMENT, "Turn off; `all` for every one".into()))
            .arg(
                Arg::new(SET)
                    .long(SET)
                    .value_name("KEY=VALUE")
                    .action(ArgAction::Append)
                    .help(
                        "Any value of the configuration file, such as \
                         augment.random_resized_crop.scale=[0.4,1]",
                    )
                    .help_heading("Augmentation"),
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
        let wrong = |text: String| clap::Error::raw(clap::error::ErrorKind::InvalidValue, text);
        for flag in flags() {
            if let Some(value) = matches.get_one::<String>(&flag.name) {
                self.values.push((flag.key, value.clone()));
            }
        }
        for (flag, on) in [(NO_AUGMENT, false), (AUGMENT, true)] {
            for name in matches.get_many::<String>(flag).into_iter().flatten() {
                let name = name.replace('-', "_");
                let every = name == "all" && !on;
                let chosen = augment::ALL.iter().filter(|a| every || a.name == name);
                let before = self.values.len();
                self.values
                    .extend(chosen.map(|a| (format!("augment.{}", a.name), on.to_string())));
                if self.values.len() == before {
                    let known: Vec<&str> = augment::ALL.iter().map(|a| a.name).collect();
                    return Err(wrong(format!(
                        "there is no augmentation `{name}`; there are {}\n",
                        known.join(", ")
                    )));
                }
            }
        }
        for pair in matches.get_many::<String>(SET).into_iter().flatten() {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong(format!("--set takes KEY=VALUE, not `{pair}`\n")))?;
            self.values.push((key.trim().into(), value.trim().into()));
        }
        Ok(())
    }
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

    /// Paths of all values in a configuration, tables of augmentations as one.
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
