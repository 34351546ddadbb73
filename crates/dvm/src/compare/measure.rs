//! Measuring one picture.

use std::time::Instant;

use dvm_attribution::metrics::Candidate;
use dvm_attribution::{Subject, Target};

use super::agreement;
use super::lines::{Line, MapLine, MetricLine};
use super::pictures::Compared;
use super::plan::{Compare, Contestant, ExplainedClass};
use crate::regions::{Located, locate};
use crate::{Checked, ClassChoice, Classifier, Error, Prediction, with_causes};

impl Compare {
    /// Makes and measures all maps of a picture; calls `done` with the number of maps so far. The line contains
    /// the reason if the picture cannot be used or a method cannot make a map.
    ///
    /// # Errors
    /// Only of the network's device, because no other picture can be measured either.
    pub(super) fn measure(
        &self,
        classifier: &Classifier,
        picture: &Compared,
        number: usize,
        done: &mut dyn FnMut(usize),
    ) -> Result<Line, Error> {
        let line = Line {
            picture: number,
            file: picture.source.path().display().to_string(),
            slice: picture.source.slice(),
            ..Line::default()
        };
        match self.measured(classifier, picture, number, done) {
            Ok(measured) => Ok(Line {
                picture: line.picture,
                file: line.file,
                slice: line.slice,
                ..measured
            }),
            Err(error) if error.is_of_device() => Err(error),
            Err(error) => Ok(Line {
                failed: Some(without_file(&error, picture)),
                ..line
            }),
        }
    }

    fn measured(
        &self,
        classifier: &Classifier,
        picture: &Compared,
        number: usize,
        done: &mut dyn FnMut(usize),
    ) -> Result<Line, Error> {
        let input = classifier.prepare(picture.source.read(&classifier.reading())?)?;
        classifier.allow(&input)?;
        let subject = classifier.subject(&input, self.memory, self.incremental);
        let contestants = self.contestants(number);
        // The shared forward walk is not part of any method's time.
        subject.expect_walks(self.walks(&contestants));
        let numbers = classifier.numbers(&subject)?;
        let prediction = classifier.prediction(&numbers)?;
        // Loads the gradient check of an earlier run.
        let gradient = classifier.gradient_record(&subject, self.walks(&contestants), None)?;
        let class = self.class_of(classifier, picture, &prediction)?;
        let target = Target::Class(class);
        let name = &classifier.classes()[class];
        let located = match &self.regions {
            Some(regions) => Some(locate(regions, &picture.source, Some(name), &input)?),
            None => None,
        };
        let region = located.as_ref().and_then(Located::pixels);
        let mut maps = Vec::with_capacity(contestants.len());
        let mut relevances = Vec::with_capacity(contestants.len());
        for (index, one) in contestants.iter().enumerate() {
            subject.expect_walks(self.walks(&contestants[index..]));
            let (map, relevance) = self.map(&subject, &target, region, one)?;
            maps.push(map);
            relevances.push(relevance);
            done(index + 1);
        }
        gradient.keep();
        Ok(Line {
            class: Some(name.clone()),
            probability: Some(prediction.probabilities[class]),
            maps,
            agreement: Some(agreement::of(&relevances, subject.size())),
            ..Line::default()
        })
    }

    /// One map with all metrics, and the relevance of its pixels `[H, W]`.
    fn map(
        &self,
        subject: &Subject,
        target: &Target,
        region: Option<&[bool]>,
        one: &Contestant,
    ) -> Result<(MapLine, Option<Vec<f32>>), Error> {
        let (method, start) = (&*one.method, Instant::now());
        let made = method.attribute(subject, std::slice::from_ref(target));
        let seconds = start.elapsed().as_secs_f64();
        let measured = made.and_then(|maps| {
            let candidate = Candidate::new(subject, &maps[0])?.made_by(method);
            let candidate = match region {
                Some(region) => candidate.with_region(region),
                None => candidate,
            };
            let checked = self.checks().measure(&candidate, |_, _| {});
            let line = MapLine {
                seconds: Some(seconds),
                warnings: maps[0].warnings.clone(),
                metrics: checked.iter().map(metric).collect(),
                ..MapLine::default()
            };
            Ok((line, Some(candidate.relevance().to_vec())))
        });
        let (line, relevance) = match measured {
            Ok(measured) => measured,
            Err(dvm_attribution::Error::Network(error @ dvm_engine::Error::Device { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                let failed = Some(error.to_string());
                let line = MapLine {
                    failed,
                    ..MapLine::default()
                };
                (line, None)
            }
        };
        let method = one.name.into();
        Ok((MapLine { method, ..line }, relevance))
    }

    fn class_of(
        &self,
        classifier: &Classifier,
        picture: &Compared,
        prediction: &Prediction,
    ) -> Result<usize, Error> {
        let top = prediction.top(1)[0].index;
        let name = match (&self.class, &picture.true_class) {
            (ExplainedClass::Top, _) => return Ok(top),
            (ExplainedClass::Named(name), _) | (ExplainedClass::True, Some(name)) => name,
            (ExplainedClass::True, None) => {
                return Err(Error::Usage("the true class is not known".into()));
            }
        };
        let found = ClassChoice::Named(name.clone()).resolve(classifier.classes(), top)?;
        Ok(found[0])
    }
}

/// The line of a metric.
fn metric(checked: &Checked) -> MetricLine {
    let line = MetricLine {
        metric: checked.entry.name.into(),
        seconds: checked.seconds,
        ..MetricLine::default()
    };
    match &checked.found {
        Err(why) => MetricLine {
            failed: Some(why.clone()),
            ..line
        },
        Ok(found) if !found.value.is_finite() => MetricLine {
            failed: Some("its value is not a finite number".into()),
            ..line
        },
        Ok(found) => MetricLine {
            value: Some(found.value),
            figures: found
                .figures
                .iter()
                .map(|figure| (figure.name.clone(), figure.value.into()))
                .collect(),
            finding: found.finding.clone(),
            ..line
        },
    }
}

/// The error of a picture, without the file name at the beginning, which the line already has.
fn without_file(error: &Error, picture: &Compared) -> String {
    let words = with_causes(error.to_string(), error);
    let file = picture.source.path().display().to_string();
    match words.strip_prefix(&file) {
        Some(rest) => rest.trim_start_matches([':', ' ']).to_owned(),
        None => words,
    }
}
