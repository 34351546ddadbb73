//! Options that several metrics have: one name means one thing.

use dvm_options::{OptionSpec, Takes};

/// Where the random numbers begin.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "0",
    help: "where the random numbers begin; the same number gives the same figure",
};

/// Which score of the target is followed.
pub(crate) const SCORE: OptionSpec = OptionSpec {
    name: "score",
    takes: Takes::Text("probability|logit|log-probability"),
    default: "probability",
    help: "which score of the class is followed",
};

/// What covered pixels show.
pub(crate) const BASELINE: OptionSpec = OptionSpec {
    name: "baseline",
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE"),
    default: "zero",
    help: "what covered pixels show: zero after normalisation, black, white, grey (127.5), the picture's mean \
           colour, the picture blurred, noise, a colour, a picture file, or a .npy file of \
           normalised values (float32 [C, H, W])",
};
