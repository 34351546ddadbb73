//! Options that several methods have: one name means one thing.
use dvm_options::{OptionSpec, Takes};

use crate::Score;

/// Which score of the target is explained.
pub(crate) const SCORE: OptionSpec = OptionSpec {
    name: "score",
    takes: Takes::Text(Score::FORM),
    default: "logit",
    help: "the score of the class that is explained",
};

/// Seed of the random numbers.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "0",
    help: "seed of the random numbers; the same seed gives the same map",
};

/// Number of changed pictures.
pub(crate) const SAMPLES: OptionSpec = OptionSpec {
    name: "samples",
    takes: Takes::Text("N"),
    default: "25",
    help: "number of changed pictures",
};

/// The baseline.
pub(crate) const BASELINE: OptionSpec = OptionSpec {
    name: "baseline",
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE"),
    default: "zero",
    help: "the input without information: zero (after normalisation), black, white, grey (127.5), \
           mean (the picture's mean colour), blur (the picture blurred), noise, a colour, a \
           picture file, or a .npy file of normalised values (float32 [C, H, W])",
};

/// Which layers of the network are used.
pub(crate) const LAYER: OptionSpec = OptionSpec {
    name: "layer",
    takes: Takes::Text("NAME,…"),
    default: "",
    help: "layers by name; the maps of several are averaged; if none is given, the last layer with a feature map",
};
