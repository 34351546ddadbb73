//! AdamW: Adam whose weights decay by themselves.

use super::adam::{Adam, BETA1, BETA2, EPS};
use super::{Entry, weight_decay};

/// As PyTorch's `AdamW`: `w ← (1 − rate · decay) · w` before Adam's step.
pub(super) const ENTRY: Entry = Entry {
    name: "adamw",
    summary: "Adam whose weights decay apart from their gradients",
    paper: "Decoupled Weight Decay Regularization (arXiv 1711.05101)",
    learning_rate: 1e-3,
    adaptive: true,
    options: &[
        BETA1,
        BETA2,
        EPS,
        weight_decay(
            "0.01",
            "times the learning rate: the share that weights lose at every step",
        ),
    ],
    build: |options| Ok(Box::new(Adam::new(options, true))),
};
