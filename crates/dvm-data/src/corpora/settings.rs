//! Options that several corpora have.

pub use dvm_options::{OptionSpec, Settings, Share, Takes};

/// The seed of all that is random.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "1",
    help: "Which of the random orders is taken; the same number gives the same split",
};
