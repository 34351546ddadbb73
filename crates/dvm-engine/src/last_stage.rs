//! The last stage of a network: its layers at the coarsest resolution.

use crate::ops::conv2d::Conv2d;
use crate::passes::last_cut;
use crate::{Error, Graph, NodeId};

impl Graph {
    /// The node whose value the last stage begins with, for inputs of this shape: the last one that
    /// the network can be cut at in front of the first convolution whose feature map is as small as
    /// that of any. All nodes after it belong to the stage (`layer4` and `fc` of a ResNet).
    /// Convolutions that see a single pixel, behind a global pool, do not count.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn before_last_stage(&self, input: &[usize]) -> Result<NodeId, Error> {
        let shapes = self.shapes(input)?;
        let pixels = |id: &NodeId| match shapes[id.0][..] {
            [_, _, h, w] if h * w > 1 && self.node(*id).op_as::<Conv2d>().is_some() => Some(h * w),
            _ => None,
        };
        let smallest = self.ids().filter_map(|id| pixels(&id)).min();
        let first = self
            .ids()
            .find(|id| smallest.is_some() && pixels(id) == smallest);
        let Some(first) = first else {
            return Ok(self.input());
        };
        let name = &self.parameters()[self.node(first).parameters[0]].name;
        last_cut(self, input, |parameter| parameter.name == *name)
    }
}
