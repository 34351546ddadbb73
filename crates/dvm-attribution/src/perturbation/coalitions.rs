//! What all methods over segments share: their options, pictures that show some segments of which the
//! others are covered, and how values of segments become an attribution.

use dvm_engine::incremental::Rectangle;
use dvm_options::{SettingError, Settings};
use serde_json::{Map, Value};

use super::segments::{SEGMENTS, Segmentation, Segments};
use crate::options::{BASELINE, SCORE, SEED};
use crate::probe::Variants;
use crate::subject::ALWAYS_ALLOWED_BACK;
use crate::{
    Array, Attribution, Baseline, Check, Error, Nature, OptionSpec, Score, Subject, Target,
};

/// Settings of a method over segments.
pub(super) struct OverSegments {
    segmentation: Segmentation,
    baseline: Baseline,
    pub seed: u64,
    pub score: Score,
}

impl OverSegments {
    /// Reads them; `score` is the method's own description of that option.
    pub fn new(settings: &Settings, score: &OptionSpec) -> Result<Self, SettingError> {
        Ok(Self {
            segmentation: SEGMENTS.of(settings)?,
            baseline: BASELINE.of(settings)?,
            seed: SEED.of(settings)?,
            score: score.of(settings)?,
        })
    }

    /// For the record.
    pub fn parameters(&self) -> Map<String, Value> {
        [
            (SEGMENTS.name, self.segmentation.to_string().into()),
            (BASELINE.name, self.baseline.to_string().into()),
            (SEED.name, self.seed.into()),
            (SCORE.name, self.score.word().into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Divides the picture.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the segments or the baseline do not fit the picture.
    pub fn divided(&self, subject: &Subject) -> Result<Divided, Error> {
        // What is wrong with the network is said first.
        subject.numbers()?;
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        Ok(Divided {
            segments: self.segmentation.of(subject.input())?,
            baseline: baseline.data().to_vec(),
        })
    }

    /// The attribution of a target by one value per segment.
    pub fn attribution(
        &self,
        subject: &Subject,
        target: &Target,
        (title, quantity): (&str, &str),
        segments: &Segments,
        values: &[f64],
    ) -> Result<Attribution, Error> {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        let outputs = subject.numbers()?.len();
        let score = self.score.name(subject.output(), outputs);
        Ok(Attribution {
            target: target.clone(),
            title: title.into(),
            quantity: format!("{quantity} {score}"),
            score,
            map: segments.spread(&values),
            size: segments.size,
            smooth: None,
            arrays: vec![
                Array::new(Array::RAW, &[segments.count], values),
                segments.array(),
            ],
            nature: Nature::Signed,
            warnings: Vec::new(),
            checks: Vec::new(),
        }
        .checked())
    }
}

/// A picture in segments, and what covers them.
pub(super) struct Divided {
    pub segments: Segments,
    /// Normalised, as stored: `H, W, C`.
    pub baseline: Vec<f32>,
}

/// Pictures of which some segments show and the others are covered.
pub(super) struct Coalitions<'a> {
    pub divided: &'a Divided,
    /// `[N, M]`, row-major: whether a segment shows.
    pub shown: &'a [bool],
}

impl Coalitions<'_> {
    /// Refuses more of them than memory holds.
    ///
    /// # Errors
    /// [`Error::Unfit`].
    pub fn allow(subject: &Subject, count: usize, segments: usize) -> Result<(), Error> {
        let needed = count.saturating_mul(segments);
        if needed <= subject.memory().max(ALWAYS_ALLOWED_BACK) {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "{count} coalitions of {segments} segments take {} MiB, more than the {} MiB allowed; choose fewer \
             `segments`, fewer `samples`, or allow more memory",
            needed.div_ceil(1 << 20),
            subject.memory() >> 20
        )))
    }
}

impl Variants for Coalitions<'_> {
    fn count(&self) -> usize {
        self.shown.len() / self.divided.segments.count
    }

    fn rectangle(&self, _: usize) -> Option<Rectangle> {
        None
    }

    fn variant(&self, picture: &[f32], index: usize) -> Option<Vec<f32>> {
        let Divided { segments, baseline } = self.divided;
        let shown = &self.shown[index * segments.count..][..segments.count];
        if shown.iter().all(|shown| *shown) {
            return None;
        }
        let channels = picture.len() / segments.labels.len();
        let mut values = picture.to_vec();
        let pixels = values.chunks_exact_mut(channels);
        let covers = baseline.chunks_exact(channels);
        for ((pixel, cover), &label) in pixels.zip(covers).zip(segments.labels.iter()) {
            if !shown[label as usize] {
                pixel.copy_from_slice(cover);
            }
        }
        Some(values)
    }
}

/// Where a target stands among those that a method was begun with.
///
/// # Panics
/// If it is none of them, against what [`crate::Observation`] says.
pub(super) fn place(targets: &[Target], target: &Target) -> usize {
    let place = targets.iter().position(|known| known == target);
    place.expect("an observation is asked about the targets that it was begun with")
}

/// The scores of one target among those of several, `[N, targets]`, in f64.
pub(super) fn of_target(scores: &[f32], targets: &[Target], target: &Target) -> Vec<f64> {
    let own = scores.iter().skip(place(targets, target));
    own.step_by(targets.len())
        .map(|&score| score.into())
        .collect()
}

/// The share of the scores' variance that a linear model of segments explains.
pub(super) fn determination(r2: Option<f64>) -> Option<Check> {
    r2.map(|value| Check {
        name: "coefficient of determination",
        value,
        meaning: "share of the variance of the scores that the values of the segments explain together; \
                  near 1 they speak for themselves, near 0 segments act together and the values say little"
            .into(),
    })
}

/// The largest standard error of the values, to be compared with how far the values reach: from zero if
/// they are signed, else from the smallest.
pub(super) fn standard_error(errors: &[f64], values: &[f64], is_signed: bool) -> Check {
    let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let reach = match is_signed {
        true => most(values).max(-least),
        false => most(values) - least,
    };
    let beside = match is_signed {
        true => "the largest value",
        false => "the range of the values",
    };
    Check {
        name: "standard error",
        value: most(errors),
        meaning: format!(
            "the largest of any value; it should be small beside {beside}, {reach:.3e}; four times the samples \
             halve it"
        ),
    }
}
