//! How good a network is on labelled pictures.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dvm_data::{Dataset, Loader, LoaderOptions, OnBroken, Sample, Split};
use dvm_engine::Output;
use dvm_image::encode_png;
use dvm_train::metrics::{Bootstrap, predictions};
use dvm_train::{Answers, EpochRecord, Evaluation, answers};

use super::report::{self, MAPS, Report, WrongPicture};
use crate::survey::{Survey, SurveyEvent, SurveyOptions, SurveyPicture, is_of_picture};
use crate::{Caption, ClassChoice, Classifier, Error, Explain, Explanation, Source};

/// How a network did on the pictures of a split.
pub struct Evaluated {
    /// Figures.
    pub evaluation: Evaluation,
    /// What the network's numbers mean.
    pub output: Output,
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
        let loading = LoaderOptions {
            on_broken,
            limits: self.reading().limits,
            ..LoaderOptions::validation(self.preprocess().clone(), BATCH)
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

    /// The network with names for its classes, if its file has none and the data has as many: in the order
    /// of the data's, which is alphabetical, as training scripts have them. Also what was assumed.
    ///
    /// # Errors
    /// [`Error::Usage`] if the network has more or fewer classes than the data, and no names for them.
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
                "{} has {own} classes without names, and {} has {found}; name the network's in the order of \
                 its outputs",
                self.weights_file(),
                data.folder.display()
            )));
        }
        let assumed = format!(
            "{} does not name its {own} classes; they are taken to be those of {} in alphabetical order: {}",
            self.weights_file(),
            data.folder.display(),
            shortened(&data.classes)
        );
        Ok((self.with_classes(data.classes.clone())?, Some(assumed)))
    }

    /// The samples of a split, their classes by the network's own list.
    pub(crate) fn labelled(&self, data: &Dataset, split: Split) -> Result<Vec<Sample>, Error> {
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

/// Pictures of a class that a report's survey looks at, at most.
const MOST_OF_CLASS: usize = 24;

/// Pictures that it looks at, at most.
const MOST_SURVEYED: usize = 240;

/// A mean of fewer pictures of a class is not worth drawing: data sets of many classes have no survey in
/// their reports.
const FEWEST_OF_CLASS: usize = 5;

/// What a network said of one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Name of its class.
    pub class: &'a str,
    /// Name of the class that it was taken for.
    pub predicted: &'a str,
    /// Probability of that class, 0 … 1.
    pub probability: f64,
}

impl Judged<'_> {
    /// Whether it was recognised.
    pub fn is_right(&self) -> bool {
        self.class == self.predicted
    }
}

/// Told of each picture that was taken for something else and is explained: its number, from 0, and why it was
/// taken for that.
pub type OnWrong<'a> = dyn FnMut(usize, &mut WrongPicture, &Explanation) -> Result<(), Error> + 'a;

/// Where an evaluated network looks.
pub struct Looked {
    /// The pictures of which it was wrong and most sure, worst first.
    pub most_wrong: Vec<WrongPicture>,
    /// Where it looks for each class, if that could be surveyed.
    pub survey: Option<Survey>,
}

impl Evaluated {
    /// Writes a report into `folder`: figures, tables, the maps of the pictures that `classifier`,
    /// which was evaluated, took for something else and was most sure of, and a small survey of where it looks for
    /// each class, which is returned. The folder appears whole or not at all; a report that was in it is gone
    /// then. `drawn` is told how many of how many maps are drawn, `wrong` each explained picture.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the folder holds anything but a report, [`Error::Save`], and those of `wrong`.
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
        }
        .write_into(&results)?;
        results.publish()?;
        Ok(looked.survey)
    }

    /// What a report shows of where the network looks, without writing one.
    ///
    /// # Errors
    /// What keeps the network from working, and those of `wrong`.
    pub fn look(
        &self,
        classifier: &Classifier,
        drawn: &mut dyn FnMut(usize, usize),
        wrong: &mut OnWrong,
    ) -> Result<Looked, Error> {
        let mut most_wrong = self.most_wrong(classifier.classes())?;
        let surveyed = self.surveyed();
        let total = most_wrong.len() + surveyed.len();
        for (index, picture) in most_wrong.iter_mut().enumerate() {
            drawn(index, total);
            let pixels = match dvm_image::read_as(&picture.path, &classifier.reading()) {
                Ok(pixels) => pixels,
                // It was read a moment ago: without its maps the report is still true.
                Err(_) => continue,
            };
            // Why it was taken for what it is not.
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
        Ok(Looked { most_wrong, survey })
    }

    /// What was said of each picture, in their order; `names` are those of the network's classes.
    ///
    /// # Errors
    /// [`Error::Training`] if the answers are not what the output says.
    pub fn judged<'a>(&'a self, names: &'a [String]) -> Result<Vec<Judged<'a>>, Error> {
        let predictions = predictions(&self.answers.logits(), &self.answers.classes, self.output)?;
        let both = predictions.iter().zip(&self.answers.samples);
        let judged = both.map(|(prediction, &sample)| Judged {
            path: &self.samples[sample].path,
            class: &names[prediction.class],
            predicted: &names[prediction.predicted],
            probability: prediction.confidence,
        });
        Ok(judged.collect())
    }

    /// The pictures that the survey of a report looks at: up to [`MOST_OF_CLASS`] of each class, and
    /// [`MOST_SURVEYED`] in all, evenly spread; none where that leaves too few of a class.
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

    /// Where the network looks in these pictures; `None` if there are none, or if the survey's usual method does
    /// not suit the network.
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
            // Every other part of the report is still true.
            Err(Error::Method { .. }) => Ok(None),
            Err(error) if is_of_picture(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The pictures that were taken for another class, the most certain of its mistake first.
    fn most_wrong(&self, names: &[String]) -> Result<Vec<WrongPicture>, Error> {
        let judged = self.judged(names)?.into_iter();
        let mut wrong: Vec<Judged> = judged.filter(|judged| !judged.is_right()).collect();
        wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        wrong.truncate(SHOWN);
        let picture = |judged: Judged| WrongPicture {
            path: judged.path.to_owned(),
            class: judged.class.to_owned(),
            predicted: judged.predicted.to_owned(),
            probability: judged.probability,
            figure: None,
        };
        Ok(wrong.into_iter().map(picture).collect())
    }
}
