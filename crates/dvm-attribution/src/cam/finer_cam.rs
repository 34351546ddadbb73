//! Finer-CAM.

use dvm_options::{Count, OptionSpec, Positive, Settings, Takes, words};
use serde_json::Map;

use super::grad_cam::shares;
use super::gradient_cam::{GradientCam, Mixture};
use super::{AUGMENT, SMOOTH};
use crate::options::{LAYER, SCORE};
use crate::registry::{Entry, Family, Published, Reference};
use crate::{Score, SettingError, Target};

/// How much the similar classes count.
const ALPHA: OptionSpec = OptionSpec {
    name: "alpha",
    takes: Takes::AtLeast(0.0),
    default: "1",
    help: "how much the similar classes count against the class",
};

/// How many classes it is compared with.
const SIMILAR: OptionSpec = OptionSpec {
    name: "similar",
    takes: Takes::WholeFrom(1),
    default: "3",
    help: "the number of classes that the class is compared with: those whose logits are nearest to its own",
};

/// How the similar classes become one score.
const COMPARISON: OptionSpec = OptionSpec {
    name: "comparison",
    takes: Takes::OneOf(&["mean", "softmax"]),
    default: "mean",
    help: "the mean score of the similar classes (the paper), or weighted by the softmax of their logits, through \
           which the gradient goes as well (pytorch-grad-cam)",
};

words! {
    /// How the similar classes become one score.
    enum Weighting {
        /// All count alike.
        Mean = "mean",
        /// By the softmax of their logits.
        Softmax = "softmax",
    }
}

const OPTIONS: &[OptionSpec] = &[LAYER, SCORE, AUGMENT, SMOOTH, ALPHA, SIMILAR, COMPARISON];

/// Grad-CAM of the class's score minus those of the classes that are most similar.
pub const FINER_CAM: Entry = Entry {
    name: "finer-cam",
    title: "Finer-CAM",
    summary: "Grad-CAM of what sets the class apart from those that the network takes for most similar",
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
    build: |settings| Ok(Box::new(built(settings)?)),
};

/// How a class is compared with similar ones.
#[derive(Clone, Copy)]
struct Comparison {
    alpha: f64,
    similar: usize,
    weighting: Weighting,
}

fn built(settings: &Settings) -> Result<GradientCam, SettingError> {
    let names = ("Finer-CAM", "weighted channels");
    let Count(similar) = SIMILAR.of(settings)?;
    let Positive(alpha) = ALPHA.of(settings)?;
    let comparison = Comparison {
        alpha,
        similar,
        weighting: COMPARISON.of(settings)?,
    };
    let parameters = [
        (ALPHA.name.into(), alpha.into()),
        (SIMILAR.name.into(), similar.into()),
        (COMPARISON.name.into(), comparison.weighting.word().into()),
    ];
    Ok(GradientCam {
        parameters: Map::from_iter(parameters),
        mix: Some(Box::new(move |subject, target, score| {
            let numbers = subject.numbers()?;
            let output = subject.output();
            let (logits, scores) = (output.logits(&numbers), score.of(output, &numbers));
            target.check(logits.len())?;
            Ok(comparison.mixture(target, score, (&logits, &scores)))
        })),
        ..GradientCam::new(names, shares, settings)?
    })
}

impl Comparison {
    /// The score of the target minus `alpha` times those of the similar classes.
    fn mixture(&self, target: &Target, score: Score, of: (&[f32], &[f32])) -> Mixture {
        let (logits, scores) = of;
        let similar = self.similar_to(target, logits);
        let mut mixture = vec![(target.clone(), score, 1.0)];
        if similar.is_empty() {
            return mixture;
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
            mixture.push((class_alone.clone(), score, -self.alpha * weight));
            if self.weighting == Weighting::Softmax {
                // The weight grows with the class's logit, too: d w_i = w_i (d z_i − Σ_j w_j d z_j).
                let growth = weight * (f64::from(scores[class]) - mean);
                mixture.push((class_alone, Score::Logit, -self.alpha * growth));
            }
        }
        mixture
    }

    /// The classes whose logits are nearest to the target's first class, nearest first, of those that the
    /// target is not about.
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
    fn the_nearest_logits_are_similar_and_the_target_s_own_classes_are_not() {
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
    fn a_mean_counts_all_similar_classes_alike() {
        let comparison = comparison(Weighting::Mean);
        let mixture = comparison.mixture(&Target::Class(0), Score::Logit, (&LOGITS, &LOGITS));
        let expected = [(0, 1.0), (3, -0.25), (1, -0.25)];
        let expected = expected.map(|(class, factor)| (Target::Class(class), Score::Logit, factor));
        assert_eq!(mixture, expected);
    }

    #[test]
    fn the_softmax_s_own_slope_counts() {
        // f(z) = z₀ − ½ Σ softmax(z₃, z₁)ᵢ zᵢ, by differences.
        let f = |z: [f64; 5]| {
            let (a, b) = (z[3].exp(), z[1].exp());
            z[0] - 0.5 * (a * z[3] + b * z[1]) / (a + b)
        };
        let comparison = comparison(Weighting::Softmax);
        let mixture = comparison.mixture(&Target::Class(0), Score::Logit, (&LOGITS, &LOGITS));
        for class in [0, 1, 3] {
            let at = LOGITS.map(f64::from);
            let moved = |by: f64| {
                let mut z = at;
                z[class] += by;
                f(z)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let of_class = mixture
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
