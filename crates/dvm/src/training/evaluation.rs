//! How good a network is on labelled pictures.

use std::path::Path;
use std::sync::Arc;

use dvm_data::{Dataset, Loader, Loading, OnBroken, Sample, Split};
use dvm_image::{Limits, encode_png};
use dvm_train::metrics::{Bootstrap, predictions};
use dvm_train::{Answers, EpochRecord, Evaluation, answers};

use super::report::{self, MAPS, Report, WrongPicture};
use crate::{ClassChoice, Classifier, Error, Explain};

/// How a network did on the pictures of a split.
pub struct Evaluated {
    /// Figures.
    pub evaluation: Evaluation,
    /// What was said of each picture.
    pub answers: Answers,
    /// The pictures, in the order of their positions in `answers`.
    pub samples: Vec<Sample>,
}

/// Pictures per forward pass; but for the last bits in fast arithmetic, results do not depend on it.
const BATCH: usize = 16;

impl Classifier {
    /// Evaluates the network on a split. `bootstrap` asks for confidence intervals; `done` is told
    /// how many pictures are through.
    ///
    /// # Errors
    /// [`Error::Usage`] if the split has no pictures, or classes that the network does not know;
    /// [`Error::Data`] for a picture that cannot be read, unless it is to be skipped.
    pub fn evaluate(
        &self,
        data: &Dataset,
        split: Split,
        bootstrap: Option<&Bootstrap>,
        on_broken: OnBroken,
        done: impl FnMut(usize),
    ) -> Result<Evaluated, Error> {
        let samples = self.labelled(data, split)?;
        let loading = Loading {
            on_broken,
            ..Loading::validation(self.preprocess().clone(), BATCH)
        };
        let loader = Loader::new(Arc::from(&samples[..]), loading)?;
        let answers = answers(self.network(), loader.epoch(0, 0), done)?;
        if answers.is_empty() {
            return Err(Error::Usage(format!(
                "{}: none of its pictures can be read",
                data.folder.display()
            )));
        }
        let names = self.classes();
        let evaluation = Evaluation::new(&answers.logits(), &answers.classes, names, bootstrap)?;
        Ok(Evaluated {
            evaluation,
            answers,
            samples,
        })
    }

    /// The samples of a split, their classes by the network's own list.
    fn labelled(&self, data: &Dataset, split: Split) -> Result<Vec<Sample>, Error> {
        let own = |name: &String| {
            let mut names = self.classes().iter();
            names.position(|known| known == name).ok_or_else(|| {
                Error::Usage(format!(
                    "{}: the network does not know the class `{name}`; it knows {}",
                    data.folder.display(),
                    shortened(self.classes())
                ))
            })
        };
        let classes: Vec<usize> = data.classes.iter().map(own).collect::<Result<_, _>>()?;
        let samples: Vec<Sample> = data
            .samples(split)
            .iter()
            .map(|sample| Sample {
                class: classes[sample.class],
                ..sample.clone()
            })
            .collect();
        if samples.is_empty() {
            return Err(Error::Usage(format!(
                "{}: has no pictures in `{}`",
                data.folder.display(),
                split.name()
            )));
        }
        Ok(samples)
    }
}

/// The first names of a list.
fn shortened(names: &[String]) -> String {
    let more = if names.len() > 10 { ", …" } else { "" };
    let first: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
    format!("`{}`{more}", first.join("`, `"))
}

/// How many of the most wrong pictures a report shows.
const SHOWN: usize = 12;

impl Evaluated {
    /// Writes a report into `folder`: figures, tables, and the maps of the pictures that `classifier`,
    /// which was evaluated, took for something else and was most sure of. The folder appears whole or
    /// not at all; a report that was in it is gone then.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder holds anything but a report, [`Error::Save`].
    pub fn report(
        &self,
        classifier: &Classifier,
        title: &str,
        records: &[EpochRecord],
        folder: &Path,
    ) -> Result<(), Error> {
        let mut most_wrong = self.most_wrong(classifier.classes())?;
        let results = report::begin(folder)?;
        for (index, wrong) in most_wrong.iter_mut().enumerate() {
            let picture = match dvm_image::read(&wrong.path, &Limits::default()) {
                Ok(picture) => picture,
                // It was read a moment ago: without its maps the report is still true.
                Err(_) => continue,
            };
            // Why it was taken for what it is not.
            let mut options = Explain::fitting(classifier.preprocess().crop);
            options.classes = vec![ClassChoice::Named(wrong.predicted.clone())];
            let figure = classifier.explain(picture, &options)?[0].overlay_figure();
            let name = Path::new(MAPS).join(format!("{:02}.png", index + 1));
            results.write(&name, &encode_png(&figure))?;
            wrong.figure = Some(name);
        }
        Report {
            title,
            records,
            evaluation: &self.evaluation,
            most_wrong: &most_wrong,
        }
        .write_into(&results)?;
        results.publish()
    }

    /// The pictures that were taken for another class, the most certain of its mistake first.
    fn most_wrong(&self, names: &[String]) -> Result<Vec<WrongPicture>, Error> {
        let predictions = predictions(&self.answers.logits(), &self.answers.classes)?;
        let both = predictions.iter().zip(&self.answers.samples);
        let mut wrong: Vec<WrongPicture> = both
            .filter(|(prediction, _)| !prediction.is_correct())
            .map(|(prediction, &sample)| WrongPicture {
                path: self.samples[sample].path.clone(),
                class: names[prediction.class].clone(),
                predicted: names[prediction.predicted].clone(),
                probability: prediction.confidence,
                figure: None,
            })
            .collect();
        wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        wrong.truncate(SHOWN);
        Ok(wrong)
    }
}
