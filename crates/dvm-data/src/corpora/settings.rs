//! Options that several corpora have.

pub use dvm_options::{OptionSpec, Settings, Share};

/// The seed of all that is random.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    value: "N",
    default: "1",
    help: "Which of the random orders is taken; the same number gives the same split",
};
