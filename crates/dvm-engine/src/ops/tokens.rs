//! The pixels of a feature map as a sequence, and back.

use super::layout::{Arrangement, NodeShapes, Reads, SpatialLayout, ValueShape};
use super::{
    BackwardCall, Bounds, Class, ForwardCall, ForwardResult, Gradients, Needs, Op, Reach,
    feature_map,
};
use crate::Tensor;

/// Feature maps `[N, C, H, W]` as `[N, H · W, C]`, row by row: each pixel becomes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens;

impl Op for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, inputs: &[ValueShape], _: &[usize]) -> Option<SpatialLayout> {
        let layout = inputs[0].layout?;
        let tokens = Arrangement::Tokens { before: 0 };
        (layout.arrangement == Arrangement::Map).then(|| layout.arranged(tokens))
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
        let (n, c, h, w) = feature_map(x)?;
        Ok(vec![n, h * w, c])
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        // Feature maps are already stored in this order.
        call.inputs[0].clone().under(call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        Ok(Gradients::input(grad_output.under(shape)))
    }
}

/// Tokens `[N, H · W, C]` as feature maps `[N, C, H, W]`: the inverse of [`Tokens`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// H.
    pub rows: usize,
    /// W.
    pub columns: usize,
}

impl Op for Grid {
    fn kind(&self) -> &'static str {
        "grid"
    }

    fn class(&self) -> Class {
        Class::Rearrangement
    }

    fn layout(&self, inputs: &[ValueShape], _: &[usize]) -> Option<SpatialLayout> {
        let layout = inputs[0].layout?;
        let is_same = layout.arrangement == Arrangement::Tokens { before: 0 }
            && (layout.rows, layout.columns) == (self.rows, self.columns);
        is_same.then(|| layout.arranged(Arrangement::Map))
    }

    fn reads(&self, input: usize, node: &NodeShapes) -> Reads {
        Reads::moved(input, node)
    }

    fn reach(&self, _: usize, _: &[&[usize]], _: &[&[usize]]) -> Reach {
        Reach::Everything
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [[n, tokens, c]] if self.rows.checked_mul(self.columns) == Some(*tokens) => {
                Ok(vec![*n, *c, self.rows, self.columns])
            }
            _ => Err(format!(
                "expects tokens [N, {} · {}, C], not {inputs:?}",
                self.rows, self.columns
            )),
        }
    }

    fn bounds(&self, inputs: &[Bounds], _: &[&Tensor]) -> Bounds {
        inputs[0]
    }

    fn forward(&self, call: &ForwardCall) -> ForwardResult {
        call.inputs[0].clone().under(call.output_shape).into()
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn backward(&self, call: &BackwardCall, grad_output: Tensor) -> Result<Gradients, String> {
        let shape = call.inputs[0].shape();
        Ok(Gradients::input(grad_output.under(shape)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blueprint, seeded};

    #[test]
    fn a_grid_of_the_tokens_of_a_map_is_the_map() {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let tokens = net.tokens("tokens", x);
        let (rows, columns) = (4, 5);
        let map = net.node("map", Grid { rows, columns }, &[tokens], &[]);
        let graph = seeded::graph(net.ending_at(map));
        let picture = Tensor::from_nchw(&[2, 3, 4, 5], &seeded::uniform("map", 120, -1.0, 1.0));
        let found = graph.logits(&picture).unwrap();
        assert_eq!(found, picture);
        let other = Grid { rows, columns: 6 };
        assert!(other.output_shape(&[&[2, 20, 3]], &[]).is_err());
        let places = graph.spatial_layouts(&[2, 3, 4, 5]).unwrap();
        assert_eq!(places[map.index()], places[x.index()]);
    }
}
