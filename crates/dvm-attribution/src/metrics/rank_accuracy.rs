//! Rank accuracy: are the most relevant pixels on the object?

use dvm_image::short_percent as percent;

use super::object::Object;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::Error;
use crate::registry::{Published, Reference};

/// The part of the most relevant pixels that is on the object.
pub const RANK_ACCURACY: MetricEntry = MetricEntry {
    name: "rank-accuracy",
    title: "rank accuracy",
    summary: "the share of the N most relevant pixels that is on the object, 0 to 1, where N is the \
              number of the object's pixels",
    reference: Reference {
        authors: "Arras, Osman, Samek",
        year: 2020,
        title: "CLEVR-XAI: A Benchmark Dataset for the Ground Truth Evaluation of Neural Network Explanations",
        published: Published::Arxiv("2003.07258"),
    },
    question: Question::Localisation,
    better: Better::Higher,
    needs: Needs::Region,
    cost: "none",
    options: &[],
    build: |_| Ok(Box::new(RankAccuracy)),
};

struct RankAccuracy;

impl Metric for RankAccuracy {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let object = Object::of(candidate)?;
        let accuracy = accuracy(candidate.relevance(), object.pixels, object.area);
        let finding = (accuracy <= object.share).then(|| {
            format!(
                "{} of the most relevant pixels are on the object, which takes {} of the picture: \
                 no more than for pixels drawn at random",
                percent(accuracy),
                percent(object.share)
            )
        });
        Ok(Measurement::of(accuracy)
            .with_figure("object's share of the picture", object.share)
            .with_finding(finding))
    }
}

/// The part of the `area` most relevant pixels that is on the object. Pixels that are equal to the
/// last of these count with the part of them that is among the `area`: the mean over all orders.
fn accuracy(relevance: &[f32], object: &[bool], area: usize) -> f64 {
    let mut sorted = relevance.to_vec();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(area - 1, |a, b| b.total_cmp(a));
    let (mut above, mut above_inside, mut equal, mut equal_inside) =
        (0usize, 0usize, 0usize, 0usize);
    for (&value, &is_object) in relevance.iter().zip(object) {
        let inside = usize::from(is_object);
        if value > least {
            above += 1;
            above_inside += inside;
        } else if value == least {
            equal += 1;
            equal_inside += inside;
        }
    }
    let taken = (area - above) as f64 / equal as f64;
    (above_inside as f64 + taken * equal_inside as f64) / area as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_relevant_pixels_are_as_many_as_the_object_has() {
        let object = [true, true, true, false, false];
        // 5 and 4 are inside, 3 is not.
        assert_eq!(accuracy(&[5.0, 4.0, -9.0, 3.0, 0.0], &object, 3), 2.0 / 3.0);
        assert_eq!(accuracy(&[1.0, 2.0, 3.0, -1.0, -2.0], &object, 3), 1.0);
    }

    #[test]
    fn equal_pixels_count_with_the_part_of_them_that_is_taken() {
        // 9 is taken; of the four zeros, of which one is inside, one more.
        let object = [true, true, false, false, false];
        assert_eq!(
            accuracy(&[9.0, 0.0, 0.0, -0.0, 0.0], &object, 2),
            (1.0 + 0.25) / 2.0
        );
        // A constant map has the accuracy of random pixels.
        assert_eq!(accuracy(&[3.0; 5], &object, 2), 0.4);
    }
}
