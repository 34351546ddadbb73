//! Options of several corpora.

pub use dvm_options::{OptionSpec, Settings, Share, Takes};

/// The random seed.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "1",
    help: "Random seed; the same seed gives the same split",
};
