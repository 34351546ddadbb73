//! Energy inside: the part of the relevance that is on the object.

use dvm_image::short_percent as percent;

use super::object::Object;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::Error;
use crate::cam::score_cam::SCORE_CAM;

/// The share of the positive relevance that is on the object.
///
/// This is the energy-based pointing game of Score-CAM, and the relevance mass accuracy of CLEVR-XAI
/// (arXiv 2003.07258), whose maps are positive.
pub const ENERGY_INSIDE: MetricEntry = MetricEntry {
    name: "energy-inside",
    title: "energy inside",
    summary: "the share of the positive relevance that is on the object, 0 to 1 (also called \
              relevance mass accuracy)",
    reference: SCORE_CAM.reference,
    question: Question::Localisation,
    better: Better::Higher,
    needs: Needs::Region,
    cost: "none",
    options: &[],
    build: |_| Ok(Box::new(EnergyInside)),
};

struct EnergyInside;

impl Metric for EnergyInside {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let object = Object::of(candidate)?;
        let inside = inside(candidate.relevance(), object.pixels).ok_or_else(|| {
            Error::Unfit(
                "no pixel of the map has positive relevance, so none of it is on the object".into(),
            )
        })?;
        let finding = (inside <= object.share).then(|| {
            format!(
                "{} of the positive relevance is on the object, which takes {} of the picture: no \
                 more than for a map that is the same everywhere",
                percent(inside),
                percent(object.share)
            )
        });
        Ok(Measurement::of(inside)
            .with_figure("object's share of the picture", object.share)
            .with_finding(finding))
    }
}

/// `Σ max(r, 0)` over the object, divided by that over all pixels; none if that is zero.
fn inside(relevance: &[f32], object: &[bool]) -> Option<f64> {
    let (mut on_object, mut all) = (0.0, 0.0);
    for (&value, &is_object) in relevance.iter().zip(object) {
        let value = f64::from(value.max(0.0));
        all += value;
        on_object += if is_object { value } else { 0.0 };
    }
    (all > 0.0).then(|| on_object / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_relevance_does_not_count() {
        let object = [true, true, false, false];
        assert_eq!(inside(&[3.0, -7.0, 1.0, -1.0], &object), Some(0.75));
        assert_eq!(inside(&[-3.0, 0.0, -1.0, 0.0], &object), None);
    }
}
