//! Options that several methods have: one name means one thing.
use dvm_options::{OptionSpec, Takes};

/// Which score of the target is explained.
pub(crate) const SCORE: OptionSpec = OptionSpec {
    name: "score",
    takes: Takes::Text("probability|logit|log-probability"),
    default: "logit",
    help: "which score of the class is explained",
};

/// Where the random numbers begin.
pub(crate) const SEED: OptionSpec = OptionSpec {
    name: "seed",
    takes: Takes::Text("N"),
    default: "0",
    help: "where the random numbers begin; the same number gives the same map",
};

/// How many times the network is asked.
pub(crate) const SAMPLES: OptionSpec = OptionSpec {
    name: "samples",
    takes: Takes::Text("N"),
    default: "25",
    help: "how many changed pictures are asked about",
};

/// What stands for a picture that shows nothing.
pub(crate) const BASELINE: OptionSpec = OptionSpec {
    name: "baseline",
    takes: Takes::Text("zero|black|white|grey|mean|blur|noise|#RRGGBB|FILE"),
    default: "zero",
    help: "what stands for a picture that shows nothing: zero after normalisation, black, white, grey \
           (127.5), the picture's mean colour, the picture blurred, noise, a colour, a picture file, or a .npy \
           file of normalised values (float32 [C, H, W])",
};

/// Which layers of the network are looked at.
pub(crate) const LAYER: OptionSpec = OptionSpec {
    name: "layer",
    takes: Takes::Text("NAME,…"),
    default: "",
    help: "the layers that are looked at, by name; several are averaged; if none is given, the last one \
           with a feature map",
};
