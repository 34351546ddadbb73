//! Attribution methods on whole networks, against the tools of the field (`references/README.md`).

mod perturbation;
