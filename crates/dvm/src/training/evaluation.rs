//! Evaluating a network on labelled pictures.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dvm_data::{Dataset, Loader, LoaderOptions, OnBroken, Sample, Split};
use dvm_engine::Output;
use dvm_image::encode_png;
use dvm_train::metrics::{Bootstrap, predictions};
use dvm_train::{EpochRecord, Evaluation, LabelledLogits, labelled_logits};

use super::report::{self, MAPS, Report, WrongPicture};
use crate::survey::{Survey, SurveyEvent, SurveyOptions, SurveyPicture, is_of_picture};
use crate::{Caption, ClassChoice, Classifier, Error, Explain, Explanation, Source};

/// The results of a network on the pictures of a split.
pub struct Evaluated {
    /// The metrics.
    pub evaluation: Evaluation,
    /// What the network's outputs are.
    pub output: Output,
    /// The outputs for each picture.
    pub answers: LabelledLogits,
    /// The pictures, in the order of their positions in `answers`.
    pub samples: Vec<Sample>,
}

/// Pictures per forward pass on the CPU. Results do not depend on it, except for rounding in fast arithmetic.
const BATCH: usize = 16;

impl Classifier {
    /// Evaluates the network on a split. With `bootstrap`, adds confidence intervals. Calls `done` with the number
    /// of finished pictures.
    ///
    /// # Errors
    /// [`Error::Usage`] if the split has no pictures, or classes that the network does not have;
    /// [`Error::Data`] for a picture that cannot be read, unless such pictures are skipped.
    pub fn evaluate(
        &self,
        data: &Dataset,
        split: Split,
        bootstrap: Option<&Bootstrap>,
        on_broken: OnBroken,
        done: impl FnMut(usize),
    ) -> Result<Evaluated, Error> {
        let samples = self.labelled(data, split)?;
        let loading = LoaderOptions {
            on_broken,
            limits: self.reading().limits,
            ..LoaderOptions::validation(self.preprocess().clone(), self.evaluated_batch()?)
        };
        let loader = Loader::new(Arc::from(&samples[..]), loading)?;
        let answers = labelled_logits(self.network(), loader.epoch(0, 0), done)?;
        if answers.is_empty() {
            return Err(Error::Usage(format!(
                "{}: none of the pictures can be read",
                data.folder.display()
            )));
        }
        let names = self.classes();
        let output = self.network().output();
        let (numbers, labels) = (answers.logits(), &answers.classes);
        let evaluation = Evaluation::new(&numbers, labels, output, names, bootstrap)?;
        Ok(Evaluated {
            evaluation,
            output,
            answers,
            samples,
        })
    }

    /// Pictures per forward pass of an evaluation.
    fn evaluated_batch(&self) -> Result<usize, Error> {
        let Some(device) = self.network().device() else {
            return Ok(BATCH);
        };
        let (height, width) = self.preprocess().crop;
        let input = [1, self.preprocess().channels.count(), height, width];
        let bytes = self.network().fused().peak_values(&input)? * size_of::<f32>();
        let room = device.memory() / bytes.max(1);
        Ok(room.clamp(1, device.largest_batch().max(1)))
    }

    /// Names the classes after those of the data, if the network's file has no names and the data has the same
    /// number of classes. The order is alphabetical, as in training scripts. Also returns this assumption as a
    /// sentence.
    ///
    /// # Errors
    /// [`Error::Usage`] if the network has no class names and another number of classes than the data.
    pub fn with_classes_of(self, data: &Dataset) -> Result<(Self, Option<String>), Error> {
        let is_known = |name: &String| self.classes().contains(name);
        let nameless = self.classes().iter().enumerate();
        let mut nameless = nameless.map(|(index, name)| *name == format!("class {index}"));
        if !nameless.all(|is_nameless| is_nameless) || data.classes.iter().all(is_known) {
            return Ok((self, None));
        }
        let (own, found) = (self.classes().len(), data.classes.len());
        if own != found {
            return Err(Error::Usage(format!(
                "{} has {own} classes without names, but {} has {found} classes; give the names of the network's \
                 classes in the order of its outputs",
                self.weights_file(),
                data.folder.display()
            )));
        }
        let assumed = format!(
            "{} has no class names; dvm assumes that its {own} classes are those of {} in alphabetical order: {}",
            self.weights_file(),
            data.folder.display(),
            shortened(&data.classes)
        );
        Ok((self.with_classes(data.classes.clone())?, Some(assumed)))
    }

    /// The samples of a split with the class indices of the network.
    pub(crate) fn labelled(&self, data: &Dataset, split: Split) -> Result<Vec<Sample>, Error> {
        let own = |name: &String| {
            let mut names = self.classes().iter();
            names.position(|known| known == name).ok_or_else(|| {
                Error::Usage(format!(
                    "{}: the network has no class `{name}`; its classes are {}",
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
                "{}: there are no pictures in the split `{}`",
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

/// The maximum number of wrong predictions in a report.
const SHOWN: usize = 12;

/// The maximum number of pictures of a class in the survey of a report.
const MOST_OF_CLASS: usize = 24;

/// The maximum number of pictures in the survey of a report.
const MOST_SURVEYED: usize = 240;

/// The minimum number of pictures of a class in the survey of a report: data sets with many classes have no survey.
const FEWEST_OF_CLASS: usize = 5;

/// The prediction for one labelled picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PicturePrediction<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Name of its true class.
    pub class: &'a str,
    /// Name of the predicted class.
    pub predicted: &'a str,
    /// Probability of that class, 0 … 1.
    pub probability: f64,
}

impl PicturePrediction<'_> {
    /// Whether the prediction is right.
    pub fn is_right(&self) -> bool {
        self.class == self.predicted
    }
}

/// Called for each explained wrong prediction: its number, from 0, the picture, and the explanation of the predicted
/// class.
pub type OnWrong<'a> = dyn FnMut(usize, &mut WrongPicture, &Explanation) -> Result<(), Error> + 'a;

/// The maps of an evaluated network.
pub struct ReportMaps {
    /// The most confident wrong predictions, worst first.
    pub most_wrong: Vec<WrongPicture>,
    /// The survey, if it was possible.
    pub survey: Option<Survey>,
}

impl Evaluated {
    /// Writes a report into `folder`: figures, tables, the maps of the most confident wrong predictions of
    /// `classifier`, which was evaluated, and a small survey, which is returned. The folder appears complete or not
    /// at all, and replaces an earlier report. `drawn` is called with the number of drawn maps and of all maps,
    /// `wrong` with each explained picture.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder contains other files, [`Error::Save`], and those of `wrong`.
    pub fn report(
        &self,
        classifier: &Classifier,
        title: &str,
        records: &[EpochRecord],
        folder: &Path,
        drawn: &mut dyn FnMut(usize, usize),
        wrong: &mut OnWrong,
    ) -> Result<Option<Survey>, Error> {
        let results = report::begin(folder)?;
        let looked = self.look(classifier, drawn, &mut |index, picture, explanation| {
            let name = Path::new(MAPS).join(format!("{:02}.png", index + 1));
            results.write(&name, &encode_png(&explanation.overlay_figure()))?;
            picture.figure = Some(name);
            wrong(index, picture, explanation)
        })?;
        Report {
            title,
            records,
            evaluation: &self.evaluation,
            most_wrong: &looked.most_wrong,
            survey: looked.survey.as_ref(),
            device: classifier.device(),
        }
        .write_into(&results)?;
        results.publish()?;
        Ok(looked.survey)
    }

    /// The maps of a report, without writing a report.
    ///
    /// # Errors
    /// Errors of the network, and those of `wrong`.
    pub fn look(
        &self,
        classifier: &Classifier,
        drawn: &mut dyn FnMut(usize, usize),
        wrong: &mut OnWrong,
    ) -> Result<ReportMaps, Error> {
        let mut most_wrong = self.most_wrong(classifier.classes())?;
        let surveyed = self.surveyed();
        let total = most_wrong.len() + surveyed.len();
        for (index, picture) in most_wrong.iter_mut().enumerate() {
            drawn(index, total);
            let pixels = match dvm_image::read_as(&picture.path, &classifier.reading()) {
                Ok(pixels) => pixels,
                // The file was readable before; the report is still valid without these maps.
                Err(_) => continue,
            };
            // Explains the predicted class.
            let mut options = Explain::fitting(classifier.preprocess().crop);
            options.classes = vec![ClassChoice::Named(picture.predicted.clone())];
            let explanation = classifier.explain(pixels, &options)?.swap_remove(0);
            let caption = Caption::labelled(&picture.path, &picture.class);
            wrong(index, picture, &explanation.with_caption(caption))?;
        }
        let survey = Self::survey(classifier, &surveyed, &mut |done| {
            drawn(most_wrong.len() + done, total);
        })?;
        drawn(total, total);
        Ok(ReportMaps { most_wrong, survey })
    }

    /// The predictions for all pictures, in order; `names` are those of the network's classes.
    ///
    /// # Errors
    /// [`Error::Training`] if the outputs are not of the kind of [`Evaluated::output`].
    pub fn predictions<'a>(
        &'a self,
        names: &'a [String],
    ) -> Result<Vec<PicturePrediction<'a>>, Error> {
        let predictions = predictions(&self.answers.logits(), &self.answers.classes, self.output)?;
        let both = predictions.iter().zip(&self.answers.samples);
        let predictions = both.map(|(prediction, &sample)| PicturePrediction {
            path: &self.samples[sample].path,
            class: &names[prediction.class],
            predicted: &names[prediction.predicted],
            probability: prediction.confidence,
        });
        Ok(predictions.collect())
    }

    /// The pictures for the survey of a report: up to [`MOST_OF_CLASS`] of each class and [`MOST_SURVEYED`] in all,
    /// spread evenly; none if that is too few for a class.
    fn surveyed(&self) -> Vec<SurveyPicture> {
        let mut of_class: BTreeMap<usize, Vec<&Sample>> = BTreeMap::new();
        for &position in &self.answers.samples {
            let sample = &self.samples[position];
            of_class.entry(sample.class).or_default().push(sample);
        }
        let most = (MOST_SURVEYED / of_class.len().max(1)).min(MOST_OF_CLASS);
        if most < FEWEST_OF_CLASS {
            return Vec::new();
        }
        let chosen = of_class.values().flat_map(|samples| {
            let count = samples.len().min(most);
            (0..count).map(move |index| samples[index * samples.len() / count])
        });
        let picture = |sample: &Sample| SurveyPicture {
            source: Source::File(sample.path.clone()),
            label: Some(sample.class),
        };
        chosen.map(picture).collect()
    }

    /// The survey of these pictures; `None` if there are none, or if the default method cannot explain the network.
    fn survey(
        classifier: &Classifier,
        pictures: &[SurveyPicture],
        done: &mut dyn FnMut(usize),
    ) -> Result<Option<Survey>, Error> {
        if pictures.is_empty() {
            return Ok(None);
        }
        let options = SurveyOptions {
            limit: None,
            ..SurveyOptions::default()
        };
        let mut tell = |event: SurveyEvent| {
            if let SurveyEvent::Progress {
                step: "maps",
                done: maps,
                ..
            } = event
            {
                done(maps);
            }
        };
        match classifier.survey(pictures, &options, &mut tell) {
            Ok(survey) => Ok(Some(survey)),
            // The report is still valid without the survey.
            Err(Error::Method { .. }) => Ok(None),
            Err(error) if is_of_picture(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The wrong predictions, the most confident first.
    fn most_wrong(&self, names: &[String]) -> Result<Vec<WrongPicture>, Error> {
        let predictions = self.predictions(names)?.into_iter();
        let mut wrong: Vec<PicturePrediction> = predictions.filter(|one| !one.is_right()).collect();
        wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        wrong.truncate(SHOWN);
        let picture = |one: PicturePrediction| WrongPicture {
            path: one.path.to_owned(),
            class: one.class.to_owned(),
            predicted: one.predicted.to_owned(),
            probability: one.probability,
            figure: None,
        };
        Ok(wrong.into_iter().map(picture).collect())
    }
}
