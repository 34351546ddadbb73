//! The last stage of a network: its layers at the coarsest resolution, or its last blocks.

use crate::ops::attention::Attention;
use crate::ops::conv2d::Conv2d;
use crate::ops::linear::Linear;
use crate::passes::last_cut;
use crate::{Error, Graph, NodeId};

impl Graph {
    /// The node whose value the last stage begins with, for inputs of this shape: the last one that
    /// the network can be cut at in front of the first convolution, or linear layer on feature maps, whose
    /// map is as small as that of any. All nodes after it belong to the stage (`layer4` and `fc` of a
    /// ResNet). Layers that see a single pixel, behind a global pool, do not count.
    ///
    /// Where all tokens look at each other (ViT) there is but one resolution: the last quarter of the
    /// attentions counts as the stage, as of the blocks of a ResNet-18.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn before_last_stage(&self, input: &[usize]) -> Result<NodeId, Error> {
        let shapes = self.shapes(input)?;
        let first = match self.first_of_last_attentions() {
            Some(first) => Some(first),
            None => self.first_at_coarsest(&shapes),
        };
        let Some(first) = first else {
            return Ok(self.input());
        };
        let name = &self.parameters()[self.node(first).parameters[0]].name;
        last_cut(self, input, |parameter| parameter.name == *name)
    }

    /// The first convolution or linear layer whose map is as small as that of any.
    fn first_at_coarsest(&self, shapes: &[Vec<usize>]) -> Option<NodeId> {
        let is_layer = |id: NodeId| {
            let node = self.node(id);
            node.op_as::<Conv2d>().is_some() || node.op_as::<Linear>().is_some()
        };
        let pixels = |id: NodeId| match shapes[id.0][..] {
            [_, _, h, w] if h * w > 1 && is_layer(id) => Some(h * w),
            _ => None,
        };
        let smallest = self.ids().filter_map(pixels).min()?;
        self.ids().find(|&id| pixels(id) == Some(smallest))
    }

    /// The layer in front of the first attention of the last quarter of them.
    fn first_of_last_attentions(&self) -> Option<NodeId> {
        let is_attention = |id: &NodeId| self.node(*id).op_as::<Attention>().is_some();
        let all: Vec<NodeId> = self.ids().filter(is_attention).collect();
        let mut id = *all.get(all.len() - all.len().div_ceil(4))?;
        while self.node(id).parameters.is_empty() {
            id = *self.node(id).inputs.first()?;
        }
        Some(id)
    }
}
