//! The prediction and the map of one picture.

use dvm_attribution::Target;
use dvm_attribution::metrics::Candidate;
use dvm_image::Picture;

use super::SurveyEvent;
use crate::{Classifier, Error, Explain, Prediction, Source};

/// A picture with its prediction and map.
pub(super) struct MappedPicture {
    pub prediction: Prediction,
    /// The class that the map explains.
    pub explained: usize,
    /// The relevance of each pixel of the crop, `[H, W]`.
    pub relevance: Vec<f32>,
    /// The crop.
    pub crop: Picture,
    /// Warnings about the map.
    pub warnings: Vec<String>,
}

/// Makes the map of one picture for the class that `choose` returns; `None` if it returns none.
///
/// # Errors
/// Those of [`Classifier::explain`].
pub(super) fn map_picture(
    classifier: &Classifier,
    explain: &Explain,
    source: &Source,
    choose: &mut dyn FnMut(&Prediction) -> Option<usize>,
) -> Result<Option<MappedPicture>, Error> {
    let picture = source.read(&classifier.reading())?;
    let input = classifier.prepare(picture)?;
    classifier.allow(&input)?;
    let (entry, method) = explain.first();
    let failed = |source| Error::Method {
        method: entry.name,
        source,
    };
    let subject = classifier.subject(&input, explain.memory, explain.incremental);
    subject.expect_walks(method.walks());
    let numbers = classifier.numbers(&subject)?;
    let prediction = classifier.prediction(&numbers)?;
    let Some(explained) = choose(&prediction) else {
        return Ok(None);
    };
    let targets = [Target::Class(explained)];
    let mut maps = method.attribute(&subject, &targets).map_err(failed)?;
    let attribution = maps.swap_remove(0);
    let candidate = Candidate::new(&subject, &attribution).map_err(failed)?;
    Ok(Some(MappedPicture {
        prediction,
        explained,
        relevance: candidate.relevance().to_vec(),
        crop: input.crop().clone(),
        warnings: attribution.warnings.clone(),
    }))
}

/// Whether an error is about one picture only, so that the others can be surveyed.
pub(crate) fn is_of_picture(error: &Error) -> bool {
    matches!(
        error,
        Error::Picture(_) | Error::Data(_) | Error::File { .. } | Error::TooLarge { .. }
    )
}

/// Reports that a picture is left out.
pub(super) fn tell_failed(tell: &mut dyn FnMut(SurveyEvent), source: &Source, error: &Error) {
    tell(SurveyEvent::Failed { source, error });
}
