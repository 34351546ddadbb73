//! Stochastic gradient descent with momentum.

use dvm_options::{OptionSpec, Takes};

use super::{DECAYS_GRADIENT, OptimiserEntry, Rule, Step, weight_decay};

/// `v ← momentum · v + g`, `w ← w − rate · v`, or `w − rate · (g + momentum · v)` in Nesterov's form;
/// as PyTorch's `SGD` without dampening.
#[derive(Debug)]
struct Sgd {
    momentum: f32,
    nesterov: bool,
}

pub(super) const ENTRY: OptimiserEntry = OptimiserEntry {
    name: "sgd",
    summary: "Stochastic gradient descent, with momentum and Nesterov momentum",
    paper: "On the importance of initialization and momentum in deep learning (Sutskever et al. 2013)",
    learning_rate: 1e-3,
    adaptive: false,
    options: &[
        OptionSpec {
            name: "momentum",
            default: "0",
            takes: Takes::From(0.0, 1.0),
            help: "momentum",
        },
        OptionSpec {
            name: "nesterov",
            default: "false",
            takes: Takes::Flag,
            help: "use Nesterov momentum",
        },
        weight_decay("0", DECAYS_GRADIENT),
    ],
    build: |options| {
        let momentum = options.number("momentum") as f32;
        let nesterov = options.flag("nesterov");
        if nesterov && momentum == 0.0 {
            return Err(crate::option::refuse(
                options,
                "nesterov",
                "false if momentum is 0",
            ));
        }
        Ok(Box::new(Sgd { momentum, nesterov }))
    },
};

impl Rule for Sgd {
    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 {
            &[]
        } else {
            &["momentum_buffer"]
        }
    }

    fn update(&self, step: &Step, slots: &mut [&mut [f32]], values: &mut [f32], gradients: &[f32]) {
        let rate = step.learning_rate as f32;
        let decay = step.weight_decay as f32;
        let momentum = self.momentum;
        let [buffer] = slots else {
            for (value, gradient) in values.iter_mut().zip(gradients) {
                *value -= rate * (gradient + decay * *value);
            }
            return;
        };
        // The factors of the gradient and of the momentum buffer in the step.
        let (plain, kept) = if self.nesterov {
            (1.0, momentum)
        } else {
            (0.0, 1.0)
        };
        for ((value, gradient), buffer) in values.iter_mut().zip(gradients).zip(&mut **buffer) {
            let gradient = gradient + decay * *value;
            *buffer = momentum * *buffer + gradient;
            *value -= rate * (plain * gradient + kept * *buffer);
        }
    }
}
