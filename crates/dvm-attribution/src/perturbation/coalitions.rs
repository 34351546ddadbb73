//! The common part of methods over segments: their options, pictures with some segments covered,
//! and the attribution from one value per segment.

use super::segments::{SEGMENTS, Segmentation, Segments};
use crate::options::{BASELINE, SEED};
use crate::probe::Variants;
use crate::target::place;
use crate::{
    Array, Attribution, Baseline, Check, Error, Observation, OptionReader, OptionSpec, Score,
    SettingError, Subject, Target, ValueKind,
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
    pub fn new(options: &mut OptionReader, score: &OptionSpec) -> Result<Self, SettingError> {
        Ok(Self {
            segmentation: options.written(&SEGMENTS)?,
            baseline: options.written(&BASELINE)?,
            seed: options.plain(&SEED)?,
            score: options.word(score)?,
        })
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

    /// Runs `variants` of a divided picture, and returns the function that makes each map: `explain` gets the scores
    /// of one target for all variants, and that for the picture itself.
    pub fn observed<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
        (segments, variants): (Segments, &dyn Variants),
        explain: impl Fn(&[f64], f64) -> Result<Explained, Error> + 'a,
    ) -> Result<Observation<'a>, Error> {
        let scores = subject.scores(variants, targets, self.score)?;
        let numbers = subject.numbers()?;
        let name = self.score.name(subject.output(), numbers.len());
        Ok(Box::new(move |target| {
            let whole = target.score(self.score, subject.output(), &numbers)?;
            let found = explain(&of_target(&scores, targets, target), whole.into())?;
            let values: Vec<f32> = found.values.iter().map(|&value| value as f32).collect();
            let map = segments.spread(&values);
            Ok(Attribution {
                title: found.title.into(),
                quantity: format!("{} {name}", found.quantity),
                score: name,
                arrays: vec![
                    Array::new(Array::RAW, &[segments.count], values),
                    segments.array(),
                ],
                value_kind: ValueKind::Signed,
                checks: found.checks,
                ..Attribution::new(target, segments.size, map)
            }
            .checked())
        }))
    }
}

/// One value per segment, with names and checks.
pub(super) struct Explained {
    pub title: &'static str,
    /// What a value is, before the name of the score: `drop in`.
    pub quantity: &'static str,
    pub values: Vec<f64>,
    pub checks: Vec<Check>,
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
        subject.allow_bytes(
            count.saturating_mul(segments),
            || format!("{count} coalitions of {segments} segments need"),
            "fewer `segments`, fewer `samples`, or a higher memory limit",
        )
    }
}

impl Variants for Coalitions<'_> {
    fn count(&self) -> usize {
        self.shown.len() / self.divided.segments.count
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
