//! Extends a run by more epochs.

use crate::checkpoint::Checkpoint;
use crate::{Config, Error, RunFolder, schedules};

/// Sets the total number of epochs of the run in this folder and saves the configuration. The run
/// can then be resumed. A schedule that depends on the number of epochs starts again and covers the
/// remaining ones. If early stopping ended the run, its patience starts again.
///
/// # Errors
/// [`Error::Run`] if that many epochs are completed already, or if early stopping ended the run and
/// the number does not change; [`Error::Checkpoint`], [`Error::File`].
pub fn extend(folder: &RunFolder, config: &mut Config, epochs: u64) -> Result<(), Error> {
    let refuse = |detail: String| Error::Run {
        folder: folder.path().into(),
        detail,
    };
    let last = folder.last_path();
    let position = match last.exists() {
        true => Some(Checkpoint::read(&last)?.position),
        false => None,
    };
    let done = position.as_ref().map_or(0, |position| position.epoch);
    if epochs <= done {
        return Err(refuse(format!(
            "the run has {done} epochs already. The number of epochs is the new total: give at least {}",
            done + 1
        )));
    }
    if epochs == config.epochs {
        let ended = position.and_then(|position| position.ended_at);
        if ended == Some(epochs) {
            return Err(refuse(format!(
                "the run stopped early after epoch {done}: no improvement for {}. To continue, \
                 give a number of epochs other than {epochs}",
                config.patience_in_words()
            )));
        }
        return Ok(());
    }
    config.epochs = epochs;
    if schedules::find(&config.schedule.name)?.plans_ahead {
        config.schedule_from = done;
    }
    folder.write(&folder.config_path(), config.to_toml().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Existing;
    use crate::checkpoint::Position;
    use crate::config::of_flowers;

    fn run(schedule: &str, position: Option<Position>) -> (tempfile::TempDir, RunFolder, Config) {
        let folder = tempfile::tempdir().unwrap();
        let values = of_flowers(&[("epochs", "5"), ("schedule.name", schedule)]);
        let config = Config::resolve(None, None, &values).unwrap();
        let run = RunFolder::create(folder.path(), &config, Existing::Kept).unwrap();
        if let Some(position) = position {
            let checkpoint = Checkpoint {
                position,
                weights: BTreeMap::from([("w".into(), dvm_engine::Tensor::zeros(&[1]))]),
                state: BTreeMap::new(),
            };
            let bytes = checkpoint.to_bytes(&BTreeMap::new());
            std::fs::write(run.last_path(), bytes).unwrap();
        }
        (folder, run, config)
    }

    fn at(epoch: u64) -> Option<Position> {
        Some(Position {
            epoch,
            ..Position::default()
        })
    }

    #[test]
    fn a_schedule_that_depends_on_the_number_of_epochs_starts_again() {
        for (schedule, from) in [("one_cycle", 5), ("cosine", 5), ("step", 0), ("plateau", 0)] {
            let (_home, folder, mut config) = run(schedule, at(5));
            extend(&folder, &mut config, 8).unwrap();
            assert_eq!(
                (config.epochs, config.schedule_from),
                (8, from),
                "{schedule}"
            );
            let kept = std::fs::read_to_string(folder.config_path()).unwrap();
            assert_eq!(Config::from_toml(&kept).unwrap(), config);
        }
    }

    #[test]
    fn a_run_without_a_completed_epoch_keeps_its_schedule() {
        let (_home, folder, mut config) = run("one_cycle", None);
        extend(&folder, &mut config, 8).unwrap();
        assert_eq!((config.epochs, config.schedule_from), (8, 0));
    }

    #[test]
    fn fewer_epochs_than_completed_are_an_error() {
        let (_home, folder, mut config) = run("one_cycle", at(5));
        for epochs in [1, 5] {
            let error = extend(&folder, &mut config, epochs)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("5 epochs already") && error.contains("at least 6"),
                "{error}"
            );
        }
        assert_eq!(config.epochs, 5);
    }

    #[test]
    fn a_run_that_stopped_early_needs_another_number_of_epochs() {
        let ended = Position {
            epoch: 2,
            ended_at: Some(5),
            ..Position::default()
        };
        let (_home, folder, mut config) = run("constant", Some(ended));
        let error = extend(&folder, &mut config, 5).unwrap_err().to_string();
        assert!(error.contains("stopped early after epoch 2"), "{error}");
        extend(&folder, &mut config, 4).unwrap();
        assert_eq!(config.epochs, 4);
    }
}
