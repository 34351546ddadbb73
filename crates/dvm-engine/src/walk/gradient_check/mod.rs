//! The gradient check: directional derivatives of the gradient against central differences of the network's
//! output.
//!
//! Every op has backward code, and a mistake in it makes a map that looks like any other. Forward code is
//! tested by every result of the network, so the check relies on it: along a direction `v` the gradient
//! predicts that the score changes by `g · v`, and `(f(x + h v) − f(x − h v)) / 2h` must be the same. Both
//! are computed at a random picture with the statistics of a photograph, not at a photograph: in flat regions
//! of a photograph many units are exactly at the kink of a ReLU or are tied in a maximum, where no derivative
//! is defined.
//!
//! Every node is compared separately (`nodes`), which finds a mistake in one op of many and names the node.
//! The whole backward pass is compared along two kinds of directions, which find different mistakes. Along
//! the gradient itself the score changes most for the smallest step, so that hardly a kink is crossed and the
//! two agree to a part in a thousand: this finds a wrong factor or sign. A part that the gradient misses,
//! such as a branch, may change nothing along it; random directions find that, less exactly.

mod field;
mod judgement;
mod nodes;

use self::field::{field, product, rms, squares};
use self::judgement::{Verdict, judge};
use crate::rules::Composite;
use crate::{Error, GradientCheck, Graph, Keep, Mode, Request, Tensor, seeded};

/// The largest relative difference along the gradient itself; it allows for kinks that a step crosses.
const TOLERANCE_ALONG: f64 = 0.02;

/// The largest relative difference along random directions, which take longer steps for the same change.
const TOLERANCE_RANDOM: f64 = 0.1;

/// Number of scores, each a random sum of the network's outputs.
const SCORES: usize = 2;

/// Number of random directions.
const DIRECTIONS: usize = 2;

/// One comparison that failed.
struct Mismatch {
    along_gradient: bool,
    claimed: f64,
    central: f64,
}

impl Graph {
    /// The result of [`Graph::check_gradient`] for this network and the true gradients. It is computed at the
    /// first call for this shape and shared with the graphs that passes made of this one and with copies that have
    /// other parameter values.
    ///
    /// # Errors
    /// As [`Graph::check_gradient`].
    pub fn gradient_check(
        &self,
        input: &[usize; 4],
        allowed: usize,
    ) -> Result<GradientCheck, Error> {
        let of_nodes = self.compares_nodes(input, allowed)?;
        if let Some(known) = self.known_gradient_check(input, of_nodes) {
            return Ok(known);
        }
        let found = self.check_gradient(input, allowed, &crate::rules::TRUE_GRADIENT)?;
        self.note_gradient_check(input, of_nodes, found);
        Ok(found)
    }

    /// Whether the gradient check compares every node of an input `[1, C, H, W]` with this number of values in
    /// memory, and not only the network as a whole. On a device it compares only the whole network, whose
    /// passes are then the device's own.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn compares_nodes(&self, input: &[usize; 4], allowed: usize) -> Result<bool, Error> {
        if self.device().is_some() {
            return Ok(false);
        }
        let values = self.segments(input, allowed)?.values();
        Ok(nodes::COPIES.saturating_mul(values) <= allowed)
    }

    /// Compares directional derivatives with central differences: along each gradient, along random pictures,
    /// and at every node if memory allows it. The scores are random sums of the network's outputs for a
    /// random picture `[1, C, H, W]` of this shape; the gradients use these rules. At most `allowed` values
    /// are in memory, as in [`Graph::segments`]. It takes about as long as 30 to 50 forward passes. The same
    /// graph and shape always give the same figures.
    ///
    /// # Errors
    /// [`Error::Gradient`] for gradients that are certainly wrong, which neither rounding nor kinks can
    /// explain: at a node, averaged over six directions, or of the whole network, in most directions at
    /// nearly all step lengths. [`Error::Node`] if a node cannot be computed.
    pub fn check_gradient(
        &self,
        input: &[usize; 4],
        allowed: usize,
        rules: &Composite,
    ) -> Result<GradientCheck, Error> {
        let picture = field("gradient check: picture", *input);
        let segments = &self.segments(input, allowed)?;
        let of_nodes = self.compares_nodes(input, allowed)?;
        let kept = match of_nodes {
            true => self.forward(&picture, Mode::Inference, Keep::All)?,
            false => self.forward_in_segments(&picture, segments)?,
        };
        let outputs = kept.output();
        let scores = SCORES.min(outputs.len());
        let weights: Vec<Vec<f32>> = (0..scores)
            .map(|score| {
                let name = format!("gradient check: score {score}");
                seeded::uniform(&name, outputs.len(), -1.0, 1.0)
            })
            .collect();
        let wanted = [self.input()];
        let request = Request {
            nodes: &wanted,
            parameters: &|_| false,
            rules,
        };
        let nodes = match of_nodes {
            true => self.check_nodes(&picture, &kept, &weights[0], rules)?,
            false => nodes::Found::default(),
        };
        let mut gradients = Vec::new();
        for weights in &weights {
            let seed = Tensor::from_stored(outputs.shape(), weights.clone());
            let seeds = [(self.output(), seed)];
            let found = match of_nodes {
                true => self.backward(&kept, &seeds, &request)?,
                false => {
                    self.backward_in_segments((&picture, segments), &kept, &seeds, &request)?
                }
            };
            let gradient = found.node(self.input()).cloned();
            gradients.push(gradient.unwrap_or_else(|| Tensor::zeros(input)));
        }
        // A tenth of the usual size of the score: a step must change the score by this much to be seen above
        // rounding.
        let seen: Vec<f64> = weights
            .iter()
            .map(|weights| 0.1 * rms(outputs.data()) * squares(weights).sqrt())
            .collect();
        drop(kept);
        let ask = |direction: &Tensor, scores: &[usize], at: f64| {
            let moved = moved(&picture, direction, at);
            let numbers = self.logits(&moved)?;
            let score = |&score: &usize| product(&weights[score], numbers.data());
            Ok(scores.iter().map(score).collect())
        };
        let random: Vec<Tensor> = (0..DIRECTIONS)
            .map(|index| field(&format!("gradient check: direction {index}"), *input))
            .collect();
        let slopes = |direction: &Tensor| -> Vec<f64> {
            let slope = |gradient: &Tensor| product(gradient.data(), direction.data());
            gradients.iter().map(slope).collect()
        };
        let all: Vec<Vec<f64>> = random.iter().map(slopes).collect();
        // The usual size of a score's slope along a random direction.
        let usual = |score: usize| {
            let of_score: Vec<f32> = all.iter().map(|slopes| slopes[score] as f32).collect();
            rms(&of_score)
        };
        let mut tally = Tally::default();
        for (score, gradient) in gradients.iter().enumerate() {
            let square = squares(gradient.data());
            if !(square.is_finite() && square > 0.0) {
                tally.add(true, 0.0, Verdict::Undecided);
                continue;
            }
            // Long enough to change the score as much as a random direction does, and by at least `seen`, but
            // at most 1.
            let longest = (square * gradient.len() as f64).sqrt();
            let change = usual(score).max(seen[score]).min(longest);
            let direction = scaled(gradient, change / square);
            let claimed = product(gradient.data(), direction.data());
            let mut at = |at| ask(&direction, &[score], at);
            let verdict = judge(&[(claimed, 0.0)], TOLERANCE_ALONG, &mut at)?[0];
            tally.add(true, claimed, verdict);
        }
        let every: Vec<usize> = (0..scores).collect();
        for (direction, slopes) in random.iter().zip(&all) {
            let claims: Vec<(f64, f64)> = every.iter().map(|&s| (slopes[s], usual(s))).collect();
            let verdicts = judge(&claims, TOLERANCE_RANDOM, &mut |at| {
                ask(direction, &every, at)
            })?;
            for ((claimed, _), verdict) in claims.into_iter().zip(verdicts) {
                tally.add(false, claimed, verdict);
            }
        }
        if tally.is_wrong() {
            return Err(tally.error());
        }
        Ok(GradientCheck {
            nodes: nodes.compared,
            at_node: nodes.mismatch,
            ..tally.check
        })
    }
}

/// The results of all comparisons.
struct Tally {
    check: GradientCheck,
    mismatches: Vec<Mismatch>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            check: GradientCheck {
                compared: 0,
                undecided: 0,
                along_gradient: 0.0,
                along_random: 0.0,
                nodes: 0,
                at_node: 0.0,
            },
            mismatches: Vec::new(),
        }
    }
}

impl Tally {
    fn add(&mut self, along_gradient: bool, claimed: f64, verdict: Verdict) {
        let check = &mut self.check;
        check.compared += 1;
        let largest = match along_gradient {
            true => &mut check.along_gradient,
            false => &mut check.along_random,
        };
        match verdict {
            Verdict::Agrees(mismatch) => *largest = largest.max(mismatch),
            Verdict::Undecided => check.undecided += 1,
            Verdict::Differs { central } => self.mismatches.push(Mismatch {
                along_gradient,
                claimed,
                central,
            }),
        }
    }

    /// A single direction may fail by chance; a wrong gradient fails in most.
    fn is_wrong(&self) -> bool {
        let count = self.mismatches.len();
        count > 1 && 2 * count >= self.check.compared
    }

    fn error(&self) -> Error {
        let first = &self.mismatches[0];
        let direction = match first.along_gradient {
            true => "along the gradient itself",
            false => "along a random direction",
        };
        Error::Gradient {
            detail: format!(
                "{direction} it predicts that a random sum of the network's outputs changes by {:.4e} per step, but \
                 central differences give {:.4e} ({} of {} comparisons disagree)",
                first.claimed,
                first.central,
                self.mismatches.len(),
                self.check.compared,
            ),
        }
    }
}

/// The picture, moved along a direction.
fn moved(picture: &Tensor, direction: &Tensor, by: f64) -> Tensor {
    let pairs = picture.data().iter().zip(direction.data());
    let moved = pairs.map(|(&x, &v)| (f64::from(x) + by * f64::from(v)) as f32);
    Tensor::from_stored(picture.shape(), moved.collect())
}

/// The same direction with another length.
fn scaled(direction: &Tensor, factor: f64) -> Tensor {
    let values = direction.data().iter();
    let values = values.map(|&v| (f64::from(v) * factor) as f32).collect();
    Tensor::from_stored(direction.shape(), values)
}
