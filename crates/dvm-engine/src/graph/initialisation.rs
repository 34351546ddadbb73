//! How weights begin when nothing is learnt yet: data beside an architecture. Numbers are drawn by
//! who trains.

/// A distribution of fresh weights, by the shape `[O, I, kh, kw]` or `[O, I]` of the parameter;
/// fan-in is the product of all but the first dimension, fan-out of all but the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialiser {
    /// Normal of variance 2 / fan-out (arXiv 1502.01852), as `torch.nn.init.kaiming_normal_`.
    KaimingNormal,
    /// As [`Initialiser::KaimingNormal`], but a filter that sees one channel is taken for depthwise, and
    /// its fan-out is its size: TensorFlow's and timm's way.
    KaimingNormalPerGroup,
    /// Normal of variance 2 / fan-in (arXiv 1502.01852), as `torch.nn.init.kaiming_normal_` does it
    /// when nothing else is said.
    KaimingNormalFanIn,
    /// Uniform of variance 2 / fan-in (arXiv 1502.01852), as `torch.nn.init.kaiming_uniform_`.
    KaimingUniform,
    /// Uniform of variance 2 / (fan-in + fan-out), by Glorot and Bengio 2010, as
    /// `torch.nn.init.xavier_uniform_`.
    XavierUniform,
    /// As [`Initialiser::XavierUniform`], but square weights as [`Initialiser::UniformFanIn`]: what
    /// torchvision's vision transformers begin with, where only the layer behind an attention is square.
    XavierUniformUnlessSquare,
    /// Uniform in ±1/√fan-in: what a layer of PyTorch begins with.
    UniformFanIn,
    /// Uniform in ±1/√O.
    UniformByOutputs,
    /// Normal of variance 1 / fan-in.
    NormalFanIn,
    /// Normal of this standard deviation.
    Normal(f64),
    /// Nothing but 0.
    Zero,
}

/// How the weights of an architecture begin. Biases are 0, normalisations change nothing; positions of
/// tokens are normal of deviation 0.02, and layer scales 1e-6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initialisation {
    /// Weights of convolutions.
    pub convolutions: Initialiser,
    /// Weights of fully connected layers.
    pub linear: Initialiser,
    /// Weights of the layer whose outputs are the classes.
    pub head: Initialiser,
    /// Weights that begin otherwise than their kind, by name; none of them in the last layer.
    pub others: &'static [(&'static str, Initialiser)],
}

impl Initialisation {
    /// The same with another last layer.
    #[must_use]
    pub fn with_head(self, head: Initialiser) -> Self {
        Self { head, ..self }
    }

    /// How the weight of this name begins, if it does otherwise than its kind.
    pub fn other(&self, name: &str) -> Option<Initialiser> {
        let mut others = self.others.iter();
        others.find(|(other, _)| *other == name).map(|&(_, s)| s)
    }
}
