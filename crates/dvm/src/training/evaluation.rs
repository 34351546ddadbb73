//! How good a network is on labelled pictures.

use std::sync::Arc;

use dvm_data::{Dataset, Loader, Loading, OnBroken, Sample, Split};
use dvm_train::metrics::Bootstrap;
use dvm_train::{Answers, Evaluation, answers};

use crate::{Classifier, Error};

/// How a network did on the pictures of a split.
pub struct Evaluated {
    /// Figures.
    pub evaluation: Evaluation,
    /// What was said of each picture.
    pub answers: Answers,
    /// The pictures, in the order of their positions in `answers`.
    pub samples: Vec<Sample>,
}

/// Pictures per forward pass: the results do not depend on it.
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

impl Evaluated {
    /// Positions in `answers` of the pictures that were taken for another class, the most certain of
    /// its mistake first.
    pub fn most_wrong(&self, count: usize) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let rows = self.answers.logits.chunks_exact(self.answers.outputs());
        for ((row, &class), &sample) in rows.zip(&self.answers.classes).zip(&self.answers.samples) {
            let probabilities = dvm_engine::ops::softmax::probabilities(row);
            let top = |best: usize, k: usize| if row[k] > row[best] { k } else { best };
            let predicted = (0..row.len()).fold(0, top);
            if predicted != class {
                mistakes.push(Mistake {
                    sample: self.samples[sample].clone(),
                    predicted,
                    probability: probabilities[predicted],
                });
            }
        }
        mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        mistakes.truncate(count);
        mistakes
    }
}

/// A picture that was taken for another class.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The picture with its true class, by the network's list.
    pub sample: Sample,
    /// The class it was taken for.
    pub predicted: usize,
    /// With which probability, 0 … 1.
    pub probability: f32,
}
