//! RMSprop.

use dvm_options::{OptionSpec, Takes};

use super::{DECAYS_GRADIENT, OptimiserEntry, Rule, Step, weight_decay};

/// `s ← alpha · s + (1 − alpha) · g²`, `w ← w − rate · g / (√s + eps)`; as PyTorch's `RMSprop`,
/// optionally with momentum and centred.
#[derive(Debug)]
struct RmsProp {
    alpha: f64,
    eps: f32,
    momentum: f32,
    centered: bool,
}

pub(super) const ENTRY: OptimiserEntry = OptimiserEntry {
    name: "rmsprop",
    summary: "Gradients divided by the root of their mean square",
    paper: "Neural Networks for Machine Learning, lecture 6e (Tieleman and Hinton 2012); centred: arXiv 1308.0850",
    learning_rate: 1e-4,
    adaptive: true,
    options: &[
        OptionSpec {
            name: "alpha",
            default: "0.99",
            takes: Takes::From(0.0, 1.0),
            help: "decay rate of the mean of squared gradients",
        },
        OptionSpec {
            name: "eps",
            default: "1e-8",
            takes: Takes::Above(0.0),
            help: "small number added to the denominator",
        },
        OptionSpec {
            name: "momentum",
            default: "0",
            takes: Takes::From(0.0, 1.0),
            help: "momentum",
        },
        OptionSpec {
            name: "centered",
            default: "false",
            takes: Takes::Flag,
            help: "divide by the standard deviation of the gradients instead",
        },
        weight_decay("0", DECAYS_GRADIENT),
    ],
    build: |options| {
        Ok(Box::new(RmsProp {
            alpha: options.number("alpha"),
            eps: options.number("eps") as f32,
            momentum: options.number("momentum") as f32,
            centered: options.flag("centered"),
        }))
    },
};

impl Rule for RmsProp {
    fn slots(&self) -> &'static [&'static str] {
        match (self.momentum != 0.0, self.centered) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "grad_avg"],
            (true, false) => &["square_avg", "momentum_buffer"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }

    fn update(&self, step: &Step, slots: &mut [&mut [f32]], values: &mut [f32], gradients: &[f32]) {
        let rate = step.learning_rate as f32;
        let decay = step.weight_decay as f32;
        let (kept, added) = (self.alpha as f32, (1.0 - self.alpha) as f32);
        let [squares, others @ ..] = slots else {
            unreachable!("the mean square is always a slot");
        };
        for (index, (value, gradient)) in values.iter_mut().zip(gradients).enumerate() {
            let gradient = gradient + decay * *value;
            let square = kept * squares[index] + added * gradient * gradient;
            squares[index] = square;
            let mut spread = square;
            if self.centered {
                let mean = &mut others[0][index];
                *mean += added * (gradient - *mean);
                // Rounding may give a negative variance if all gradients are equal.
                spread = (spread - *mean * *mean).max(0.0);
            }
            let direction = gradient / (spread.sqrt() + self.eps);
            *value -= match others {
                [.., buffer] if self.momentum != 0.0 => {
                    buffer[index] = self.momentum * buffer[index] + direction;
                    rate * buffer[index]
                }
                _ => rate * direction,
            };
        }
    }
}
