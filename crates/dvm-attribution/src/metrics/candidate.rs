//! What metrics work on: a map, and all that it is about.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dvm_image::Input;

use crate::subject::finite;
use crate::{Attribution, Error, Method, Nature, Score, Subject, Target};

/// A map that is tested, with what it is about.
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

    /// The same, made by this method: metrics may ask it for other maps.
    #[must_use]
    pub fn made_by(self, method: &'a dyn Method) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    /// The same, where the object is known to be at these pixels of the network's input, `[H, W]`.
    ///
    /// # Panics
    /// If there are not as many as the picture has.
    #[must_use]
    pub fn with_region(self, region: &'a [bool]) -> Self {
        assert_eq!(region.len(), self.relevance.len(), "one for each pixel");
        Self {
            region: Some(region),
            ..self
        }
    }

    /// The same, where metrics that need to know where the object is are refused for this reason, such as
    /// that the crop leaves it out.
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

    /// What the map is about.
    pub fn target(&self) -> &'a Target {
        &self.attribution.target
    }

    /// The map as the method gave it.
    pub fn attribution(&self) -> &'a Attribution {
        self.attribution
    }

    /// How relevant each pixel is by the map, `[H, W]`: the more, the higher. Negative values speak against
    /// the target. This is the map, but for maps that are lower where it matters ([`Nature::Level`]), which
    /// become the drop of the score.
    pub fn relevance(&self) -> &[f32] {
        &self.relevance
    }

    /// Pixels where the object is, `[H, W]`.
    ///
    /// # Errors
    /// [`Error::Unfit`] if that is not known.
    pub fn region(&self) -> Result<&'a [bool], Error> {
        self.region.ok_or_else(|| {
            let usual = "it is not known where the object is: boxes or masks are needed";
            let why = self.no_region.clone();
            Error::Unfit(why.unwrap_or_else(|| usual.into()))
        })
    }

    /// The map that the same method makes of another network or another picture, for the same target or
    /// another.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the method is not known, and those of the method.
    pub fn again(&self, subject: &Subject, target: &Target) -> Result<Attribution, Error> {
        let method = self.method.ok_or_else(|| {
            Error::Unfit(
                "it is not known which method made the map, so it cannot be made again".into(),
            )
        })?;
        let mut maps = method.attribute(subject, std::slice::from_ref(target))?;
        Ok(maps.remove(0))
    }

    /// The relevance `[H, W]` by the map that the same method makes of the same picture with other normalised
    /// values ([`dvm_image::Preprocess::changed`]), for the same target.
    ///
    /// # Errors
    /// As [`Candidate::again`]; [`Error::NotFinite`] if the other map holds values that are not numbers.
    pub(crate) fn relevance_of_changed(&self, input: &Input) -> Result<Vec<f32>, Error> {
        let subject = self.subject.about(input);
        if let Some(method) = self.method {
            subject.expect(method.walks());
        }
        let attribution = self.again(&subject, self.target())?;
        finite("the map of a changed picture", &attribution.map)?;
        relevance_of(&subject, &attribution)
    }

    /// What several metrics ask alike of this map, such as a curve: computed by `compute` when it is asked
    /// for first. `key` says all that it depends on.
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

/// How relevant each pixel is by a map of the subject's picture: the more, the higher.
fn relevance_of(subject: &Subject, attribution: &Attribution) -> Result<Vec<f32>, Error> {
    let map = &attribution.map;
    Ok(match attribution.nature {
        Nature::Magnitude | Nature::Signed | Nature::Support => map.clone(),
        Nature::Level => {
            let whole = whole_score(subject, attribution)?;
            map.iter().map(|level| whole - level).collect()
        }
    })
}

/// The score of the picture itself that the levels of a map compare with.
fn whole_score(subject: &Subject, attribution: &Attribution) -> Result<f32, Error> {
    let score: Score = attribution.score.parse().unwrap_or(Score::Logit);
    let numbers = subject.numbers()?;
    attribution.target.score(score, subject.output(), &numbers)
}
