//! Random logit: does the map of another class differ?

use dvm_engine::Output;
use dvm_options::Takes;

use super::agreement::Agreement;
use super::options::SEED;
use super::random_weights::{refuse_plain, relevance_of};
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::random::Stream;
use crate::registry::{Published, Reference};
use crate::{Error, OptionReader, OptionSpec, SettingError, Target};

const OTHER: OptionSpec = OptionSpec {
    name: "other",
    takes: Takes::Text("INDEX"),
    default: "",
    help: "index of the class to compare with, from 0; random if not given",
};

/// Whether the map depends on the class.
pub const RANDOM_LOGIT: MetricEntry = MetricEntry {
    name: "random-logit",
    title: "random logit",
    summary: "similarity of the map to that of another class (SSIM): close to 1 if the map does \
              not depend on the class",
    reference: Reference {
        authors: "Sixt, Granz, Landgraf",
        year: 2019,
        title: "When Explanations Lie: Why Many Modified BP Attributions Fail",
        published: Published::Arxiv("1912.09818"),
    },
    question: Question::Randomisation,
    better: Better::Lower,
    needs: Needs::Method,
    cost: "one map",
    options: &[OTHER, SEED],
    build: |options| Ok(Box::new(RandomLogit::new(options)?)),
};

struct RandomLogit {
    other: Option<usize>,
    seed: u64,
}

impl RandomLogit {
    fn new(options: &mut OptionReader) -> Result<Self, SettingError> {
        let other: String = options.written(&OTHER)?;
        let other = match &other[..] {
            "" => None,
            text => {
                let expected = "it must be the index of a class, from 0";
                let class: usize = text.parse().map_err(|_| OTHER.refuse(text, expected))?;
                options.note(OTHER.name, class);
                Some(class)
            }
        };
        Ok(Self {
            other,
            seed: options.plain(&SEED)?,
        })
    }

    /// The class to compare with.
    fn other(&self, target: &Target, classes: usize) -> Result<usize, Error> {
        let own = target.weights();
        let is_own = |class: usize| own.iter().any(|&(own, _)| own == class);
        if let Some(class) = self.other {
            Target::Class(class).check(classes)?;
            if is_own(class) {
                return Err(Error::Unfit(format!(
                    "the map explains class {class}, so it cannot be compared with that of the \
                     same class; choose another one with the option `other`"
                )));
            }
            return Ok(class);
        }
        let others: Vec<usize> = (0..classes).filter(|&class| !is_own(class)).collect();
        if others.is_empty() {
            let what = "the map explains all classes of the network, so there is no other class to compare with";
            return Err(Error::Unfit(what.into()));
        }
        Ok(others[Stream::new("random-logit", self.seed).below(others.len())])
    }
}

/// The similarity and the rank correlation from which a map counts as independent of the class:
/// both must be reached. Measured with SqueezeNet 1.1 and EfficientNet-Lite0 on two photographs:
/// the similarity is 0.35 to 0.74 for gradients, 0.12 to 0.59 for Grad-CAM, 0.90 and more for
/// guided backprop (once 0.69), 0.99 for deconvnet, and 1 for Eigen-CAM.
const HARDLY_DIFFERENT: (f64, f64) = (0.9, 0.9);

/// The finding if the maps of two classes are nearly the same.
const INDEPENDENT_OF_CLASS: &str = "the map of another class is nearly the same: this map hardly depends on the \
                                    class, so it does not show why the network chose this one";

impl Metric for RandomLogit {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let subject = candidate.subject();
        refuse_plain(candidate.relevance())?;
        let numbers = subject.numbers()?.len();
        refuse_mirrored(numbers, subject.output(), candidate.attribution().score)?;
        let other = self.other(candidate.target(), Output::classes(numbers))?;
        // The classes that the target subtracts stay the same.
        let target = match candidate.target() {
            Target::Difference(_, against) => Target::Difference(other, *against),
            Target::Class(_) | Target::Sum(_) => Target::Class(other),
        };
        let map = relevance_of(candidate, subject, &target)?;
        let found = Agreement::of(candidate.relevance(), &map, subject.size());
        let is_alike = found.ssim >= HARDLY_DIFFERENT.0 && found.rank >= HARDLY_DIFFERENT.1;
        Ok(Measurement::of(found.ssim)
            .with_figure("rank correlation", found.rank)
            .with_figure("rank correlation of absolute values", found.absolute_rank)
            .with_figure("other class", other as f64)
            .with_finding(is_alike.then(|| INDEPENDENT_OF_CLASS.into())))
    }
}

/// Refuses networks whose two classes share one output, or whose two scores add up to a constant:
/// the map of one class is then that of the other with the opposite sign, for any method.
fn refuse_mirrored(numbers: usize, output: Output, score: &str) -> Result<(), Error> {
    if numbers == 1 {
        return Err(Error::Unfit(
            "the network has one output for its two classes, so their maps only differ in sign; \
             this test needs a network with one output per class"
                .into(),
        ));
    }
    let is_coupled =
        score != "logit" || matches!(output, Output::Probabilities | Output::LogProbabilities);
    if numbers == 2 && is_coupled && !output.is_of_labels() && output != Output::Activations {
        return Err(Error::Unfit(
            "the probabilities of the network's two classes add up to 1, so their maps only differ \
             in sign and size; this test needs maps of logits here"
                .into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_class_is_not_one_of_the_target() {
        for seed in 0..40 {
            let metric = RandomLogit { other: None, seed };
            let sum = Target::Sum(vec![0, 2]);
            assert!([1, 3].contains(&metric.other(&sum, 4).unwrap()));
            assert_eq!(metric.other(&Target::Class(1), 2).unwrap(), 0);
        }
        let metric = RandomLogit {
            other: None,
            seed: 0,
        };
        assert!(metric.other(&Target::Sum(vec![0, 1]), 2).is_err());
    }

    #[test]
    fn the_other_class_must_exist_and_differ_from_the_target() {
        let metric = RandomLogit {
            other: Some(3),
            seed: 0,
        };
        assert_eq!(metric.other(&Target::Class(1), 4).unwrap(), 3);
        assert!(matches!(
            metric.other(&Target::Class(1), 3),
            Err(Error::Class {
                class: 3,
                classes: 3
            })
        ));
        assert!(matches!(
            metric.other(&Target::Difference(0, 3), 4),
            Err(Error::Unfit(_))
        ));
    }

    #[test]
    fn networks_with_one_output_for_two_classes_are_refused() {
        assert!(refuse_mirrored(1, Output::Logits, "logit").is_err());
        assert!(refuse_mirrored(2, Output::Logits, "probability").is_err());
        assert!(refuse_mirrored(2, Output::Probabilities, "logit").is_err());
        assert!(refuse_mirrored(2, Output::Logits, "logit").is_ok());
        assert!(refuse_mirrored(2, Output::LabelLogits, "probability").is_ok());
        assert!(refuse_mirrored(3, Output::Logits, "probability").is_ok());
    }
}
