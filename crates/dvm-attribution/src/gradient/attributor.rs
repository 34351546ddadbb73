//! Gradient methods as others can build on them: what gives every value of any picture a number.

use dvm_engine::Tensor;
use dvm_options::{OptionSpec, Takes};
use serde_json::{Map, Value};

use super::Shared;
use crate::options;
use crate::{Attribution, Baselines, Check, Error, Method, Observation, Score, Subject, Target};

/// A method that gives every value of a picture a number.
pub(super) trait Attributor: Send + Sync {
    /// Above the map.
    fn title(&self) -> String;

    /// What a number is.
    fn quantity(&self) -> &'static str;

    /// Its settings, but for those that all gradient methods share.
    fn parameters(&self) -> Map<String, Value>;

    /// Makes ready what all pictures and targets have in common.
    ///
    /// # Errors
    /// [`Error`]: rather none than wrong numbers.
    fn begin<'a>(&'a self, subject: &'a Subject<'a>) -> Result<Begun<'a>, Error>;
}

/// An attributor that knows its subject.
pub(super) struct Begun<'a> {
    /// Gives the numbers of each picture asked about, in order.
    pub(super) ask: Box<Asking<'a>>,
    /// What a reader of its numbers must know.
    pub(super) warnings: Vec<String>,
}

/// Answers a question picture by picture.
pub(super) type Asking<'a> = dyn Fn(&Question, &mut Each) -> Result<(), Error> + 'a;

/// Called with the index of a picture and what was found of it.
pub(super) type Each<'e> = dyn FnMut(usize, Found) -> Result<(), Error> + 'e;

/// Called with the index of a picture, its values, and whether it is the subject's own.
pub(super) type EachPicture<'e> = dyn FnMut(usize, &[f32], bool) -> Result<(), Error> + 'e;

/// What is asked of an attributor.
#[derive(Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) target: &'q Target,
    pub(super) score: Score,
    pub(super) pictures: Pictures<'q>,
}

/// Which pictures are explained.
#[derive(Clone, Copy)]
pub(super) enum Pictures<'q> {
    /// The subject's own.
    Own,
    /// So many others of its size: `make` gives the values of each, stored `H, W, C`.
    Others {
        count: usize,
        make: &'q (dyn Fn(usize) -> Vec<f32> + Sync),
    },
}

/// What was found of one picture.
pub(super) struct Found {
    /// One number for each value of the picture, stored `H, W, C`.
    pub(super) values: Vec<f32>,
    /// How well that went; nothing for pictures other than the subject's own.
    pub(super) checks: Vec<Check>,
    /// What a reader of these numbers must know.
    pub(super) warnings: Vec<String>,
}

impl Found {
    /// Numbers that were summed in f64.
    pub(super) fn new(values: &[f64]) -> Self {
        Self {
            values: values.iter().map(|&value| value as f32).collect(),
            checks: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Pictures<'_> {
    /// Calls `each` for every picture.
    pub(super) fn one_by_one(self, subject: &Subject, each: &mut EachPicture) -> Result<(), Error> {
        match self {
            Self::Own => each(0, subject.picture().data(), true),
            Self::Others { count, make } => {
                (0..count).try_for_each(|index| each(index, &make(index), false))
            }
        }
    }
}

/// A method that shows what an attributor finds of the subject's own picture.
pub(super) struct Shown<A> {
    pub(super) attributor: A,
    pub(super) shared: Shared,
}

impl<A: Attributor> Method for Shown<A> {
    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.shared.parameters();
        parameters.extend(self.attributor.parameters());
        parameters
    }

    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        // Refuses a network whose answer is no number, or not what it is taken for.
        subject.numbers()?;
        let Begun { ask, warnings } = self.attributor.begin(subject)?;
        Ok(Box::new(move |target| {
            let question = Question {
                target,
                score: self.shared.score,
                pictures: Pictures::Own,
            };
            let mut found = None;
            ask(&question, &mut |_, values| {
                found = Some(values);
                Ok(())
            })?;
            let found = found.expect("an attributor answers for every picture");
            self.shown(subject, target, found, &warnings)
        }))
    }
}

impl<A: Attributor> Shown<A> {
    fn shown(
        &self,
        subject: &Subject,
        target: &Target,
        found: Found,
        warnings: &[String],
    ) -> Result<Attribution, Error> {
        let Self { attributor, shared } = self;
        let values = Tensor::from_stored(&subject.shape(), found.values).to_nchw();
        let names = (&attributor.title()[..], attributor.quantity());
        let mut attribution = shared.attribution(subject, target, names, values)?;
        let before = warnings.iter().cloned().chain(found.warnings);
        attribution.warnings.splice(0..0, before);
        attribution.checks = found.checks;
        Ok(attribution)
    }
}

/// What paths begin at: several are averaged.
pub(super) const BASELINE: OptionSpec = OptionSpec {
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE[,…]"),
    help: "what stands for a picture that shows nothing: zero after normalisation, black, white, grey \
           (127.5), the picture's mean colour, the picture blurred, noise, a colour, a picture file, or a \
           .npy file of normalised values (float32 [C, H, W]); \
           the maps of several, separated by commas, are averaged",
    ..options::BASELINE
};

/// Baselines as the network takes them, and what it answers to them.
pub(super) struct Started {
    /// Values stored `H, W, C`, one entry for each baseline.
    pub(super) pictures: Vec<Tensor>,
    /// The network's numbers `[K]` for each.
    pub(super) numbers: Vec<Vec<f32>>,
}

impl Started {
    /// Baselines of the subject's picture; noise has this seed.
    ///
    /// # Errors
    /// Those of reading a file, and of walking the network.
    pub(super) fn new(subject: &Subject, baselines: &Baselines, seed: u64) -> Result<Self, Error> {
        let pictures = baselines.0.iter().map(|one| one.of_whole(subject, seed));
        let pictures: Vec<Tensor> = pictures.collect::<Result<_, _>>()?;
        let make = |index: usize| pictures[index].data().to_vec();
        let numbers = answers(subject, pictures.len(), &make)?;
        Ok(Self { pictures, numbers })
    }

    /// The mean score of the target over baselines with these indices.
    pub(super) fn score(
        &self,
        subject: &Subject,
        question: &Question,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<f64, Error> {
        let count = indices.len() as f64;
        let mut sum = 0.0;
        for index in indices {
            sum += score(subject, question, &self.numbers[index])?;
        }
        Ok(sum / count)
    }
}

/// The network's numbers for pictures that are no variants of the subject's own.
pub(super) fn answers(
    subject: &Subject,
    count: usize,
    make: &(dyn Fn(usize) -> Vec<f32> + Sync),
) -> Result<Vec<Vec<f32>>, Error> {
    let mut numbers = Vec::with_capacity(count);
    let graph = subject.network().fused();
    subject.activations_of(count, make, (graph, &[]), &mut |_, reading| {
        numbers.push(reading.numbers);
        Ok(())
    })?;
    Ok(numbers)
}

/// The score that is explained, for these numbers of the network.
pub(super) fn score(subject: &Subject, question: &Question, numbers: &[f32]) -> Result<f64, Error> {
    let score = question
        .target
        .score(question.score, subject.output(), numbers)?;
    Ok(score.into())
}

/// How far numbers that should add up to the rise of the score from a baseline to the picture are from
/// that; and a warning where it is more than a twentieth, with what helps against it.
pub(super) fn completeness(
    subject: &Subject,
    question: &Question,
    (found, at_baseline): (Found, f64),
    helps: Option<&str>,
) -> Result<Found, Error> {
    let rise = score(subject, question, &subject.numbers()?)? - at_baseline;
    let sum: f64 = found.values.iter().map(|&value| f64::from(value)).sum();
    let gap = sum - rise;
    let mut found = found;
    found.checks.push(Check {
        name: "completeness gap",
        value: gap,
        meaning: format!(
            "the sum of all values minus the rise of the score from the baseline to the picture, which is \
             {rise:.6}; the nearer to 0 the better"
        ),
    });
    if let (Some(helps), true) = (helps, gap.abs() > 0.05 * rise.abs()) {
        found.warnings.push(format!(
            "the values add up to {sum:.4}, and the score rises by {rise:.4} from the baseline to the \
             picture: {helps}"
        ));
    }
    Ok(found)
}
