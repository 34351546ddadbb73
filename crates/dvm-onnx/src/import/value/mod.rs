//! What the names of an ONNX file stand for while it is imported: symbolic values.
//!
//! Nothing is computed from a picture during import. Each name of the file stands for a [`Value`], and the operators
//! (`operators/`) compute values from values. There are these kinds:
//!
//! | kind | what it is | made by | ends as |
//! |---|---|---|---|
//! | [`Value::Constant`] | an [`Array`] of known numbers: weights, and everything computed from shapes | initializers, `Constant`, `Shape`, operators on constants | a parameter or a constant of the node that reads it |
//! | [`Value::Computed`] | a [`View`] of the value of a node of the engine | the picture, and every operator on a computed value | the node, after its axes were brought into order |
//! | [`Value::Versions`] | several views, stacked along the batch: test-time augmentation | `Concat` along the batch | one branch of nodes per version; `Split` or a mean joins them |
//! | [`Value::BatchIndices`] | integers `[N, …]` that grow by a fixed step from picture to picture | `Range` up to a multiple of N | nothing: `Gather` recognises them |
//! | [`Value::Quantised`], [`Value::DynamicScale`], [`Value::DynamicZeroPoint`] | integers whose scale is computed from the picture, that scale, and its zero point | `DynamicQuantizeLinear` | the float value, once integers and scale are multiplied |
//! | [`Value::IsNan`] | where a computed value is NaN | `IsNaN` | nothing: `Where` recognises it |
//! | [`Value::Unknown`] | the output of a node that is not supported | any such node | an error that lists all of these nodes |
//!
//! **Constants.** Integers are [`SymInt`](sym_int::SymInt)s, `fixed + per_picture · N`, because the batch size N stays
//! open: `Shape` of a picture is `[N, 3, 224, 224]`. Their memory is counted
//! ([`TrackedVec`](tracked_vec::TrackedVec)), so a small file cannot fill the machine.
//!
//! **Views.** `Transpose`, `Squeeze` and `Reshape` move no numbers here. They change which axes of the node's value an
//! axis of the file's value stands for ([`view`], [`reshape`]). Nodes that move numbers are emitted only when an op
//! needs another order. So a graph with channels last becomes a network on feature maps `[N, C, H, W]`.
//!
//! **Arithmetic** on two values is in [`elementwise`](super::elementwise): it finds the axes that belong together.
//!
//! Beside these values, the builder remembers for each node what it computes
//! ([`BuilderNode`](super::builder::BuilderNode)), to recognise what exporters write as several operators
//! ([`patterns`](super::patterns)): a [`SampledFunction`](super::patterns::sampled_function) (GELU, Hardswish), a
//! [`PiecewiseLinear`](super::patterns::piecewise_linear) function (PReLU), and a layer norm whose weight or bias is
//! still pending ([`PendingAffine`](super::builder::PendingAffine)).

pub(crate) mod array;
pub(crate) mod batch_indices;
pub(crate) mod dynamic_quantisation;
pub(crate) mod reshape;
pub(crate) mod sym_int;
pub(crate) mod tracked_vec;
pub(crate) mod versions;
pub(crate) mod view;

use self::array::Array;
use self::batch_indices::BatchIndices;
use self::dynamic_quantisation::{DynamicScale, Quantised};
use self::view::View;
use crate::import::{Result, unsupported};

/// What a name in the file stands for; the module's documentation compares the kinds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Known numbers.
    Constant(Array),
    /// The value of a node.
    Computed(View),
    /// The values of several versions of the pictures, stacked along the batch.
    Versions(Vec<View>),
    /// Integers that grow from picture to picture.
    BatchIndices(BatchIndices),
    /// Where a computed value is NaN.
    IsNan(View),
    /// Integers whose scale is computed from the picture.
    Quantised(Quantised),
    /// Such a scale, or a product of several and of constants.
    DynamicScale(DynamicScale),
    /// The zero point that belongs to the scale of this number.
    DynamicZeroPoint(usize),
    /// The output of a node that is not supported, which was reported already.
    Unknown,
}

impl Value {
    /// The view of a computed value.
    ///
    /// # Errors
    /// For values of other kinds.
    pub fn into_view(self) -> Result<View> {
        match self {
            Self::Computed(view) => Ok(view),
            _ => Err(unsupported("has constant inputs")),
        }
    }
}
