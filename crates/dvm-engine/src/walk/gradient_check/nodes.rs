//! The gradient check of single nodes: the gradient that reaches each node against the gradients for its
//! inputs.
//!
//! The picture is moved a little, and every node's value changes. The gradient `G` of a node predicts that
//! the score changes by `G · Δy`; the gradients `B` that the node computes for its inputs predict `Σ B · Δx`.
//! The two must be equal. Both use values of the same forward passes, so rounding in earlier layers does not
//! matter, and steps are so short that hardly any unit crosses a kink. This finds a mistake in one op of a
//! deep network that changes the gradient of the whole network too little to be seen there.

use rayon::prelude::*;

use super::field::field;
use super::moved;
use crate::ops::Mode;
use crate::rules::Composite;
use crate::walk::forward::SavedActivations;
use crate::{Activations, Error, Gradients, Graph, Keep, NodeId, Request, Tensor, seeded};

/// A node is right if the relative difference of its two sums, averaged over the first two steps, is below
/// this.
const TOLERANCE: f64 = 0.05;

/// A node is wrong if the relative difference of its sums, averaged over all steps, is above this: many times
/// what kinks cause in a right node with such short steps.
const WRONG: f64 = 0.15;

/// A difference counts as an error only if its square is more than this many times the square of the
/// asymmetry between the step up and the step down. Kinks and rounding make the two sides differ; a wrong
/// gradient does not.
const CERTAIN: f64 = 2.0;

/// Relative rounding error of a value: the kernels of fast arithmetic round more than once.
const ROUNDING: f64 = 1e-5;

/// Step lengths, each along another direction.
const STEPS: [f64; 6] = [1e-3, 3e-3, 1e-3, 1e-2, 3e-3, 1e-3];

/// Number of values in one partial sum.
const PART: usize = 1 << 14;

/// The most nodes that an error names.
const MOST_NAMED: usize = 3;

/// How many copies of the activations may be in memory: those of the picture, of the picture moved up and
/// down, the gradients, values being computed, and the activations of another picture that the caller may
/// hold.
pub(super) const COPIES: usize = 6;

/// The result for all nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub compared: usize,
    pub mismatch: f64,
}

/// A node whose gradient may be wrong, with sums of squares over all steps so far, each relative to the
/// scale.
struct Suspect {
    id: NodeId,
    off: f64,
    sides: f64,
    walks: usize,
    /// The two sums of the step at which they differ most.
    arrived: f64,
    left: f64,
}

impl Suspect {
    fn new(id: NodeId) -> Self {
        Self {
            id,
            off: 0.0,
            sides: 0.0,
            walks: 0,
            arrived: 0.0,
            left: 0.0,
        }
    }

    fn add(&mut self, balance: Balance) {
        let Balance {
            arrived,
            left,
            sides,
            scale,
        } = balance;
        let off = (arrived - left).abs();
        // After an overflow there is nothing to compare.
        if !(off.is_finite() && sides.is_finite() && scale.is_finite() && scale > 0.0) {
            return;
        }
        if off >= (self.arrived - self.left).abs() {
            (self.arrived, self.left) = (arrived, left);
        }
        self.off += (off / scale).powi(2);
        self.sides += (sides / scale).powi(2);
        self.walks += 1;
    }

    /// Root mean square of the relative difference of the two sums.
    fn mismatch(&self) -> f64 {
        (self.off / self.walks.max(1) as f64).sqrt()
    }

    fn is_wrong(&self) -> bool {
        self.mismatch() > WRONG && self.off > CERTAIN * self.sides
    }
}

/// The changes of the score that a node's gradient and those of its inputs predict.
struct Balance {
    /// `G · Δy`.
    arrived: f64,
    /// `Σ B · Δx`.
    left: f64,
    /// The asymmetry: the difference of (`arrived` − `left`) between the step up and the step down.
    sides: f64,
    /// The largest of the two sums, the usual size of such a sum, and a size well above rounding.
    scale: f64,
}

impl Graph {
    /// Compares `G · Δy` and `Σ B · Δx` at every node between the input and the output. `kept` holds all
    /// activations of `picture`; the score is the sum of the outputs with these weights.
    ///
    /// # Errors
    /// [`Error::Gradient`], naming the nodes, if some are certainly wrong.
    pub(super) fn check_nodes(
        &self,
        picture: &Tensor,
        kept: &Activations,
        weights: &[f32],
        rules: &Composite,
    ) -> Result<Found, Error> {
        let seed = Tensor::from_stored(kept.output().shape(), weights.to_vec());
        let nodes: Vec<NodeId> = self.ids().collect();
        let request = Request {
            nodes: &nodes,
            parameters: &|_| false,
            rules,
        };
        let gradients = self.backward(kept, &[(self.output(), seed)], &request)?;
        let held = SavedActivations::of(kept);
        let leads = self.leads_from_input();
        let mut open: Vec<Suspect> = nodes
            .into_iter()
            .filter(|&id| leads[id.index()] && !self.node(id).inputs.is_empty())
            .filter(|&id| gradients.node(id).is_some())
            .map(Suspect::new)
            .collect();
        let mut found = Found {
            compared: open.len(),
            mismatch: 0.0,
        };
        for (round, step) in STEPS.into_iter().enumerate() {
            let direction = direction(round, shape4(picture));
            let walk = |by: f64| {
                let moved = moved(picture, &direction, by);
                self.forward(&moved, Mode::Inference, Keep::All)
            };
            let sides = [walk(step)?, walk(-step)?];
            for suspect in &mut open {
                let balance = self.balance((&held, &sides), &gradients, suspect.id, rules)?;
                suspect.add(balance);
            }
            open.retain(|suspect| {
                // In a single step the changes may be small by chance.
                let is_open = round != 1 || suspect.mismatch() > TOLERANCE;
                if !is_open {
                    found.mismatch = found.mismatch.max(suspect.mismatch());
                }
                is_open
            });
            if open.is_empty() {
                break;
            }
        }
        let (wrong, right): (Vec<_>, Vec<_>) = open.into_iter().partition(Suspect::is_wrong);
        for suspect in right {
            found.mismatch = found.mismatch.max(suspect.mismatch().min(1.0));
        }
        match wrong.is_empty() {
            true => Ok(found),
            false => Err(self.error_at(&wrong)),
        }
    }

    /// The two sums of a node for one step up and down.
    fn balance(
        &self,
        (held, [above, below]): (&SavedActivations, &[Activations; 2]),
        gradients: &Gradients,
        id: NodeId,
        rules: &Composite,
    ) -> Result<Balance, Error> {
        let node = self.node(id);
        let value = |id: NodeId, of: Option<&Tensor>| of.cloned().ok_or_else(|| self.not_kept(id));
        // The values of one node at the step up, at the picture, and at the step down.
        let three = |id: NodeId| -> Result<[Tensor; 3], Error> {
            Ok([
                value(id, above.get(id))?,
                value(id, held.values[id.index()].as_ref())?,
                value(id, below.get(id))?,
            ])
        };
        let grad_output = value(id, gradients.node(id))?;
        let wants = vec![true; node.inputs.len()];
        let wants_parameter = vec![false; node.parameters.len()];
        let leaving = self.step(
            held,
            id,
            grad_output.clone(),
            (&wants, &wants_parameter),
            rules,
        )?;
        let [up, down, usual, size] = sums(&grad_output, &three(id)?);
        let (mut left_up, mut left_down, mut sizes) = (0.0, 0.0, size * size);
        for (&input, gradient) in node.inputs.iter().zip(&leaving.inputs) {
            if let Some(gradient) = gradient {
                let [up, down, _, size] = sums(gradient, &three(input)?);
                left_up += up;
                left_down += down;
                sizes += size * size;
            }
        }
        let (arrived, left) = (up + down, left_up + left_down);
        let rounding = ROUNDING * sizes.sqrt() / WRONG;
        Ok(Balance {
            arrived,
            left,
            sides: ((up - left_up) - (down - left_down)).abs(),
            scale: arrived.abs().max(left.abs()).max(usual).max(rounding),
        })
    }

    /// Whether each node depends on the input.
    fn leads_from_input(&self) -> Vec<bool> {
        let mut leads = vec![false; self.nodes().len()];
        leads[self.input().index()] = true;
        for id in self.ids() {
            let mut inputs = self.node(id).inputs.iter();
            leads[id.index()] |= inputs.any(|input| leads[input.index()]);
        }
        leads
    }

    fn error_at(&self, wrong: &[Suspect]) -> Error {
        let named: Vec<String> = wrong
            .iter()
            .take(MOST_NAMED)
            .map(|wrong| {
                let node = self.node(wrong.id);
                format!(
                    "node `{}` ({}) has {:.4e} for its value and {:.4e} for its inputs",
                    node.name,
                    node.op.kind(),
                    wrong.arrived,
                    wrong.left
                )
            })
            .collect();
        let more = match wrong.len() - named.len() {
            0 => String::new(),
            more => format!(", and {more} more nodes are wrong"),
        };
        Error::Gradient {
            detail: format!(
                "for a small change of the input, a node's gradient and the gradients that it computes for its \
                 inputs must predict the same change of the score, but {}{more}",
                named.join(", ")
            ),
        }
    }
}

/// The change of the score that a gradient predicts for the step up and for the step down, the usual size of
/// their sum, and the usual size of the product of the gradient with the value itself.
fn sums(gradient: &Tensor, [above, here, below]: &[Tensor; 3]) -> [f64; 4] {
    // Partial sums have a fixed number of values and are added in order, so that results do not depend on the
    // number of threads.
    let part = |at: usize| {
        let values = at..(at + PART).min(gradient.len());
        let [above, here, below] = [above, here, below].map(|t| &t.data()[values.clone()]);
        let mut sums = [0.0f64; 5];
        for (index, &gradient) in gradient.data()[values].iter().enumerate() {
            let gradient = f64::from(gradient);
            let here = f64::from(here[index]);
            let up = f64::from(above[index]) - here;
            sums[0] += gradient * up;
            sums[1] += gradient * (here - f64::from(below[index]));
            sums[2] += gradient * gradient;
            sums[3] += up * up;
            sums[4] += here * here;
        }
        sums
    };
    let starts: Vec<usize> = (0..gradient.len()).step_by(PART).collect();
    let parts: Vec<[f64; 5]> = starts.into_par_iter().map(part).collect();
    let [up, down, gradients, changes, values] = parts.iter().fold([0.0; 5], |mut all, part| {
        all.iter_mut()
            .zip(part)
            .for_each(|(all, part)| *all += part);
        all
    });
    let usual = |squares: f64| (gradients * squares / gradient.len() as f64).sqrt();
    [up, down, 2.0 * usual(changes), usual(values)]
}

/// The direction of a step: alternately smooth like a picture and white noise. In the first layers gradients
/// change from pixel to pixel, and their sum over a smooth change nearly cancels.
fn direction(round: usize, shape: [usize; 4]) -> Tensor {
    let name = format!("gradient check: change {round}");
    if round.is_multiple_of(2) {
        return field(&name, shape);
    }
    let bound = 3f64.sqrt();
    let values = seeded::uniform(&name, shape.iter().product(), -bound, bound);
    Tensor::from_stored(&shape, values)
}

fn shape4(picture: &Tensor) -> [usize; 4] {
    let mut shape = [1; 4];
    shape.copy_from_slice(picture.shape());
    shape
}
