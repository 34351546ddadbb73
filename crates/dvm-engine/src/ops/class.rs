//! Classes of ops, for code that reads a graph and does not depend on the exact op.

/// The effect of an op on values in inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The input.
    Input,
    /// A value that does not depend on the inputs, only on their shapes: a class token.
    Constant,
    /// A convolution with trained filters.
    Convolution,
    /// A fully connected layer: a product with a trained matrix.
    Linear,
    /// A product of matrices that are both values of nodes.
    MatrixProduct,
    /// Attention among all tokens.
    Attention,
    /// Attention among the tokens of a window.
    WindowAttention,
    /// A normalisation: by batch, by layer, or by neighbouring channels.
    Normalisation,
    /// An activation function of each value, trained or not.
    Activation,
    /// A softmax along one axis.
    Softmax,
    /// The sum of its inputs, value by value.
    Sum,
    /// Any other arithmetic value by value: of two inputs, with a constant, or of one input alone.
    Arithmetic,
    /// A maximum, mean or sum over positions or along axes.
    Pooling,
    /// Feature maps in another size, or continued beyond their edges by their own pixels.
    Resampling,
    /// A border of pixels of one value.
    Padding,
    /// All values of the input in another order or under another shape.
    Rearrangement,
    /// Copies of some values, or a concatenation of several inputs.
    Copying,
    /// Does nothing in inference: it acts in training only.
    Identity,
}

impl Class {
    /// Whether it is a layer with trained weights whose output channels are its filters or rows: a
    /// convolution or a linear layer.
    pub fn is_layer(self) -> bool {
        matches!(self, Self::Convolution | Self::Linear)
    }

    /// Whether every op of the class is an affine function of its inputs. Ops of other classes may be, too.
    pub fn is_affine(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::Constant
                | Self::Sum
                | Self::Resampling
                | Self::Padding
                | Self::Identity
        ) || self.is_movement()
    }

    /// Whether values are only moved: each value of the output is one of the inputs' values.
    pub fn is_movement(self) -> bool {
        matches!(self, Self::Rearrangement | Self::Copying)
    }

    /// Whether each value is computed from the values at the same position of the inputs, after
    /// broadcasting.
    pub fn is_value_by_value(self) -> bool {
        matches!(
            self,
            Self::Activation | Self::Sum | Self::Arithmetic | Self::Identity
        )
    }
}
