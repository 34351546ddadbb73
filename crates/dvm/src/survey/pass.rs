//! One picture through the network: its answer, and the map of a class.

use dvm_attribution::metrics::Candidate;
use dvm_attribution::{Subject, Target};
use dvm_image::Picture;

use super::SurveyEvent;
use crate::{Classifier, Error, Explain, Prediction, Source};

/// What one picture has shown.
pub(super) struct Observed {
    pub prediction: Prediction,
    /// The class that the map explains.
    pub explained: usize,
    /// How relevant each pixel of the crop is for it, `[H, W]`.
    pub relevance: Vec<f32>,
    /// What the network saw.
    pub crop: Picture,
    /// What a reader of the map must know.
    pub warnings: Vec<String>,
}

/// Makes the map of one picture; `None` if `choose`, told what the network says, wants none.
///
/// # Errors
/// Those of [`Classifier::explain`].
pub(super) fn observe(
    classifier: &Classifier,
    explain: &Explain,
    source: &Source,
    choose: &mut dyn FnMut(&Prediction) -> Option<usize>,
) -> Result<Option<Observed>, Error> {
    let picture = source.read(&classifier.reading())?;
    let input = classifier.prepare(picture)?;
    classifier.allow(&input)?;
    let (entry, method) = explain.first();
    let failed = |source| Error::Method {
        method: entry.name,
        source,
    };
    let subject = Subject::new(classifier.network(), &input, classifier.preprocess())
        .with_memory(explain.memory)
        .incremental(explain.incremental);
    subject.expect(method.walks());
    let numbers = subject
        .numbers()
        .map_err(|error| classifier.failed(error))?;
    let prediction = classifier.prediction(&numbers)?;
    let Some(explained) = choose(&prediction) else {
        return Ok(None);
    };
    let targets = [Target::Class(explained)];
    let mut maps = method.attribute(&subject, &targets).map_err(failed)?;
    let attribution = maps.swap_remove(0);
    let candidate = Candidate::new(&subject, &attribution).map_err(failed)?;
    Ok(Some(Observed {
        prediction,
        explained,
        relevance: candidate.relevance().to_vec(),
        crop: input.crop().clone(),
        warnings: attribution.warnings.clone(),
    }))
}

/// Whether an error is about one picture, so that the others can still be surveyed.
pub(crate) fn is_of_picture(error: &Error) -> bool {
    matches!(
        error,
        Error::Picture(_) | Error::Data(_) | Error::File { .. } | Error::TooLarge { .. }
    )
}

/// Tells that a picture is left out.
pub(super) fn tell_failed(tell: &mut dyn FnMut(SurveyEvent), source: &Source, error: &Error) {
    tell(SurveyEvent::Failed { source, error });
}
