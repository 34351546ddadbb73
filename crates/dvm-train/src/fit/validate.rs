//! Validation at the end of an epoch.

use std::cell::{Cell, RefCell};

use dvm_data::Batch;
use dvm_engine::{Network, Output};

use super::Watcher;
use super::run::{Run, say_skipped};
use super::supply::Supply;
use crate::progress::{Phase, TrainingEvent};
use crate::{Answers, Error, Evaluation, Targets, evaluate};

impl Run<'_> {
    /// What the network makes of the validation pictures: none inside if there are no such pictures,
    /// none at all if the watcher stopped it.
    pub(super) fn validate(
        &self,
        network: &Network,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Option<Evaluation>>, Error> {
        let Some(supply) = &self.validation else {
            return Ok(Some(None));
        };
        let total = supply.pictures();
        let watcher = RefCell::new(watcher);
        let stopped = Cell::new(false);
        let tell = |done: usize| {
            let mut watcher = watcher.borrow_mut();
            watcher.event(&TrainingEvent::Phase {
                phase: Phase::Validation,
                done,
                total,
            });
            stopped.set(watcher.stops() && done < total);
        };
        tell(0);
        let answers = match supply {
            Supply::Pictures(loader) => {
                let batches = loader.epoch(0, 0).take_while(|_| !stopped.get());
                evaluate::answers(network, batches, tell)?
            }
            Supply::Features { .. } => {
                let back = Network::new(self.learner.back_with(self.averages())?);
                let mut answers = Answers::default();
                let mix = |_: usize, batch: &mut Batch| Targets::Classes(batch.classes.clone());
                for given in supply.epoch(0, 0, None, &mix) {
                    if stopped.get() {
                        break;
                    }
                    let given = given?;
                    let Targets::Classes(classes) = &given.targets else {
                        unreachable!("nothing is mixed in validation");
                    };
                    if !given.samples.is_empty() {
                        let logits = back.fused().logits(&given.inputs)?;
                        answers.extend(&logits, classes, &given.samples);
                    }
                    tell(answers.len());
                }
                answers
            }
        };
        if stopped.get() {
            return Ok(None);
        }
        say_skipped(*watcher.borrow_mut(), &answers.skipped);
        if answers.is_empty() {
            return Ok(Some(None));
        }
        let (logits, names) = (answers.logits(), &self.task.data.classes);
        let evaluation = Evaluation::new(&logits, &answers.classes, Output::Logits, names, None)?;
        Ok(Some(Some(evaluation)))
    }
}
