//! Validation at the end of an epoch.

use std::cell::{Cell, RefCell};

use dvm_data::Batch;
use dvm_engine::{Network, Output};

use super::Watcher;
use super::inputs::Inputs;
use super::run::{Run, say_skipped};
use crate::progress::{Phase, TrainingEvent};
use crate::{Error, Evaluation, LabelledLogits, Targets, evaluate};

impl Run<'_> {
    /// Evaluates the network on the validation pictures. The inner option is `None` if there are no
    /// pictures, the outer one if the watcher stopped it.
    pub(super) fn validate(
        &self,
        network: &Network,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Option<Evaluation>>, Error> {
        let Some(inputs) = &self.validation else {
            return Ok(Some(None));
        };
        let total = inputs.pictures();
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
        let labelled_logits = match inputs {
            Inputs::Pictures(loader) => {
                let batches = loader.epoch(0, 0).take_while(|_| !stopped.get());
                evaluate::labelled_logits(network, batches, tell)?
            }
            Inputs::Features { .. } => {
                let back = Network::new(self.learner.back_with(self.averages())?);
                let mut labelled_logits = LabelledLogits::default();
                let mix = |_: usize, batch: &mut Batch| Targets::Classes(batch.classes.clone());
                for batch in inputs.epoch(0, 0, None, &mix) {
                    if stopped.get() {
                        break;
                    }
                    let batch = batch?;
                    let Targets::Classes(classes) = &batch.targets else {
                        unreachable!("validation has no mixup");
                    };
                    if !batch.samples.is_empty() {
                        let logits = back.fused().logits(&batch.inputs)?;
                        labelled_logits.extend(&logits, classes, &batch.samples);
                    }
                    tell(labelled_logits.len());
                }
                labelled_logits
            }
        };
        if stopped.get() {
            return Ok(None);
        }
        say_skipped(*watcher.borrow_mut(), &labelled_logits.skipped);
        if labelled_logits.is_empty() {
            return Ok(Some(None));
        }
        let (logits, names) = (labelled_logits.logits(), &self.task.data.classes);
        let evaluation = Evaluation::new(
            &logits,
            &labelled_logits.classes,
            Output::Logits,
            names,
            None,
        )?;
        Ok(Some(Some(evaluation)))
    }
}
