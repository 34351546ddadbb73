//! Presets of the training configuration.

/// A named set of values.
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    pub(crate) text: &'static str,
}

/// All presets. The first has the defaults; the others override some of them.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "fine-tune",
        summary: "the default: a pretrained network, all layers, SGD with one cycle",
        text: include_str!("presets/fine-tune.toml"),
    },
    Preset {
        name: "from-scratch",
        summary: "random weights: higher learning rate, more epochs, stronger augmentation",
        text: include_str!("presets/from-scratch.toml"),
    },
    Preset {
        name: "seed",
        summary: "as the original Deep Vision Mask scripts: Adam, learning rate divided by 10 \
                  every 30 epochs",
        text: include_str!("presets/seed.toml"),
    },
];
