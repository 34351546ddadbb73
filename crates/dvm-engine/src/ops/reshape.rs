//! The same values with another shape.

use super::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach};
use crate::Tensor;

/// The values in row-major order in another shape, as PyTorch's `reshape`. One side may be unspecified, so
/// that any batch size fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The sides; at most one is `None`.
    pub sides: Vec<Option<usize>>,
}

impl Op for Reshape {
    fn kind(&self) -> &'static str {
        "reshape"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, inputs: &[ValueShape], shape: &[usize]) -> Option<SpatialLayout> {
        inputs[0].layout?.reshaped(inputs[0].shape, shape)
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::moved(input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [x] = inputs else {
            return Err(format!("expects one input, not {}", inputs.len()));
        };
        let values: usize = x.iter().product();
        let known = self.sides.iter().flatten();
        let known = known.fold(1usize, |product, &side| product.saturating_mul(side));
        let open = self.sides.iter().filter(|side| side.is_none()).count();
        let fits = match open {
            0 => known == values,
            1 => known > 0 && values.is_multiple_of(known),
            _ => false,
        };
        if !fits {
            let sides = self.sides.iter();
            let sides = sides.map(|s| s.map_or("?".to_owned(), |s| s.to_string()));
            let sides: Vec<String> = sides.collect();
            return Err(format!("cannot reshape {x:?} to [{}]", sides.join(", ")));
        }
        let rest = values / known.max(1);
        Ok(self.sides.iter().map(|side| side.unwrap_or(rest)).collect())
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        reshaped(call.inputs[0], call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        Ok(Gradients::input(reshaped(&grad_output, shape)))
    }
}

/// The same values in row-major order; only those of rank 4 are stored in another order and must be moved.
pub(super) fn reshaped(x: &Tensor, shape: &[usize]) -> Tensor {
    match (x.shape().len(), shape.len()) {
        (4, 4) if x.shape() == shape => x.clone(),
        (4, 4) => Tensor::from_nchw(shape, &x.to_nchw()),
        (4, _) => Tensor::from_stored(shape, x.to_nchw()),
        (_, 4) => Tensor::from_nchw(shape, x.data()),
        _ => x.clone().under(shape),
    }
}
