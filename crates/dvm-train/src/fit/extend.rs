//! More epochs for a run.

use crate::checkpoint::Checkpoint;
use crate::{Config, Error, RunFolder, schedules};

/// Plans `epochs` epochs for the run in this folder, all of them together, and writes that down; the
/// run can then be resumed. A schedule that depends on the number of epochs begins again and covers
/// those that are left. Where patience ended the run, it waits for its patience again.
///
/// # Errors
/// [`Error::Run`] if so many epochs are done already, or patience ended the run and the number is the
/// one that was planned; [`Error::Checkpoint`], [`Error::File`].
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
            "has {done} epochs already, and the number of epochs is the new total: give {} or more",
            done + 1
        )));
    }
    if epochs == config.epochs {
        let ended = position.and_then(|position| position.ended_at);
        if ended == Some(epochs) {
            return Err(refuse(format!(
                "ended after epoch {done} because no epoch was better for {}; to train further, give \
                 another number of epochs than {epochs}",
                config.patience
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

    fn run(schedule: &str, position: Option<Position>) -> (tempfile::TempDir, RunFolder, Config) {
        let folder = tempfile::tempdir().unwrap();
        let values = [
            ("data", "flowers"),
            ("epochs", "5"),
            ("schedule.name", schedule),
        ];
        let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
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
    fn a_schedule_that_plans_ahead_begins_again_and_others_go_on() {
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
    fn a_run_that_has_not_begun_is_only_longer() {
        let (_home, folder, mut config) = run("one_cycle", None);
        extend(&folder, &mut config, 8).unwrap();
        assert_eq!((config.epochs, config.schedule_from), (8, 0));
    }

    #[test]
    fn fewer_epochs_than_are_done_are_refused() {
        let (_home, folder, mut config) = run("one_cycle", at(5));
        for epochs in [1, 5] {
            let error = extend(&folder, &mut config, epochs)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("5 epochs already") && error.contains("give 6"),
                "{error}"
            );
        }
        assert_eq!(config.epochs, 5);
    }

    #[test]
    fn a_run_that_patience_ended_needs_another_number() {
        let ended = Position {
            epoch: 2,
            ended_at: Some(5),
            ..Position::default()
        };
        let (_home, folder, mut config) = run("constant", Some(ended));
        let error = extend(&folder, &mut config, 5).unwrap_err().to_string();
        assert!(error.contains("ended after epoch 2"), "{error}");
        extend(&folder, &mut config, 4).unwrap();
        assert_eq!(config.epochs, 4);
    }
}
