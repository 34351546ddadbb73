//! The common part of methods over segments: their options, pictures with some segments covered,
//! and the attribution from one value per segment.

use dvm_engine::incremental::Rectangle;
use dvm_options::{SettingError, Settings};
use serde_json::{Map, Value};

use super::segments::{SEGMENTS, Segmentation, Segments};
use crate::options::{BASELINE, SCORE, SEED};
use crate::probe::Variants;
use crate::subject::ALWAYS_ALLOWED_BACK;
use crate::{
    Array, Attribution, Baseline, Check, Error, OptionSpec, Score, Subject, Target, ValueKind,
};

/// Settings of a method over segments.
pub(super) struct OverSegments {
    segmentation: Segmentation,
    baseline: Baseline,
    pub seed: u64,
    pub score: Score,
}

impl OverSegments {
    /// Reads them; `score` is the method's own option of that name.
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

    /// Divides the picture into segments.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the segments or the baseline do not fit the picture.
    pub fn divided(&self, subject: &Subject) -> Result<Divided, Error> {
        // Errors of the network come first.
        subject.numbers()?;
        let baseline = self.baseline.of_whole(subject, self.seed)?;
        Ok(Divided {
            segments: self.segmentation.of(subject.input())?,
            baseline: baseline.data().to_vec(),
        })
    }

    /// The attribution of a target from one value per segment.
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
            value_kind: ValueKind::Signed,
            warnings: Vec::new(),
            checks: Vec::new(),
        }
        .checked())
    }
}

/// A picture in segments, and the baseline that covers them.
pub(super) struct Divided {
    pub segments: Segments,
    /// Normalised, as stored: `H, W, C`.
    pub baseline: Vec<f32>,
}

/// Pictures with some segments shown and the others covered.
pub(super) struct Coalitions<'a> {
    pub divided: &'a Divided,
    /// `[N, M]`, row-major: whether a segment is shown.
    pub shown: &'a [bool],
}

impl Coalitions<'_> {
    /// Refuses more coalitions than fit in memory.
    ///
    /// # Errors
    /// [`Error::Unfit`].
    pub fn allow(subject: &Subject, count: usize, segments: usize) -> Result<(), Error> {
        let needed = count.saturating_mul(segments);
        if needed <= subject.memory().max(ALWAYS_ALLOWED_BACK) {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "{count} coalitions of {segments} segments need {} MiB; the limit is {} MiB: choose \
             fewer `segments`, fewer `samples`, or a higher memory limit",
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

/// The position of a target among those that the method was given.
///
/// # Panics
/// If it is none of them, which [`crate::Observation`] does not allow.
pub(super) fn place(targets: &[Target], target: &Target) -> usize {
    let place = targets.iter().position(|known| known == target);
    place.expect("begin was given this target")
}

/// The scores of one target among those of several, `[N, targets]`, in f64.
pub(super) fn of_target(scores: &[f32], targets: &[Target], target: &Target) -> Vec<f64> {
    let own = scores.iter().skip(place(targets, target));
    own.step_by(targets.len())
        .map(|&score| score.into())
        .collect()
}

/// The part of the scores' variance that a linear model of segments explains.
pub(super) fn determination(r2: Option<f64>) -> Option<Check> {
    r2.map(|value| Check {
        name: "coefficient of determination",
        value,
        meaning:
            "share of the variance of the scores that the values of the segments explain: near 1 \
             segments contribute independently; near 0 they interact, and their values say little"
                .into(),
    })
}

/// The largest standard error of the values, with the number to compare it with: the largest
/// absolute value if they are signed, else their range.
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
            "the largest standard error of any value; it should be small compared with {beside}, \
             {reach:.3e}; four times the samples halve it"
        ),
    }
}
