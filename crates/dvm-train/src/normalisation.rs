//! What keeps the values of a network in range, which decides how fast it can learn.

use dvm_engine::Graph;

/// What keeps the values of a network in range while its weights move. Defaults of training depend
/// on it: a learning rate that is right with batch normalisation drives a network without it to
/// chance or to NaN.
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
    /// What this network has.
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

    /// Its name among the `networks` of a preset.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Layer => "layer",
            Self::None => "none",
        }
    }

    /// The share of an adaptive optimiser's default learning rate that such a network learns with:
    /// Adam's steps are as long as the learning rate says, however small the gradients are.
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
    fn networks_of_the_zoo_are_told_apart_by_their_layers() {
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
