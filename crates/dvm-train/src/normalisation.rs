//! Which kind of normalisation a network has.

use dvm_engine::Graph;

/// The kind of normalisation of a network. Training defaults depend on it: a network without batch
/// normalisation needs a lower learning rate, or it diverges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// Batch normalisation: ResNet, EfficientNet, MobileNet and most others.
    Batch,
    /// Layer normalisation only: transformers, ConvNeXt.
    Layer,
    /// None: AlexNet, VGG, SqueezeNet, and networks whose batch normalisation was folded into the
    /// convolutions, as exporters do.
    None,
}

impl Normalisation {
    /// The kind of this network.
    pub fn of(graph: &Graph) -> Self {
        let has = |kind: &str| graph.nodes().iter().any(|node| node.op.kind() == kind);
        if has("batch_norm") {
            Self::Batch
        } else if has("layer_norm") {
            Self::Layer
        } else {
            Self::None
        }
    }

    /// The key under `networks` in a preset.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Layer => "layer",
            Self::None => "none",
        }
    }

    /// Factor for the default learning rate of adaptive optimisers, whose step size does not shrink
    /// with the gradients.
    pub(crate) fn adaptive_share(self) -> f64 {
        match self {
            Self::Batch => 1.0,
            Self::Layer | Self::None => 0.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_engine::Tensor;

    #[test]
    fn the_kind_follows_from_the_layers() {
        for (name, expected) in [
            ("squeezenet1_1", Normalisation::None),
            ("efficientnet_lite0", Normalisation::Batch),
            ("resnet18", Normalisation::Batch),
            ("vit_tiny_patch16_224", Normalisation::Layer),
        ] {
            let architecture = dvm_zoo::find(name).unwrap();
            let zeros =
                |p: &dvm_engine::Parameter| Ok::<_, dvm_engine::Error>(Tensor::zeros(&p.shape));
            let graph = Graph::new((architecture.build)(2), zeros).unwrap();
            assert_eq!(Normalisation::of(&graph), expected, "{name}");
        }
    }
}
