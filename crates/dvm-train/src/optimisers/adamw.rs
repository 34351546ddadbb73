//! AdamW: Adam with decoupled weight decay.

use super::adam::{Adam, BETA1, BETA2, EPS};
use super::{OptimiserEntry, weight_decay};

/// As PyTorch's `AdamW`: `w ← (1 − rate · decay) · w` before Adam's step.
pub(super) const ENTRY: OptimiserEntry = OptimiserEntry {
    name: "adamw",
    summary: "Adam with decoupled weight decay",
    paper: "Decoupled Weight Decay Regularization (arXiv 1711.05101)",
    learning_rate: 1e-3,
    adaptive: true,
    options: &[
        BETA1,
        BETA2,
        EPS,
        weight_decay(
            "0.01",
            "decoupled weight decay: each step multiplies weights by 1 - learning rate x this",
        ),
    ],
    build: |options| Ok(Box::new(Adam::new(options, true))),
};
