//! Pictures of a run for TensorBoard: maps and the confusion matrix of each epoch.

use dvm_data::{Dataset, Sample, Split};
use dvm_engine::Network;
use dvm_image::{Picture, encode_png};
use dvm_train::fit::Watcher;
use dvm_train::tensorboard::{Events, now};
use dvm_train::{Config, Evaluation, Phase, TrainingEvent};
use dvm_zoo::Pretrained;

use super::report::confusion_page;
use crate::{Caption, ClassChoice, Classifier, Error, Explain};

/// Passes on events, and draws maps of validation samples every few epochs.
pub(super) struct EpochMaps<'a> {
    pub config: &'a Config,
    pub data: &'a Dataset,
    /// The network at the start: its architecture, classes and preprocessing.
    pub begun: &'a Pretrained,
    pub tell: &'a mut dyn FnMut(&TrainingEvent),
    pub stops: &'a dyn Fn() -> bool,
}

impl Watcher for EpochMaps<'_> {
    fn event(&mut self, event: &TrainingEvent) {
        (self.tell)(event);
    }

    fn epoch(
        &mut self,
        epoch: u64,
        network: &Network,
        evaluation: Option<&Evaluation>,
        events: &mut Events,
    ) -> std::io::Result<()> {
        if !self.config.draws_maps(epoch) {
            return Ok(());
        }
        if let Some(evaluation) = evaluation {
            let drawn = confusion_page(evaluation).picture();
            show(events, "confusion", epoch, &drawn)?;
        }
        let followed = followed(self.data, self.config.tensorboard.images);
        if followed.is_empty() {
            return Ok(());
        }
        let classifier = self.classifier(network);
        let total = followed.len();
        for (done, sample) in followed.into_iter().enumerate() {
            self.drawn(done, total);
            if (self.stops)() {
                let left = TrainingEvent::Message(
                    "stopped before all maps of the epoch were drawn".into(),
                );
                (self.tell)(&left);
                return Ok(());
            }
            let class = &self.data.classes[sample.class];
            let name = sample
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            match looked_at(&classifier, sample, class) {
                Ok(picture) => show(events, &format!("{class}/{name}"), epoch, &picture)?,
                // Training continues without a map that cannot be drawn.
                Err(error) => {
                    (self.tell)(&TrainingEvent::Message(format!(
                        "a map was not drawn: {error}"
                    )));
                }
            }
        }
        self.drawn(total, total);
        Ok(())
    }

    fn stops(&self) -> bool {
        (self.stops)()
    }
}

impl EpochMaps<'_> {
    fn drawn(&mut self, done: usize, total: usize) {
        (self.tell)(&TrainingEvent::Phase {
            phase: Phase::Maps,
            done,
            total,
        });
    }

    fn classifier(&self, network: &Network) -> Classifier {
        let begun = self.begun;
        Classifier::of(Pretrained {
            origin: begun.origin.clone(),
            network: Network::new(network.whole().clone()).with_output(network.output()),
            told_output: Some(network.output()),
            classes: begun.classes.clone(),
            preprocess: begun.preprocess.clone(),
            file: "training".into(),
            sha256: String::new(),
            source: None,
            licence: None,
            part: None,
            remarks: begun.remarks.clone(),
        })
    }
}

/// The validation pictures whose maps are drawn, taken from all classes in turn.
fn followed(data: &Dataset, count: usize) -> Vec<&Sample> {
    let samples = data.samples(Split::Val);
    let of = |class| samples.iter().filter(move |sample| sample.class == class);
    let mut classes: Vec<_> = (0..data.classes.len()).map(of).collect();
    let mut followed = Vec::new();
    let count = count.min(samples.len());
    while followed.len() < count {
        let missing = count - followed.len();
        followed.extend(classes.iter_mut().filter_map(Iterator::next).take(missing));
    }
    followed
}

/// Overlays of the default methods for the true class.
fn looked_at(classifier: &Classifier, sample: &Sample, class: &str) -> Result<Picture, Error> {
    let picture = dvm_image::read_as(&sample.path, &classifier.reading())?;
    let mut options = Explain::fitting(classifier.preprocess().crop);
    options.classes = vec![ClassChoice::Named(class.to_owned())];
    let explanation = classifier.explain(picture, &options)?.swap_remove(0);
    let caption = Caption::labelled(&sample.path, class);
    Ok(explanation.with_caption(caption).overlay_figure())
}

fn show(events: &mut Events, tag: &str, epoch: u64, picture: &Picture) -> std::io::Result<()> {
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    events.image(tag, epoch, now(), &encode_png(picture), width, height)
}
