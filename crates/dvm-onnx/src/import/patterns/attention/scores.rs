//! Scores of attention, and what its queries, keys and values are slices of.

use dvm_engine::Tensor;
use dvm_engine::ops::Class;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::softmax::Softmax;

use crate::import::builder::{BuilderNode, GraphBuilder};
use crate::import::patterns::source_indices::{SourceIndices, factor, is_in_order, is_move};

/// The largest relative difference of the scores' factor from 1 / √d, caused by rounding.
const SCALE_TOLERANCE: f64 = 4e-7;

/// The most nodes between the scores and the products, or after an attention, to search.
pub(super) const FARTHEST: usize = 64;

/// The scores of an attention.
pub(super) struct Scores {
    /// Heads of all windows.
    pub count: usize,
    /// Queries and keys of each head.
    pub tokens: usize,
    /// Features of each head.
    pub width: usize,
    /// What is added to the scores, `[count, tokens, tokens]`.
    pub added: Vec<f32>,
    factor: f64,
    /// The product of queries and keys, and that of probabilities and values.
    pub products: [usize; 2],
}

/// Which token and which head each query is.
pub(super) struct Layout {
    /// The node that queries, keys and values are slices of.
    pub qkv: usize,
    pub features: usize,
    pub heads: usize,
    /// `[count, tokens]`
    pub token: Vec<usize>,
    /// `[count]`
    pub head: Vec<usize>,
}

impl Scores {
    /// The scores whose softmax this product of probabilities and values reads.
    pub fn before(graph: &mut GraphBuilder, product: usize) -> Option<Self> {
        let of_values = &graph.nodes[product];
        let softmax = graph.origin(of_values.inputs[0], false);
        let axis = graph.nodes[softmax].op_as::<Softmax>()?.axis;
        let probabilities = of_values.inputs[0];
        // The nodes from the softmax back to the product of queries and keys.
        let mut steps = Vec::new();
        let mut at = graph.nodes[softmax].inputs[0];
        while graph.nodes[at].op.class() != Class::MatrixProduct {
            if steps.len() == FARTHEST || !changes_scores(&graph.nodes[at]) {
                return None;
            }
            steps.push(at);
            at = graph.nodes[at].inputs[0];
        }
        let shape = graph.nodes[at].shape.clone();
        let &[.., tokens, keys] = &shape[..] else {
            return None;
        };
        let queries = graph.nodes[graph.nodes[at].inputs[0]].shape.clone();
        let width = *queries.last()?;
        let len = graph.room_for_indices(&shape, 2 * shape.iter().product::<usize>())?;
        let is_square = tokens == keys && tokens > 1;
        let made = &graph.nodes[softmax].shape;
        if !is_square || axis + 1 != made.len() || made[axis] != tokens {
            return None;
        }
        let mut moved = SourceIndices::of_row_major(graph, softmax)?;
        let probabilities = moved.at(graph, probabilities)?;
        if !is_in_order(&probabilities.to_nchw()) || probabilities.shape().last() != Some(&tokens) {
            return None;
        }
        let indices: Vec<f32> = (0..len).map(|index| index as f32).collect();
        let mut indices = Tensor::from_nchw(&shape, &indices);
        let mut added = Tensor::zeros(&shape);
        let mut product_of_factors = 1.0;
        for &step in steps.iter().rev() {
            added = graph.evaluate_node(step, &[&added], 2 * len)?;
            match (is_move(&graph.nodes[step]), factor(&graph.nodes[step])) {
                (true, _) => indices = graph.evaluate_node(step, &[&indices], 2 * len)?,
                (false, Some(factor)) => product_of_factors *= factor,
                (false, None) => {}
            }
            if added.shape() != indices.shape() {
                return None;
            }
        }
        is_in_order(&indices.to_nchw()).then(|| Self {
            count: len / (tokens * tokens),
            tokens,
            width,
            added: added.to_nchw(),
            factor: product_of_factors,
            products: [at, product],
        })
    }
}

/// Whether a node moves scores, multiplies all by one number, or adds constants.
fn changes_scores(made: &BuilderNode) -> bool {
    let adds = made
        .op_as::<Binary>()
        .is_some_and(|binary| binary.function == Function::Add && binary.other != Other::Input);
    made.inputs.len() == 1 && (is_move(made) || factor(made).is_some() || adds)
}

/// Features of each pixel or token of a node's value.
pub(super) fn features(graph: &GraphBuilder, node: usize) -> Option<usize> {
    match &graph.nodes[node].shape[..] {
        [_, channels, _, _] => Some(*channels),
        shape => shape.last().copied(),
    }
}

/// An index stored as a float.
pub(super) fn as_index(number: f32) -> usize {
    number as usize
}

impl Layout {
    pub fn of(graph: &mut GraphBuilder, scores: &Scores) -> Option<Self> {
        let [of_keys, of_values] = scores.products.map(|node| graph.nodes[node].inputs.clone());
        let qkv = graph.origin(of_keys[0], true);
        let features = features(graph, qkv)?;
        let (all, tokens, width) = (features / 3, scores.tokens, scores.width);
        if features % 3 != 0 || width == 0 || all % width != 0 {
            return None;
        }
        let len = scores.count * tokens * width;
        let mut moves = SourceIndices::of_stored(graph, qkv)?;
        let mut factors = 1.0;
        let mut read = |graph: &mut GraphBuilder, node: usize| -> Option<Vec<f32>> {
            let (indices, factor) = moves.scaled(graph, node)?;
            factors *= factor;
            (indices.len() == len).then(|| indices.to_nchw())
        };
        let queries = read(graph, of_keys[0])?;
        let keys = read(graph, of_keys[1])?;
        let found = scores.factor * factors * (width as f64).sqrt();
        let values = {
            let (indices, factor) = moves.scaled(graph, of_values[1])?;
            (indices.len() == len && factor == 1.0).then(|| indices.to_nchw())?
        };
        if (found - 1.0).abs() > SCALE_TOLERANCE {
            return None;
        }
        let (mut token, mut head) = (Vec::new(), Vec::new());
        for one in 0..scores.count {
            let first = as_index(queries[one * tokens * width]);
            let own = first % features / width;
            head.push(own);
            for at in 0..tokens {
                let row = (one * tokens + at) * width;
                let from = as_index(queries[row]) / features;
                for feature in 0..width {
                    let expected =
                        |part: usize| (from * features + part * all + own * width + feature) as f32;
                    let key = keys[(one * width + feature) * tokens + at];
                    let is_own = queries[row + feature] == expected(0)
                        && key == expected(1)
                        && values[row + feature] == expected(2);
                    if own * width >= all || !is_own {
                        return None;
                    }
                }
                token.push(from);
            }
        }
        Some(Self {
            qkv,
            features: all,
            heads: all / width,
            token,
            head,
        })
    }

    /// For each value of the result in row-major order, its index in the feature map, where `pixel` gives the pixel of a
    /// token. `None` unless every index occurs once.
    pub fn results(&self, scores: &Scores, pixel: impl Fn(usize) -> usize) -> Option<Vec<usize>> {
        let len = scores.count * scores.tokens * scores.width;
        let mut results = Vec::with_capacity(len);
        for (row, &token) in self.token.iter().enumerate() {
            let first =
                pixel(token) * self.features + self.head[row / scores.tokens] * scores.width;
            results.extend(first..first + scores.width);
        }
        let mut seen = vec![false; len];
        for &at in &results {
            if std::mem::replace(seen.get_mut(at)?, true) {
                return None;
            }
        }
        Some(results)
    }
}
