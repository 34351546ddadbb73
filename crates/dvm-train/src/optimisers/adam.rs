//! Adam.

use dvm_options::{OptionSpec, Resolved, Takes};

use super::{DECAYS_GRADIENT, OptimiserEntry, Rule, Step, weight_decay};

/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w − rate · m̂ / (√v̂ + eps)` with
/// `m̂ = m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)`; as PyTorch's `Adam`.
#[derive(Debug)]
pub(super) struct Adam {
    beta1: f64,
    beta2: f64,
    eps: f32,
    /// Decoupled weight decay, as in AdamW.
    decoupled: bool,
}

pub(super) const ENTRY: OptimiserEntry = OptimiserEntry {
    name: "adam",
    summary: "Step size adapted to the mean and the variance of each weight's gradient",
    paper: "Adam: A Method for Stochastic Optimization (arXiv 1412.6980)",
    learning_rate: 1e-3,
    adaptive: true,
    options: &[BETA1, BETA2, EPS, weight_decay("0", DECAYS_GRADIENT)],
    build: |options| Ok(Box::new(Adam::new(options, false))),
};

pub(super) const BETA1: OptionSpec = OptionSpec {
    name: "beta1",
    default: "0.9",
    takes: Takes::From(0.0, 1.0),
    help: "decay rate of the mean of gradients",
};

pub(super) const BETA2: OptionSpec = OptionSpec {
    name: "beta2",
    default: "0.999",
    takes: Takes::From(0.0, 1.0),
    help: "decay rate of the mean of squared gradients",
};

pub(super) const EPS: OptionSpec = OptionSpec {
    name: "eps",
    default: "1e-8",
    takes: Takes::Above(0.0),
    help: "small number added to the denominator",
};

impl Adam {
    pub(super) fn new(options: &Resolved, decoupled: bool) -> Self {
        Self {
            beta1: options.number(BETA1.name),
            beta2: options.number(BETA2.name),
            eps: options.number(EPS.name) as f32,
            decoupled,
        }
    }
}

impl Rule for Adam {
    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn update(&self, step: &Step, slots: &mut [&mut [f32]], values: &mut [f32], gradients: &[f32]) {
        let [means, squares] = slots else {
            unreachable!("there are two slots");
        };
        let correction1 = 1.0 - power(self.beta1, step.number);
        let correction2 = 1.0 - power(self.beta2, step.number);
        let rate = (step.learning_rate / correction1) as f32;
        let root = correction2.sqrt() as f32;
        let (to_mean, to_square) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let kept_square = self.beta2 as f32;
        let (shrunk, decay) = if self.decoupled {
            (
                (1.0 - step.learning_rate * step.weight_decay) as f32,
                0.0f32,
            )
        } else {
            (1.0, step.weight_decay as f32)
        };
        let moments = means.iter_mut().zip(&mut **squares);
        for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradients).zip(moments) {
            *value *= shrunk;
            let gradient = gradient + decay * *value;
            *mean += to_mean * (gradient - *mean);
            *square = kept_square * *square + to_square * gradient * gradient;
            *value -= rate * *mean / (square.sqrt() / root + self.eps);
        }
    }
}

/// `base` to the power `exponent` by squaring: a library's `pow` may round differently on another
/// platform.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}
