//! The input of a metric: a map with its context.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dvm_image::Input;

use crate::probe::Variants;
use crate::subject::finite;
use crate::{Attribution, Error, Method, Score, Subject, Target, ValueKind};

/// A map to test, with its network, picture, target and, if known, method and region.
pub struct Candidate<'a> {
    subject: &'a Subject<'a>,
    attribution: &'a Attribution,
    method: Option<&'a dyn Method>,
    region: Option<&'a [bool]>,
    no_region: Option<String>,
    relevance: Vec<f32>,
    curves: Mutex<HashMap<String, Arc<Vec<f64>>>>,
}

impl<'a> Candidate<'a> {
    /// A map of the subject's picture.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a map of another size than the picture, [`Error::NotFinite`] for one that holds
    /// values that are not numbers, and as [`Subject::numbers`].
    pub fn new(subject: &'a Subject<'a>, attribution: &'a Attribution) -> Result<Self, Error> {
        let ((rows, columns), (height, width)) = (attribution.size, subject.size());
        if (rows, columns) != (height, width) || attribution.map.len() != height * width {
            return Err(Error::Unfit(format!(
                "a map of {rows}×{columns} pixels cannot be tested on a picture of {height}×{width}"
            )));
        }
        if attribution.map.iter().any(|value| !value.is_finite()) {
            let what = "the map holds values that are not numbers, so it cannot be tested";
            return Err(Error::Unfit(what.into()));
        }
        Ok(Self {
            subject,
            attribution,
            method: None,
            region: None,
            relevance: relevance_of(subject, attribution)?,
            no_region: None,
            curves: Mutex::default(),
        })
    }

    /// Sets the method that made the map: metrics may need further maps of it.
    #[must_use]
    pub fn made_by(self, method: &'a dyn Method) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    /// Sets the pixels `[H, W]` of the network's input that show the object.
    ///
    /// # Panics
    /// If `region` does not have as many pixels as the input.
    #[must_use]
    pub fn with_region(self, region: &'a [bool]) -> Self {
        assert_eq!(region.len(), self.relevance.len(), "one for each pixel");
        Self {
            region: Some(region),
            ..self
        }
    }

    /// Sets why the region of the object is not known, for the error of metrics that need it; for
    /// example, it is outside of the crop.
    #[must_use]
    pub fn without_region(self, why: impl Into<String>) -> Self {
        Self {
            region: None,
            no_region: Some(why.into()),
            ..self
        }
    }

    /// The network and the picture.
    pub fn subject(&self) -> &'a Subject<'a> {
        self.subject
    }

    /// The target that the map explains.
    pub fn target(&self) -> &'a Target {
        &self.attribution.target
    }

    /// The map as the method returned it.
    pub fn attribution(&self) -> &'a Attribution {
        self.attribution
    }

    /// The relevance of each pixel, `[H, W]`: higher values support the target, negative values against it. This is
    /// the map, except for [`ValueKind::ScoreIfHidden`], where it is the drop of the score.
    pub fn relevance(&self) -> &[f32] {
        &self.relevance
    }

    /// The pixels that show the object, `[H, W]`.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they are not known.
    pub fn region(&self) -> Result<&'a [bool], Error> {
        self.region.ok_or_else(|| {
            let usual = "the region of the object is not known; this metric needs boxes or masks";
            let why = self.no_region.clone();
            Error::Unfit(why.unwrap_or_else(|| usual.into()))
        })
    }

    /// The map that the same method makes for another network, picture or target.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the method is not known, and those of the method.
    pub fn again(&self, subject: &Subject, target: &Target) -> Result<Attribution, Error> {
        let method = self.method.ok_or_else(|| {
            Error::Unfit(
                "the method that made the map is not known, so no further map can be made".into(),
            )
        })?;
        let mut maps = method.attribute(subject, std::slice::from_ref(target))?;
        Ok(maps.remove(0))
    }

    /// The relevance `[H, W]` by the same method, for the same target and the same picture with
    /// other normalised values ([`dvm_image::Preprocess::changed`]).
    ///
    /// # Errors
    /// As [`Candidate::again`]; [`Error::NotFinite`] if the other map holds values that are not numbers.
    pub(crate) fn relevance_of_changed(&self, input: &Input) -> Result<Vec<f32>, Error> {
        let subject = self.subject.with_input(input);
        if let Some(method) = self.method {
            subject.expect_walks(method.walks());
        }
        let attribution = self.again(&subject, self.target())?;
        finite("the map of a changed picture", &attribution.map)?;
        relevance_of(&subject, &attribution)
    }

    /// How much each of these changed pictures lowers the score of the target.
    ///
    /// # Errors
    /// As [`Subject::scores`].
    pub(crate) fn drops(&self, variants: &dyn Variants, score: Score) -> Result<Vec<f64>, Error> {
        let (subject, target) = (self.subject, self.target());
        let scores = subject.scores(variants, std::slice::from_ref(target), score)?;
        let whole = target.score(score, subject.output(), &subject.numbers()?)?;
        let drops = scores.iter().map(|&s| f64::from(whole) - f64::from(s));
        Ok(drops.collect())
    }

    /// A value that several metrics need, such as a curve: computed by `compute` once. `key` must
    /// name everything that it depends on.
    ///
    /// # Errors
    /// Those of `compute`.
    pub(crate) fn shared(
        &self,
        key: &str,
        compute: impl FnOnce() -> Result<Vec<f64>, Error>,
    ) -> Result<Arc<Vec<f64>>, Error> {
        let lock = || self.curves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(key) {
            return Ok(known.clone());
        }
        let values = Arc::new(compute()?);
        lock().insert(key.into(), values.clone());
        Ok(values)
    }
}

/// The relevance of each pixel by a map of the subject's picture.
fn relevance_of(subject: &Subject, attribution: &Attribution) -> Result<Vec<f32>, Error> {
    let map = &attribution.map;
    Ok(match attribution.value_kind {
        ValueKind::Positive | ValueKind::Signed | ValueKind::ScoreIfShown => map.clone(),
        ValueKind::ScoreIfHidden => {
            let score: Score = attribution.score.parse().unwrap_or(Score::Logit);
            let numbers = subject.numbers()?;
            let target = &attribution.target;
            let whole = target.score(score, subject.output(), &numbers)?;
            map.iter().map(|level| whole - level).collect()
        }
    })
}
