//! What is explained: a target, and which score of it.

use dvm_engine::Output;
use dvm_options::words;

use crate::Error;

/// What a map explains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The score of a class.
    Class(usize),
    /// The score of the first class minus that of the second.
    Difference(usize, usize),
    /// The sum of the scores of some classes.
    Sum(Vec<usize>),
}

words! {
    /// Which score of a target is explained.
    pub enum Score {
        /// The probability, 0 … 1; computed by softmax or sigmoid if the network outputs logits.
        Probability = "probability",
        /// The logit; the logarithm of the probability if the network outputs probabilities of exclusive classes.
        Logit = "logit",
        /// The natural logarithm of the probability.
        LogProbability = "log-probability",
    }
}

/// Smallest probability in logarithms; smaller ones are replaced by it.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

impl Score {
    /// The score of each class for the outputs `[K]` of a network.
    pub fn of(self, output: Output, numbers: &[f32]) -> Vec<f32> {
        match self {
            Self::Probability => output.probabilities(numbers),
            Self::Logit => output.logits(numbers),
            Self::LogProbability => log_probabilities(output, numbers),
        }
    }

    /// The name of the score for a network with this number of outputs.
    pub fn name(self, output: Output, outputs: usize) -> &'static str {
        match self {
            _ if output == Output::Activations => "activation",
            Self::Probability => "probability",
            Self::Logit => output.logit_name(outputs),
            Self::LogProbability => "log-probability",
        }
    }

    /// The gradient of the weighted sum of all classes' scores with respect to the outputs `[K]`.
    fn output_gradient(self, output: Output, numbers: &[f32], weights: &[f64]) -> Vec<f64> {
        if output == Output::Activations {
            return weights.to_vec();
        }
        let probabilities: Vec<f64> = {
            let all = output.probabilities(numbers).into_iter();
            all.map(f64::from).collect()
        };
        let logarithm = |p: f64| 1.0 / p.max(LEAST);
        let inverse_sigmoid = |p: f64| 1.0 / (p * (1.0 - p)).max(LEAST);
        if numbers.len() == 1 {
            // The single output is for *yes*, and with the opposite sign for *no*.
            let [no, yes] = [probabilities[0], probabilities[1]];
            let of_logit = [-1.0, 1.0];
            let of_probability = [-yes * no, yes * no];
            let of_logarithm = [-yes, no];
            let by_logit = match self {
                Self::Logit => of_logit,
                Self::Probability => of_probability,
                Self::LogProbability => of_logarithm,
            };
            let logit_by_number = match output {
                Output::Logits | Output::LabelLogits => 1.0,
                Output::LogProbabilities => 1.0 / no.max(LEAST),
                Output::Probabilities | Output::LabelProbabilities => inverse_sigmoid(yes),
                Output::Activations => unreachable!("they have no classes"),
            };
            let slope = weights[0] * by_logit[0] + weights[1] * by_logit[1];
            return vec![slope * logit_by_number];
        }
        let all = weights.iter().zip(&probabilities);
        let sum: f64 = match self {
            Self::Logit => 0.0,
            Self::Probability => all.clone().map(|(w, p)| w * p).sum(),
            Self::LogProbability => weights.iter().sum(),
        };
        let slope = |(&weight, &p): (&f64, &f64)| match (output, self) {
            (Output::Logits, Self::Logit)
            | (Output::LabelLogits, Self::Logit)
            | (Output::LogProbabilities, Self::Logit | Self::LogProbability)
            | (Output::Probabilities | Output::LabelProbabilities, Self::Probability) => weight,
            // The softmax couples all classes.
            (Output::Logits, Self::Probability) => p * (weight - sum),
            (Output::Logits, Self::LogProbability) => weight - p * sum,
            (Output::LogProbabilities, Self::Probability) => weight * p,
            (Output::Probabilities, Self::Logit)
            | (Output::Probabilities | Output::LabelProbabilities, Self::LogProbability) => {
                weight * logarithm(p)
            }
            (Output::LabelProbabilities, Self::Logit) => weight * inverse_sigmoid(p),
            (Output::LabelLogits, Self::Probability) => weight * p * (1.0 - p),
            (Output::LabelLogits, Self::LogProbability) => weight * (1.0 - p),
            (Output::Activations, _) => unreachable!("they have no classes"),
        };
        all.map(slope).collect()
    }
}

impl Target {
    /// The classes of the target, each with the factor of its score.
    pub fn weights(&self) -> Vec<(usize, f64)> {
        match self {
            Self::Class(class) => vec![(*class, 1.0)],
            Self::Difference(class, other) => vec![(*class, 1.0), (*other, -1.0)],
            Self::Sum(classes) => classes.iter().map(|&class| (class, 1.0)).collect(),
        }
    }

    /// The class that names the target: the first.
    ///
    /// # Panics
    /// For the sum of zero classes.
    pub fn class(&self) -> usize {
        match self {
            Self::Class(class) | Self::Difference(class, _) => *class,
            Self::Sum(classes) => classes[0],
        }
    }

    /// Checks that the network has all classes.
    ///
    /// # Errors
    /// [`Error::Class`]; [`Error::Unfit`] for the sum of zero classes.
    pub fn check(&self, classes: usize) -> Result<(), Error> {
        let weights = self.weights();
        if weights.is_empty() {
            return Err(Error::Unfit("a sum needs at least one class".into()));
        }
        match weights.iter().find(|(class, _)| *class >= classes) {
            None => Ok(()),
            Some(&(class, _)) => Err(Error::Class { class, classes }),
        }
    }

    /// Checks that the network has the classes of all these targets.
    ///
    /// # Errors
    /// As [`Target::check`].
    pub(crate) fn check_all(targets: &[Self], classes: usize) -> Result<(), Error> {
        targets.iter().try_for_each(|target| target.check(classes))
    }

    /// Its score, from the scores of all classes.
    ///
    /// # Errors
    /// As [`Target::check`].
    pub fn of(&self, scores: &[f32]) -> Result<f32, Error> {
        self.check(scores.len())?;
        if let Self::Class(class) = self {
            return Ok(scores[*class]);
        }
        let weights = self.weights().into_iter();
        let sum: f64 = weights.map(|(class, w)| w * f64::from(scores[class])).sum();
        Ok(sum as f32)
    }

    /// Its score for the outputs `[K]` of a network.
    ///
    /// # Errors
    /// As [`Target::check`].
    pub fn score(&self, score: Score, output: Output, numbers: &[f32]) -> Result<f32, Error> {
        self.of(&score.of(output, numbers))
    }

    /// The gradient of its score with respect to the outputs `[K]`: the start of a backward pass.
    ///
    /// # Errors
    /// As [`Target::check`].
    pub fn output_gradient(
        &self,
        score: Score,
        output: Output,
        numbers: &[f32],
    ) -> Result<Vec<f32>, Error> {
        let classes = score.of(output, numbers).len();
        self.check(classes)?;
        let mut weights = vec![0.0; classes];
        for (class, weight) in self.weights() {
            weights[class] += weight;
        }
        let output_gradient = score.output_gradient(output, numbers, &weights);
        Ok(output_gradient
            .into_iter()
            .map(|slope| slope as f32)
            .collect())
    }
}

/// The position of a target among those that a method was given.
///
/// # Panics
/// If it is none of them, which [`crate::Observation`] does not allow.
pub(crate) fn place(targets: &[Target], target: &Target) -> usize {
    let place = targets.iter().position(|known| known == target);
    place.expect("begin was given this target")
}

/// ln p of each class, accurate for small p.
fn log_probabilities(output: Output, numbers: &[f32]) -> Vec<f32> {
    // −ln(1 + e⁻ˣ)
    let log_sigmoid = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    let logarithm = |p: f32| f64::from(p).max(LEAST).ln() as f32;
    match (output, numbers) {
        (Output::Logits | Output::LabelLogits, &[x]) => {
            let x = f64::from(x);
            vec![log_sigmoid(-x) as f32, log_sigmoid(x) as f32]
        }
        (Output::LogProbabilities, &[x]) => {
            let no = -f64::from(x).exp_m1();
            vec![no.max(LEAST).ln() as f32, x]
        }
        (Output::Logits, _) => {
            let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let above = |&x: &f32| f64::from(x) - f64::from(largest);
            let sum: f64 = numbers.iter().map(|x| above(x).exp()).sum();
            numbers
                .iter()
                .map(|x| (above(x) - sum.ln()) as f32)
                .collect()
        }
        (Output::LabelLogits, _) => {
            let all = numbers.iter();
            all.map(|&x| log_sigmoid(x.into()) as f32).collect()
        }
        (Output::LogProbabilities | Output::Activations, _) => numbers.to_vec(),
        (Output::Probabilities | Output::LabelProbabilities, _) => {
            let all = output.probabilities(numbers).into_iter();
            all.map(logarithm).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [Score; 3] = [Score::Probability, Score::Logit, Score::LogProbability];

    /// Example outputs of a network of this kind.
    fn numbers(output: Output, one: bool) -> Vec<f32> {
        match (output, one) {
            (Output::Logits | Output::LabelLogits, false) => vec![0.3, -1.2, 2.0, 0.1],
            (Output::Logits | Output::LabelLogits, true) => vec![0.7],
            (Output::LogProbabilities, false) => [0.1f32, 0.2, 0.4, 0.3].map(f32::ln).to_vec(),
            (Output::LogProbabilities, true) => vec![0.3f32.ln()],
            (_, false) => vec![0.1, 0.2, 0.4, 0.3],
            (_, true) => vec![0.3],
        }
    }

    #[test]
    fn the_output_gradient_equals_finite_differences() {
        let targets = [
            Target::Class(1),
            Target::Class(0),
            Target::Difference(1, 0),
            Target::Sum(vec![0, 1]),
        ];
        for output in Output::ALL {
            for one in [false, true] {
                let at = numbers(output, one);
                for (score, target) in SCORES
                    .iter()
                    .flat_map(|s| targets.iter().map(move |t| (*s, t)))
                {
                    let output_gradient = target.output_gradient(score, output, &at).unwrap();
                    for (index, slope) in output_gradient.iter().enumerate() {
                        let step = 1e-2f32;
                        let moved = |by: f32| {
                            let mut moved = at.clone();
                            moved[index] += by;
                            f64::from(target.score(score, output, &moved).unwrap())
                        };
                        let found = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                        assert!(
                            (found - f64::from(*slope)).abs() < 5e-3 * found.abs().max(1.0),
                            "{output} {score:?} {target:?} {index}: {found} {slope}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn logarithms_of_small_probabilities_are_accurate() {
        let found = Score::LogProbability.of(Output::Logits, &[0.0, -200.0]);
        assert_eq!(found, [0.0, -200.0]);
        let found = Score::LogProbability.of(Output::LabelLogits, &[-200.0, 0.0]);
        assert_eq!(found, [-200.0, -std::f32::consts::LN_2]);
    }

    #[test]
    fn a_class_that_does_not_exist_is_an_error() {
        let refused = |target: Target| target.of(&[0.0; 3]).unwrap_err().to_string();
        let message = "class 3 does not exist: the network has 3 classes (0 to 2)";
        assert_eq!(refused(Target::Class(3)), message);
        assert_eq!(refused(Target::Difference(0, 3)), message);
        assert_eq!(
            refused(Target::Sum(Vec::new())),
            "a sum needs at least one class"
        );
    }
}
