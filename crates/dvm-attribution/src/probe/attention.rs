//! Attention of the tokens of a vision transformer to each other, block by block: how much each token looks
//! at each other one, and the gradient of a target's score with respect to that.

mod ending;
mod pattern;
mod score_of_block;

use std::collections::BinaryHeap;
use std::ops::Range;

use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::rules::TRUE_GRADIENT;
use dvm_engine::{Arrangement, Graph, NodeId, SpatialLayout, Tensor};

use super::Ask;
use crate::{Error, Score, Subject, Target};
use pattern::Source;
pub(crate) use pattern::is_softmax_of_attention;
pub(crate) use score_of_block::Pool;

/// One attention of all tokens to each other.
#[derive(Clone, Debug)]
pub struct AttentionBlock {
    /// The name of its node: the zoo's own op, or the softmax between two products of an imported graph.
    pub name: String,
    /// How many heads look side by side.
    pub heads: usize,
    /// The node.
    node: NodeId,
    source: Source,
}

/// The attentions of a network, in order, of which every one is of the same tokens.
pub struct Attentions<'g> {
    /// The form of the network that they are in.
    graph: &'g Graph,
    /// One per block of the network.
    pub blocks: Vec<AttentionBlock>,
    /// Tokens of every block, T.
    pub tokens: usize,
    /// Tokens before the first one that stands for a place: a class token, others like it.
    pub before: usize,
    /// Rows and columns of places that the tokens stand for.
    pub grid: (usize, usize),
    /// The tokens that the network's answer is made of, in order: the class token, or all places where
    /// their mean is taken.
    pub read: Vec<usize>,
}

/// What is handed over of one block: its position, the probabilities `[heads, T, T]` with queries along the
/// rows, and their gradients of the same shape.
pub type EachBlock<'e> = dyn FnMut(usize, &[f32], &[f32]) -> Result<(), Error> + 'e;

impl Attentions<'_> {
    /// The values of tokens `[T]` that stand for places, `[rows, columns]`.
    pub fn at_places<T: Copy>(&self, tokens: &[T]) -> Vec<T> {
        tokens[self.before..][..self.grid.0 * self.grid.1].to_vec()
    }

    /// What a reader must know of the rows that are looked at; nothing where it is that of a class token.
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
                "the network's answer is made of {read} tokens that stand for no place (a class token, a \
                 distillation token); the map is the mean of what they look at"
            )),
            (read, 0) => Some(format!(
                "the network's answer is made of the mean of {read} places, not of a class token; the map is \
                 the mean of what they look at"
            )),
            (read, special) => Some(format!(
                "the network's answer is made of {read} tokens, {special} of which stand for no place; the map \
                 is the mean of what they look at"
            )),
        }
    }

    /// Groups of blocks, the last ones first, whose values fit into so many bytes.
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
    /// The node whose value the probabilities are computed from.
    fn reads(&self) -> NodeId {
        match self.source {
            Source::Op { qkv, .. } => qkv,
            Source::Softmax { .. } => self.node,
        }
    }

    /// The probabilities, given the value of [`AttentionBlock::reads`].
    fn probabilities(&self, value: &Tensor) -> Vec<f32> {
        match &self.source {
            Source::Op { op, .. } => op.probabilities(value).data().to_vec(),
            Source::Softmax { queries, keys, .. } => table(value, *queries, *keys),
        }
    }

    /// Their gradients, given that of the node's value, too.
    fn gradients(&self, value: &Tensor, gradient: &Tensor) -> Vec<f32> {
        match &self.source {
            Source::Op { op, .. } => op.probability_gradients(value, gradient).data().to_vec(),
            Source::Softmax { queries, keys, .. } => table(gradient, *queries, *keys),
        }
    }
}

/// Values as `[heads, T, T]`: queries and keys lie along these axes, all others are heads.
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

/// The places of a value whose places, with the tokens before them, are these tokens: a sequence, or a map where
/// no token stands for anything else.
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

/// The places of the tokens that an attention looks at: those of the nearest value before it that has any.
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
        "{what}; this method is for vision transformers whose tokens all look at each other (ViT, DeiT): \
         choose a gradient or class activation method"
    ))
}

impl Subject<'_> {
    /// The attentions of the network, in the order in which they are computed.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it has none, or some within windows or of different tokens, as Swin has;
    /// [`Error::Network`].
    pub fn attentions(&self) -> Result<Attentions<'_>, Error> {
        let graph = self.network().folded();
        let shapes = graph.shapes(&self.shape())?;
        let places = graph.spatial_layouts(&self.shape())?;
        let within = |id: &NodeId| graph.node(*id).op_as::<WindowAttention>().is_some();
        if let Some(id) = graph.ids().find(within) {
            let name = &graph.node(id).name;
            return Err(unfit(format!(
                "`{name}` looks at the places of a window only, and no class token looks at all of them"
            )));
        }
        let found = pattern::attentions(graph, &shapes);
        // To leave one out would be another network.
        let is_known = |id: NodeId| found.iter().any(|block| block.node == id);
        let other = |id: &NodeId| is_softmax_of_attention(graph, *id) && !is_known(*id);
        if let Some(id) = graph.ids().find(other) {
            let name = &graph.node(id).name;
            return Err(unfit(format!(
                "the attention `{name}` is none of all tokens to each other whose values go on as they are"
            )));
        }
        let Some(last) = found.last() else {
            return Err(unfit(
                "the network has no attention of tokens to each other",
            ));
        };
        let mut common: Option<(usize, SpatialLayout)> = None;
        for block in &found {
            let name = &block.name;
            let (queries, keys) = block.sides;
            if queries != keys {
                return Err(unfit(format!(
                    "in `{name}` {queries} tokens look at {keys} others"
                )));
            }
            let own = places_before(graph, (&shapes, &places), block.node, keys)
                .ok_or_else(|| {
                    unfit(format!(
                        "the {keys} tokens of `{name}` are not all places of the picture, as within windows"
                    ))
                })?;
            let first = *common.get_or_insert((keys, own));
            let same = (first.1.rows, first.1.columns) == (own.rows, own.columns);
            if first.0 != keys || !same {
                return Err(unfit(format!(
                    "`{name}` is of {keys} tokens, the first attention of {}",
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
            blocks: found
                .into_iter()
                .map(|block| AttentionBlock {
                    name: block.name,
                    heads: block.heads,
                    node: block.node,
                    source: block.source,
                })
                .collect(),
        })
    }

    /// Hands `each` the probabilities of every block, the last one first; the gradients are empty.
    ///
    /// # Errors
    /// As [`Subject::activations`], and whatever `each` returns.
    pub fn attention(&self, all: &Attentions, each: &mut EachBlock) -> Result<(), Error> {
        let mut done = 0;
        for group in all.groups(self.memory() / 4) {
            let blocks = &all.blocks[group.clone()];
            let nodes: Vec<NodeId> = blocks.iter().map(AttentionBlock::reads).collect();
            let values = self.activations(all.graph, &nodes)?;
            for ((index, block), value) in group.zip(blocks).zip(values).rev() {
                each(index, &block.probabilities(&value), &[])?;
                done += 1;
                self.progress(done, all.blocks.len());
            }
        }
        Ok(())
    }

    /// Hands `each` the probabilities of every block, the last one first, with the gradients of the target's
    /// score with respect to them.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and whatever `each` returns.
    pub fn attention_gradients(
        &self,
        all: &Attentions,
        (target, score): (&Target, Score),
        each: &mut EachBlock,
    ) -> Result<(), Error> {
        let mut done = 0;
        for group in all.groups(self.memory() / 4) {
            let blocks = &all.blocks[group.clone()];
            let reads = blocks.iter().map(AttentionBlock::reads);
            let nodes: Vec<NodeId> = reads.chain(blocks.iter().map(|b| b.node)).collect();
            let answer = self.gradients(&Ask {
                target,
                score,
                composite: &TRUE_GRADIENT,
                graph: all.graph,
                nodes: &nodes,
            })?;
            let gradients = &answer.gradients[blocks.len()..];
            let found = answer.activations.iter().zip(gradients);
            for ((index, block), (value, gradient)) in group.zip(blocks).zip(found).rev() {
                let gradients = block.gradients(value, gradient);
                each(index, &block.probabilities(value), &gradients)?;
                done += 1;
                self.progress(done, all.blocks.len());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_queries_along_the_rows_however_they_lie() {
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
