//! Finer-CAM.

use dvm_options::{OptionSpec, Takes, words};

use super::grad_cam::shares;
use super::gradient_cam::{GradientCam, WeightedTargets};
use super::{AUGMENT, SMOOTH};
use crate::options::{LAYER, SCORE};
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::{OptionReader, Score, SettingError, Target};

/// The weight of the similar classes.
const ALPHA: OptionSpec = OptionSpec {
    name: "alpha",
    takes: Takes::AtLeast(0.0),
    default: "1",
    help: "weight of the similar classes",
};

/// The number of similar classes.
const SIMILAR: OptionSpec = OptionSpec {
    name: "similar",
    takes: Takes::WholeFrom(1),
    default: "3",
    help: "number of similar classes: those with the nearest logits",
};

/// How the scores of the similar classes are averaged.
const COMPARISON: OptionSpec = OptionSpec {
    name: "comparison",
    takes: Takes::OneOf(Weighting::WORDS),
    default: "mean",
    help: "how the scores of the similar classes are averaged: mean (the paper), or softmax (weighted by the \
           softmax of their logits, which the gradient includes; pytorch-grad-cam)",
};

words! {
    /// How the scores of the similar classes are averaged.
    enum Weighting {
        /// With equal weights.
        Mean = "mean",
        /// By the softmax of their logits.
        Softmax = "softmax",
    }
}

const OPTIONS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT, SMOOTH, ALPHA, SIMILAR, COMPARISON];

/// Grad-CAM of the class's score minus those of the classes that are most similar.
pub const FINER_CAM: MethodEntry = MethodEntry {
    name: "finer-cam",
    title: "Finer-CAM",
    summary: "Grad-CAM of the class's score minus the scores of the most similar classes: shows \
              what is specific to the class",
    reference: Reference {
        authors: "Zhang, Gu, Chowdhury, Mai, Carlyn, Berger-Wolf, Su, Chao",
        year: 2025,
        title: "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation",
        published: Published::Arxiv("2501.11309"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 + similar back to the layer",
    networks: super::NETWORKS,
    options: OPTIONS,
    presets: &[],
    build: |options| Ok(Box::new(built(options)?)),
};

/// How a class is compared with similar ones.
#[derive(Clone, Copy)]
struct Comparison {
    alpha: f64,
    similar: usize,
    weighting: Weighting,
}

fn built(options: &mut OptionReader) -> Result<GradientCam, SettingError> {
    let comparison = Comparison {
        similar: options.count(&SIMILAR)?,
        alpha: options.positive(&ALPHA)?,
        weighting: options.word(&COMPARISON)?,
    };
    Ok(GradientCam {
        targets: Some(Box::new(move |subject, target, score| {
            let numbers = subject.numbers()?;
            let output = subject.output();
            let (logits, scores) = (output.logits(&numbers), score.of(output, &numbers));
            target.check(logits.len())?;
            Ok(comparison.weighted_targets(target, score, (&logits, &scores)))
        })),
        ..GradientCam::new(("Finer-CAM", "weighted channels"), shares, options)?
    })
}

impl Comparison {
    /// The score of the target minus `alpha` times those of the similar classes.
    fn weighted_targets(
        &self,
        target: &Target,
        score: Score,
        of: (&[f32], &[f32]),
    ) -> WeightedTargets {
        let (logits, scores) = of;
        let similar = self.similar_to(target, logits);
        let mut weighted_targets = vec![(target.clone(), score, 1.0)];
        if similar.is_empty() {
            return weighted_targets;
        }
        let largest = similar
            .iter()
            .map(|&class| logits[class])
            .fold(f32::NEG_INFINITY, f32::max);
        let raw: Vec<f64> = similar
            .iter()
            .map(|&class| match self.weighting {
                Weighting::Mean => 1.0,
                Weighting::Softmax => f64::from(logits[class] - largest).exp(),
            })
            .collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|w| w / sum).collect();
        let pairs = similar.iter().zip(&weights);
        let mean: f64 = pairs.map(|(&class, w)| w * f64::from(scores[class])).sum();
        for (&class, &weight) in similar.iter().zip(&weights) {
            let class_alone = Target::Class(class);
            weighted_targets.push((class_alone.clone(), score, -self.alpha * weight));
            if self.weighting == Weighting::Softmax {
                // The weight depends on the class's logit, too: d w_i = w_i (d z_i − Σ_j w_j d z_j).
                let growth = weight * (f64::from(scores[class]) - mean);
                weighted_targets.push((class_alone, Score::Logit, -self.alpha * growth));
            }
        }
        weighted_targets
    }

    /// The classes whose logits are nearest to that of the target's first class, nearest first,
    /// without the classes of the target.
    fn similar_to(&self, target: &Target, logits: &[f32]) -> Vec<usize> {
        let own = target.weights();
        let is_other = |class: &usize| own.iter().all(|(known, _)| known != class);
        let distance = |class: usize| (logits[class] - logits[target.class()]).abs();
        let mut others: Vec<usize> = (0..logits.len()).filter(is_other).collect();
        others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        others.truncate(self.similar);
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 0.0, 3.0, 0.5, 9.0];

    fn comparison(weighting: Weighting) -> Comparison {
        Comparison {
            alpha: 0.5,
            similar: 2,
            weighting,
        }
    }

    #[test]
    fn the_similar_classes_have_the_nearest_logits_and_are_not_in_the_target() {
        let comparison = comparison(Weighting::Mean);
        assert_eq!(comparison.similar_to(&Target::Class(0), &LOGITS), [3, 1]);
        assert_eq!(
            comparison.similar_to(&Target::Difference(0, 3), &LOGITS),
            [1, 2]
        );
        assert_eq!(
            comparison.similar_to(&Target::Sum(vec![0, 1, 3]), &LOGITS),
            [2, 4]
        );
        assert_eq!(comparison.similar_to(&Target::Class(1), &[0.0, 2.0]), [0]);
    }

    #[test]
    fn the_mean_weights_all_similar_classes_equally() {
        let comparison = comparison(Weighting::Mean);
        let weighted_targets =
            comparison.weighted_targets(&Target::Class(0), Score::Logit, (&LOGITS, &LOGITS));
        let expected = [(0, 1.0), (3, -0.25), (1, -0.25)];
        let expected = expected.map(|(class, factor)| (Target::Class(class), Score::Logit, factor));
        assert_eq!(weighted_targets, expected);
    }

    #[test]
    fn the_gradient_of_the_softmax_is_included() {
        // f(z) = z₀ − ½ Σ softmax(z₃, z₁)ᵢ zᵢ, by differences.
        let f = |z: [f64; 5]| {
            let (a, b) = (z[3].exp(), z[1].exp());
            z[0] - 0.5 * (a * z[3] + b * z[1]) / (a + b)
        };
        let comparison = comparison(Weighting::Softmax);
        let weighted_targets =
            comparison.weighted_targets(&Target::Class(0), Score::Logit, (&LOGITS, &LOGITS));
        for class in [0, 1, 3] {
            let at = LOGITS.map(f64::from);
            let moved = |by: f64| {
                let mut z = at;
                z[class] += by;
                f(z)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let of_class = weighted_targets
                .iter()
                .filter(|(t, _, _)| *t == Target::Class(class));
            let found: f64 = of_class.map(|(_, _, factor)| factor).sum();
            assert!(
                (found - expected).abs() < 1e-6,
                "{class}: {found} {expected}"
            );
        }
    }
}
