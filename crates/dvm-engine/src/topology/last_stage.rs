//! The last stage of a network, that is its layers at the coarsest resolution or its last blocks: the
//! node before it, and the feature map at its end.

use crate::ops::Class;
use crate::ops::binary::Binary;
use crate::ops::layout::{Arrangement, SpatialLayout};
use crate::ops::pool::{Pool, Reduction};
use crate::topology::cut_nodes::{cut_nodes, last_cut};
use crate::topology::geometry::Geometry;
use crate::{Error, Graph, NodeId};

/// A node whose value is a feature map or tokens with positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMap {
    /// The node.
    pub node: NodeId,
    /// Channels of a map, features of a token.
    pub channels: usize,
    /// Its rows and columns, and their order in the value.
    pub layout: SpatialLayout,
}

impl Graph {
    /// The node before the last stage, for inputs of this shape: the last one after which the network
    /// can be cut before the first convolution, or linear layer on feature maps, of the smallest map.
    /// All later nodes belong to the stage (`layer4` and `fc` of a ResNet). Layers after a global pool
    /// do not count.
    ///
    /// With attention among all tokens (ViT) there is only one resolution: the last quarter of the
    /// attentions is the stage, like the blocks of a ResNet-18.
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

    /// The last feature map, for inputs of this shape: what class activation maps use (Grad-CAM, arXiv
    /// 1610.02391). It is the last cut node before the layer whose outputs are the classes that has more
    /// than one position. Mean pools, dropout, rearrangement to tokens and projections of tokens at its
    /// end are skipped: the result is the last ReLU of a ResNet, the last max pool of a VGG, the last
    /// concatenation of a SqueezeNet, the last norm of a Swin transformer. For a vision transformer that
    /// reads only its class token it is before the last attention.
    ///
    /// `None` if there is none: branches that meet only after their global pools, or a network of single
    /// pixels.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn last_feature_map(&self, input: &[usize]) -> Result<Option<FeatureMap>, Error> {
        let geometry = Geometry::new(self, input)?;
        Ok(last_of(&geometry, &cut_nodes(&geometry)))
    }

    /// The value of each node as a feature map, for inputs of this shape, even with a single position.
    /// `None` if it has no rows and columns of positions.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn feature_maps(&self, input: &[usize]) -> Result<Vec<Option<FeatureMap>>, Error> {
        let geometry = Geometry::new(self, input)?;
        let map = |node: NodeId| {
            let layout = geometry.layouts[node.0]?;
            Some(FeatureMap {
                node,
                channels: layout.channels(&geometry.shapes[node.0]),
                layout,
            })
        };
        Ok(self.ids().map(map).collect())
    }

    /// The first convolution or linear layer with the smallest map.
    fn first_at_coarsest(&self, shapes: &[Vec<usize>]) -> Option<NodeId> {
        let is_layer = |id: NodeId| self.node(id).op.class().is_layer();
        let pixels = |id: NodeId| match shapes[id.0][..] {
            [_, _, h, w] if h * w > 1 && is_layer(id) => Some(h * w),
            _ => None,
        };
        let smallest = self.ids().filter_map(pixels).min()?;
        self.ids().find(|&id| pixels(id) == Some(smallest))
    }

    /// The layer before the first of the last quarter of attentions.
    fn first_of_last_attentions(&self) -> Option<NodeId> {
        let is_attention = |id: &NodeId| self.node(*id).op.class() == Class::Attention;
        let all: Vec<NodeId> = self.ids().filter(is_attention).collect();
        let mut id = *all.get(all.len() - all.len().div_ceil(4))?;
        while self.node(id).parameters.is_empty() {
            id = *self.node(id).inputs.first()?;
        }
        Some(id)
    }
}

/// The last feature map among these nodes.
pub(crate) fn last_of(geometry: &Geometry, cut_nodes: &[NodeId]) -> Option<FeatureMap> {
    let graph = geometry.graph;
    let head = graph.head_before(graph.output());
    let end = head.unwrap_or(graph.output());
    let maps = cut_nodes
        .iter()
        .filter(|&&id| id < end && id > graph.input());
    let mut maps = maps.rev().filter_map(|&id| map_at(geometry, id));
    maps.find(|map| !only_passes_on(geometry, map))
}

/// The value of a node as a feature map, if it has more than one place.
pub(crate) fn map_at(geometry: &Geometry, id: NodeId) -> Option<FeatureMap> {
    let layout = geometry.layouts[id.0].filter(|layout| layout.count() > 1)?;
    Some(FeatureMap {
        node: id,
        channels: layout.channels(&geometry.shapes[id.0]),
        layout,
    })
}

/// Whether it holds no more than the node before it: that one has the same content with more positions,
/// or as a map.
fn only_passes_on(geometry: &Geometry, map: &FeatureMap) -> bool {
    let node = geometry.graph.node(map.node);
    let pool = node.op_as::<Pool>();
    let means = pool.is_some_and(|pool| pool.reduction != Reduction::Max);
    let class = node.op.class();
    let unrolls = class == Class::Rearrangement && map.layout.arrangement != Arrangement::Map;
    means || unrolls || class == Class::Identity || projects_tokens(geometry, map)
}

/// Whether it is a linear layer on tokens, or its bias: queries, keys and values are no feature map.
fn projects_tokens(geometry: &Geometry, map: &FeatureMap) -> bool {
    // One that also adds a residual or activates is more than a projection.
    let is_linear = |id: NodeId| {
        let node = geometry.graph.node(id);
        node.op.class() == Class::Linear && node.op.is_affine() && node.inputs.len() == 1
    };
    let node = geometry.graph.node(map.node);
    let on_tokens = matches!(map.layout.arrangement, Arrangement::Tokens { .. });
    let bias = node.op_as::<Binary>().is_some() && node.inputs.len() == 1;
    on_tokens && (is_linear(map.node) || bias && is_linear(node.inputs[0]))
}
