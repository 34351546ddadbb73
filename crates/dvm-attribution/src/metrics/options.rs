//! Options that several metrics have: one name means one thing.

use dvm_options::OptionSpec;

use crate::options;

/// Seed of the random numbers.
pub(crate) const SEED: OptionSpec = OptionSpec {
    help: "seed of the random numbers; the same seed gives the same value",
    ..options::SEED
};

/// Which score of the target is measured.
pub(crate) const SCORE: OptionSpec = OptionSpec {
    default: "probability",
    help: "the score of the class that is measured",
    ..options::SCORE
};

/// The same for metrics that measure the logit by default.
pub(crate) const LOGIT: OptionSpec = OptionSpec {
    default: "logit",
    ..SCORE
};

/// What covered pixels show.
pub(crate) const BASELINE: OptionSpec = OptionSpec {
    help: "what covered pixels show: zero (after normalisation), black, white, grey (127.5), mean (the picture's \
           mean colour), blur (the picture blurred), noise, a colour, a picture file, or a .npy file of normalised \
           values (float32 [C, H, W])",
    ..options::BASELINE
};
