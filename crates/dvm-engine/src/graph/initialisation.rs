//! Initial weights of an architecture, as data. `dvm-train` draws the numbers.

/// The distribution of an initial weight of shape `[O, I, kh, kw]` or `[O, I]`. Fan-in is the product of
/// all dimensions except the first, fan-out of all except the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialiser {
    /// Normal of variance 2 / fan-out (arXiv 1502.01852), as `torch.nn.init.kaiming_normal_`.
    KaimingNormal,
    /// As [`Initialiser::KaimingNormal`], but the fan-out of a depthwise filter is its area, as in
    /// TensorFlow and timm.
    KaimingNormalPerGroup,
    /// Normal of variance 2 / fan-in (arXiv 1502.01852), the default of `torch.nn.init.kaiming_normal_`.
    KaimingNormalFanIn,
    /// Uniform of variance 2 / fan-in (arXiv 1502.01852), as `torch.nn.init.kaiming_uniform_`.
    KaimingUniform,
    /// Uniform of variance 2 / (fan-in + fan-out), by Glorot and Bengio 2010, as
    /// `torch.nn.init.xavier_uniform_`.
    XavierUniform,
    /// As [`Initialiser::XavierUniform`], but square weights as [`Initialiser::UniformFanIn`].
    /// torchvision's vision transformers use this; only the layer after an attention is square.
    XavierUniformUnlessSquare,
    /// Uniform in ±1/√fan-in, the default of PyTorch's layers.
    UniformFanIn,
    /// Uniform in ±1/√O.
    UniformByOutputs,
    /// Normal of variance 1 / fan-in.
    NormalFanIn,
    /// Normal of this standard deviation.
    Normal(f64),
    /// All 0.
    Zero,
}

/// Initial weights of an architecture. Biases are 0, factors of normalisations 1 and their shifts 0,
/// position embeddings normal with deviation 0.02, and layer scales 1e-6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initialisation {
    /// Weights of convolutions.
    pub convolutions: Initialiser,
    /// Weights of fully connected layers.
    pub linear: Initialiser,
    /// Weights of the layer whose outputs are the classes.
    pub head: Initialiser,
    /// Exceptions by parameter name, none of them in the last layer.
    pub others: &'static [(&'static str, Initialiser)],
}

impl Initialisation {
    /// The same with another initialiser of the last layer.
    #[must_use]
    pub fn with_head(self, head: Initialiser) -> Self {
        Self { head, ..self }
    }

    /// The exception for the weight of this name.
    pub fn other(&self, name: &str) -> Option<Initialiser> {
        let mut others = self.others.iter();
        others.find(|(other, _)| *other == name).map(|&(_, s)| s)
    }
}
