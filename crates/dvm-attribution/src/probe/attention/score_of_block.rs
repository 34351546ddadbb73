//! Gradients of attention with respect to the score of each block's own tokens: the network's end
//! is applied to them, without the blocks in between.

use dvm_engine::ops::Class;
use dvm_engine::{Graph, Keep, Mode, NodeId, Request, SpatialLayout, Tensor, passes};
use dvm_options::words;

use super::{Attentions, EachBlock, places_of};
use crate::subject::finite;
use crate::{Error, Score, Subject, Target};

words! {
    /// Which tokens of a block the network's end gets.
    pub enum Pool {
        /// The mean of all tokens, in place of those that it reads.
        Mean = "mean",
        /// The unchanged tokens.
        Read = "read",
    }
}

impl Subject<'_> {
    /// Calls `each` with the probabilities of every block, the last one first, and the gradients of
    /// the target's score that the network's end computes from this block's tokens.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the blocks do not pass on a single sequence of tokens; as
    /// [`Subject::gradients`], and those of `each`.
    pub(crate) fn attention_gradients_of_blocks(
        &self,
        all: &Attentions,
        (target, score): (&Target, Score),
        pool: Pool,
        each: &mut EachBlock,
    ) -> Result<(), Error> {
        let (graph, shape) = (all.graph, self.shape());
        let cuts = cuts(
            all,
            (&graph.shapes(&shape)?, &graph.spatial_layouts(&shape)?),
        )?;
        let tokens = self.activations(graph, &cuts)?;
        let count = all.blocks.len();
        let (_, end) = passes::cut(graph, cuts[count], &shape)?;
        for (index, block) in all.blocks.iter().enumerate().rev() {
            let (first, last) = (cuts[index], cuts[index + 1]);
            let (front, _) = passes::cut(graph, last, &shape)?;
            let (_, part) = passes::cut(&front, first, &shape)?;
            // The part starts with the node before it.
            let moved = |id: NodeId| {
                let mut ids = part.ids();
                ids.nth(id.index() - first.index())
                    .expect("it is in the part")
            };
            let seed =
                self.gradient_of_end(&end, &tokens[index + 1], (target, score), (pool, all))?;
            let kept = part.forward(&tokens[index], Mode::Inference, Keep::All)?;
            let node = moved(block.node);
            let seeds = [(part.output(), seed)];
            let found = part.backward(&kept, &seeds, &Request::nodes(&[node]))?;
            let value = kept.get(moved(block.reads())).expect("all are kept");
            value.read()?;
            let probabilities = block.probabilities(value);
            let gradients = match found.node(node) {
                Some(gradient) => block.gradients(value, gradient),
                None => vec![0.0; probabilities.len()],
            };
            finite("the gradient", &gradients)?;
            each(index, &probabilities, &gradients)?;
            self.progress(count - index, count);
        }
        Ok(())
    }

    /// The gradient of the target's score with respect to the tokens that the network's end reads:
    /// `[1, T, D]`, or a map, whose features of a token are also stored together.
    fn gradient_of_end(
        &self,
        end: &Graph,
        tokens: &Tensor,
        (target, score): (&Target, Score),
        (pool, all): (Pool, &Attentions),
    ) -> Result<Tensor, Error> {
        let features = tokens.len() / all.tokens;
        let mean = |values: &Tensor, of: &mut dyn Iterator<Item = usize>| {
            let mut sums = vec![0.0f64; features];
            for token in of {
                let row = &values.data()[token * features..][..features];
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, &v)| *sum += f64::from(v));
            }
            sums.into_iter()
                .map(move |sum| (sum / all.tokens as f64) as f32)
        };
        let mut given = tokens.clone();
        if let Pool::Mean = pool {
            let row: Vec<f32> = mean(tokens, &mut (0..all.tokens)).collect();
            for &token in &all.read {
                given.data_mut()[token * features..][..features].copy_from_slice(&row);
            }
        }
        let kept = end.forward(&given, Mode::Inference, Keep::All)?;
        let numbers = kept.output();
        finite("a block's tokens", numbers.data())?;
        let output_gradient = target.output_gradient(score, self.output(), numbers.data())?;
        let seed = Tensor::from_stored(numbers.shape(), output_gradient);
        let input = end.input();
        let found = end.backward(&kept, &[(end.output(), seed)], &Request::nodes(&[input]))?;
        let Some(gradient) = found.node(input) else {
            return Ok(Tensor::zeros(tokens.shape()));
        };
        let Pool::Mean = pool else {
            return Ok(gradient.clone());
        };
        // Every token contributes equally to the mean.
        let row: Vec<f32> = mean(gradient, &mut all.read.iter().copied()).collect();
        Ok(Tensor::from_stored(tokens.shape(), row.repeat(all.tokens)))
    }
}

/// The nodes with the tokens before the first block and after every block: sums that everything
/// after them is computed from.
fn cuts(
    all: &Attentions,
    (shapes, places): (&[Vec<usize>], &[Option<SpatialLayout>]),
) -> Result<Vec<NodeId>, Error> {
    let graph = all.graph;
    // For each node, the earliest input of all nodes from it on.
    let mut reads_from = vec![usize::MAX; graph.nodes().len() + 1];
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        let nearest = node.inputs.iter().map(|input| input.index()).min();
        reads_from[id] = reads_from[id + 1].min(nearest.unwrap_or(usize::MAX));
    }
    let is_way = |id: NodeId| {
        let at = id.index();
        let has_all = places_of(&shapes[at], places[at], all.tokens).is_some();
        has_all && reads_from[at + 1] >= at
    };
    let is_sum = |id: NodeId| {
        let node = graph.node(id);
        node.op.class() == Class::Sum && node.inputs.len() == 2
    };
    let attentions: Vec<NodeId> = all.blocks.iter().map(|block| block.node).collect();
    let before = graph.ids().filter(|&id| id < attentions[0] && is_way(id));
    let mut cuts: Vec<NodeId> = before.last().into_iter().collect();
    for (index, &first) in attentions.iter().enumerate() {
        let end = attentions.get(index + 1).copied();
        let within = |id: &NodeId| *id > first && end.is_none_or(|end| *id < end);
        let sums = graph
            .ids()
            .filter(within)
            .filter(|&id| is_way(id) && is_sum(id));
        cuts.extend(sums.last());
    }
    if cuts.len() == attentions.len() + 1 {
        return Ok(cuts);
    }
    Err(Error::Unfit(
        "the blocks of this network do not pass on everything as one sequence of tokens, so they have no scores of \
         their own; use the gradient of the network's score (the option `score-from` with the value `end`)"
            .into(),
    ))
}
