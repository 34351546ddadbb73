//! Attention of a vision transformer, block by block: the attention probabilities of all tokens,
//! and the gradient of a target's score with respect to them.

mod ending;
mod pattern;
mod score_of_block;

use std::collections::BinaryHeap;
use std::ops::Range;

use dvm_engine::ops::Class;
use dvm_engine::rules::TRUE_GRADIENT;
use dvm_engine::{Arrangement, Graph, NodeId, SpatialLayout, Tensor};

use super::GradientRequest;
use crate::{Error, Score, Subject, Target};
use pattern::Source;
pub(crate) use pattern::is_softmax_of_attention;
pub(crate) use score_of_block::Pool;

/// One self-attention of all tokens.
#[derive(Clone, Debug)]
pub struct AttentionBlock {
    /// The name of its node: the zoo's attention op, or the softmax between two products of an imported graph.
    pub name: String,
    /// The number of heads.
    pub heads: usize,
    /// The node.
    node: NodeId,
    source: Source,
}

/// The attentions of a network, in order. All have the same tokens.
pub struct Attentions<'g> {
    /// The form of the network that contains them.
    graph: &'g Graph,
    /// One per block of the network.
    pub blocks: Vec<AttentionBlock>,
    /// Number of tokens of every block, T.
    pub tokens: usize,
    /// Number of tokens before the patch tokens, such as the class token.
    pub before: usize,
    /// Rows and columns of patch tokens.
    pub grid: (usize, usize),
    /// The tokens that the network's output is computed from, in order: the class token, or all
    /// patch tokens if it uses their mean.
    pub read: Vec<usize>,
}

/// Called with the position of a block, its probabilities `[heads, T, T]` with queries along the
/// rows, and their gradients of the same shape.
pub type EachBlock<'e> = dyn FnMut(usize, &[f32], &[f32]) -> Result<(), Error> + 'e;

impl Attentions<'_> {
    /// The values of the patch tokens, `[rows, columns]`, from those of all tokens `[T]`.
    pub fn at_places<T: Copy>(&self, tokens: &[T]) -> Vec<T> {
        tokens[self.before..][..self.grid.0 * self.grid.1].to_vec()
    }

    /// What a reader of the map must know if the output is not computed from a single class token.
    pub fn warning(&self) -> Option<String> {
        let places = self.before..self.before + self.grid.0 * self.grid.1;
        let special = self
            .read
            .iter()
            .filter(|token| !places.contains(token))
            .count();
        match (self.read.len(), special) {
            (1, 1) => None,
            (read, special) if read == special => Some(format!(
                "the network's output is computed from {read} tokens that are no patches (such as \
                 a class token and a distillation token); the map is the mean of their attention"
            )),
            (read, 0) => Some(format!(
                "the network's output is computed from the mean of {read} patch tokens, not from a \
                 class token; the map is the mean of their attention"
            )),
            (read, special) => Some(format!(
                "the network's output is computed from {read} tokens, {special} of which are no \
                 patches; the map is the mean of their attention"
            )),
        }
    }

    /// Groups of blocks, the last ones first, whose values fit in this many bytes.
    fn groups(&self, bytes: usize) -> Vec<Range<usize>> {
        let size = |block: &AttentionBlock| match block.source {
            Source::Op { features, .. } => 8 * features * self.tokens,
            Source::Softmax { .. } => 2 * block.heads * self.tokens * self.tokens,
        };
        let room = bytes / size_of::<f32>();
        let (mut groups, mut end, mut sum) = (Vec::new(), self.blocks.len(), 0);
        for index in (0..self.blocks.len()).rev() {
            let own = size(&self.blocks[index]);
            if sum + own > room && index + 1 < end {
                groups.push(index + 1..end);
                (end, sum) = (index + 1, 0);
            }
            sum += own;
        }
        groups.push(0..end);
        groups
    }
}

impl AttentionBlock {
    /// The node that the probabilities are computed from.
    fn reads(&self) -> NodeId {
        match self.source {
            Source::Op { qkv, .. } => qkv,
            Source::Softmax { .. } => self.node,
        }
    }

    /// The probabilities, from the value of [`AttentionBlock::reads`].
    fn probabilities(&self, value: &Tensor) -> Vec<f32> {
        match &self.source {
            Source::Op { op, .. } => op.probabilities(value).data().to_vec(),
            Source::Softmax { queries, keys, .. } => table(value, *queries, *keys),
        }
    }

    /// Their gradients, from the value of that node and its gradient.
    fn gradients(&self, value: &Tensor, gradient: &Tensor) -> Vec<f32> {
        match &self.source {
            Source::Op { op, .. } => op.probability_gradients(value, gradient).data().to_vec(),
            Source::Softmax { queries, keys, .. } => table(gradient, *queries, *keys),
        }
    }
}

/// Values as `[heads, T, T]`: `queries` and `keys` are axes; all other axes are heads.
fn table(value: &Tensor, queries: usize, keys: usize) -> Vec<f32> {
    let shape = value.shape();
    let values = value.to_nchw();
    if queries + 2 == shape.len() && keys + 1 == shape.len() {
        return values;
    }
    let step = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    let mut starts = vec![0];
    for axis in (0..shape.len()).filter(|axis| ![queries, keys].contains(axis)) {
        let along = |start: usize| (0..shape[axis]).map(move |at| start + at * step(axis));
        starts = starts.into_iter().flat_map(along).collect();
    }
    let mut table = Vec::with_capacity(values.len());
    for start in starts {
        for query in 0..shape[queries] {
            let row = start + query * step(queries);
            table.extend((0..shape[keys]).map(|key| values[row + key * step(keys)]));
        }
    }
    table
}

/// The layout of a value with this number of tokens: a sequence, or a map without extra tokens.
fn places_of(
    shape: &[usize],
    places: Option<SpatialLayout>,
    tokens: usize,
) -> Option<SpatialLayout> {
    let places = places?;
    let fits = match (places.arrangement, shape) {
        (Arrangement::Tokens { .. }, &[1, count, _]) => count == tokens,
        (Arrangement::Map, &[1, _, rows, columns]) => rows * columns == tokens,
        _ => false,
    };
    fits.then_some(places)
}

/// The layout of the tokens of an attention: that of the nearest value before it that has one.
fn places_before(
    graph: &Graph,
    (shapes, places): (&[Vec<usize>], &[Option<SpatialLayout>]),
    node: NodeId,
    tokens: usize,
) -> Option<SpatialLayout> {
    let mut next: BinaryHeap<NodeId> = graph.node(node).inputs.iter().copied().collect();
    while let Some(id) = next.pop() {
        let at = id.index();
        if places[at].is_some() {
            return places_of(&shapes[at], places[at], tokens);
        }
        next.extend(&graph.node(id).inputs);
    }
    None
}

fn unfit(what: impl std::fmt::Display) -> Error {
    Error::Unfit(format!(
        "{what}; this method is for vision transformers in which all tokens attend to each other \
         (ViT, DeiT): choose a gradient method or a class activation map"
    ))
}

impl Subject<'_> {
    /// The attentions of the network, in the order in which they are computed.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it has none, or if some are within windows or of other tokens, as in Swin;
    /// [`Error::Network`].
    pub fn attentions(&self) -> Result<Attentions<'_>, Error> {
        let graph = self.network().folded();
        let shapes = graph.shapes(&self.shape())?;
        let places = graph.spatial_layouts(&self.shape())?;
        let within = |id: &NodeId| graph.node(*id).op.class() == Class::WindowAttention;
        if let Some(id) = graph.ids().find(within) {
            let name = &graph.node(id).name;
            return Err(unfit(format!(
                "`{name}` attends only within windows, and no class token attends to all patches"
            )));
        }
        let found = pattern::attentions(graph, &shapes);
        // Without it, this would be another network.
        let is_known = |id: NodeId| found.iter().any(|found| found.block.node == id);
        let other = |id: &NodeId| is_softmax_of_attention(graph, *id) && !is_known(*id);
        if let Some(id) = graph.ids().find(other) {
            let name = &graph.node(id).name;
            return Err(unfit(format!(
                "the attention `{name}` is not a self-attention of all tokens with unchanged values"
            )));
        }
        let Some(last) = found.last() else {
            return Err(unfit("the network has no self-attention"));
        };
        let mut common: Option<(usize, SpatialLayout)> = None;
        for found in &found {
            let name = &found.block.name;
            let (queries, keys) = found.sides;
            if queries != keys {
                return Err(unfit(format!(
                    "in `{name}`, {queries} tokens attend to {keys} others"
                )));
            }
            let own = places_before(graph, (&shapes, &places), found.block.node, keys).ok_or_else(
                || {
                    unfit(format!(
                        "the {keys} tokens of `{name}` are not all patches of the picture; they \
                         may be those of windows"
                    ))
                },
            )?;
            let first = *common.get_or_insert((keys, own));
            let same = (first.1.rows, first.1.columns) == (own.rows, own.columns);
            if first.0 != keys || !same {
                return Err(unfit(format!(
                    "`{name}` has {keys} tokens, but the first attention has {}",
                    first.0
                )));
            }
        }
        let (tokens, places) = common.expect("there is at least one");
        let before = match places.arrangement {
            Arrangement::Tokens { before } => before,
            _ => 0,
        };
        let read = ending::tokens_read(graph, &shapes, last.behind, tokens);
        Ok(Attentions {
            graph,
            tokens,
            before,
            grid: (places.rows, places.columns),
            read,
            blocks: found.into_iter().map(|found| found.block).collect(),
        })
    }

    /// Calls `each` with the probabilities of every block, the last one first; the gradients are empty.
    ///
    /// # Errors
    /// As [`Subject::activations`], and those of `each`.
    pub fn attention(&self, all: &Attentions, each: &mut EachBlock) -> Result<(), Error> {
        for group in all.groups(self.memory() / 4) {
            let blocks = &all.blocks[group.clone()];
            let nodes: Vec<NodeId> = blocks.iter().map(AttentionBlock::reads).collect();
            let values = self.activations(all.graph, &nodes)?;
            for ((index, block), value) in group.zip(blocks).zip(values).rev() {
                each(index, &block.probabilities(&value), &[])?;
                self.progress(all.blocks.len() - index, all.blocks.len());
            }
        }
        Ok(())
    }

    /// Calls `each` with the probabilities of every block, the last one first, and with the
    /// gradients of the target's score with respect to them.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and those of `each`.
    pub fn attention_gradients(
        &self,
        all: &Attentions,
        (target, score): (&Target, Score),
        each: &mut EachBlock,
    ) -> Result<(), Error> {
        for group in all.groups(self.memory() / 4) {
            let blocks = &all.blocks[group.clone()];
            let reads = blocks.iter().map(AttentionBlock::reads);
            let nodes: Vec<NodeId> = reads.chain(blocks.iter().map(|b| b.node)).collect();
            let answer = self.gradients(&GradientRequest {
                target,
                score,
                composite: &TRUE_GRADIENT,
                graph: all.graph,
                nodes,
            })?;
            let gradients = &answer.gradients[blocks.len()..];
            let found = answer.activations.iter().zip(gradients);
            for ((index, block), (value, gradient)) in group.zip(blocks).zip(found).rev() {
                let gradients = block.gradients(value, gradient);
                each(index, &block.probabilities(value), &gradients)?;
                self.progress(all.blocks.len() - index, all.blocks.len());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_queries_along_the_rows_in_every_layout() {
        // [heads, T, T] = [2, 2, 2] with the numbers head · 100 + query · 10 + key.
        let expected = [0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0];
        let plain = Tensor::from_nchw(&[1, 2, 2, 2], &expected);
        assert_eq!(table(&plain, 2, 3), expected);
        let turned = [0.0, 10.0, 1.0, 11.0, 100.0, 110.0, 101.0, 111.0];
        assert_eq!(
            table(&Tensor::from_nchw(&[2, 2, 2], &turned), 2, 1),
            expected
        );
        let heads_last = [0.0, 100.0, 1.0, 101.0, 10.0, 110.0, 11.0, 111.0];
        assert_eq!(
            table(&Tensor::from_nchw(&[1, 2, 2, 2], &heads_last), 1, 2),
            expected
        );
    }
}
