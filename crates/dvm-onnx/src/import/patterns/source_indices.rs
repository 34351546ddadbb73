//! Where moved values come from: the ops are run on the indices 0, 1, 2, … instead of values.
//!
//! However an exporter slices, transposes and concatenates values, the indices show where each one ends up.

use std::collections::{BTreeSet, HashMap};

use dvm_engine::Tensor;
use dvm_engine::ops::binary::{Binary, Function, Other};

use crate::import::builder::{BuilderNode, GraphBuilder, forward, output_shape};
use crate::import::value::array::count;

/// The most nodes between a value and its source.
const LONGEST_PATH: usize = 256;

/// The integers that f32 represents exactly.
const MOST_INDICES: usize = 1 << 24;

/// Whether an op only moves values.
pub(super) fn is_move(made: &BuilderNode) -> bool {
    made.op.class().is_movement()
}

/// The number that an op multiplies all values by, if that is all it does.
pub(super) fn factor(made: &BuilderNode) -> Option<f64> {
    let binary = made.op_as::<Binary>()?;
    let Other::Constant(constant) = &binary.other else {
        return None;
    };
    let &[value] = constant.data() else {
        return None;
    };
    match (binary.function, binary.swapped) {
        (Function::Mul, _) => Some(f64::from(value)),
        (Function::Div, false) => Some(1.0 / f64::from(value)),
        _ => None,
    }
}

impl GraphBuilder {
    /// The first node before this one that does more than move values, or than move and multiply them.
    pub(super) fn origin(&self, mut node: usize, through_factors: bool) -> usize {
        for _ in 0..LONGEST_PATH {
            let made = &self.nodes[node];
            if !(is_move(made) || through_factors && factor(made).is_some()) {
                break;
            }
            node = made.inputs[0];
        }
        node
    }

    /// The value of a node on these inputs, of one picture; `None` if its parameters are not known, or if there is no room
    /// for it beside `held` numbers.
    pub(super) fn evaluate_node(
        &mut self,
        node: usize,
        inputs: &[&Tensor],
        held: usize,
    ) -> Option<Tensor> {
        let made = &self.nodes[node];
        let parameters = made.parameters.iter();
        let parameters = parameters.map(|&parameter| self.array(parameter).tensor().ok());
        let parameters: Vec<Tensor> = parameters.collect::<Option<_>>()?;
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let op = std::sync::Arc::clone(&made.op);
        let shape = output_shape(&*op, inputs, &parameters).ok()?;
        self.room_for_indices(&shape, held)?;
        Some(forward(&*op, inputs, &parameters, &shape))
    }

    /// How many values a shape has, if there is room for as many indices beside `held` numbers.
    pub(super) fn room_for_indices(&mut self, shape: &[usize], held: usize) -> Option<usize> {
        let values = count(shape).filter(|&values| values <= MOST_INDICES)?;
        self.check_room((held + values) * size_of::<f32>()).ok()?;
        Some(values)
    }
}

/// For values that are moved from one node to others: their indices in that node's value.
pub(super) struct SourceIndices {
    root: usize,
    /// The indices at each node.
    at: HashMap<usize, Tensor>,
}

impl SourceIndices {
    /// Indices into `root` as it is stored: a feature map has its channels last.
    pub fn of_stored(graph: &mut GraphBuilder, root: usize) -> Option<Self> {
        Self::new(graph, root, Tensor::from_stored)
    }

    /// Indices in row-major order of the shape.
    pub fn of_row_major(graph: &mut GraphBuilder, root: usize) -> Option<Self> {
        Self::new(graph, root, |shape, indices| {
            Tensor::from_nchw(shape, &indices)
        })
    }

    fn new(
        graph: &mut GraphBuilder,
        root: usize,
        tensor: impl FnOnce(&[usize], Vec<f32>) -> Tensor,
    ) -> Option<Self> {
        let shape = &graph.nodes[root].shape.clone();
        let values = graph.room_for_indices(shape, 0)?;
        let indices = (0..values).map(|index| index as f32).collect();
        Some(Self {
            root,
            at: HashMap::from([(root, tensor(shape, indices))]),
        })
    }

    /// The nodes from the root to this one, without the root and in order, if all only move values, or multiply them.
    fn path(&self, graph: &GraphBuilder, node: usize, through_factors: bool) -> Option<Vec<usize>> {
        let mut open = BTreeSet::from([node]);
        let mut path = Vec::new();
        while let Some(at) = open.pop_last() {
            if at == self.root {
                continue;
            }
            let made = &graph.nodes[at];
            let passes = is_move(made) || through_factors && factor(made).is_some();
            if at < self.root || !passes || path.len() == LONGEST_PATH {
                return None;
            }
            path.push(at);
            open.extend(&made.inputs);
        }
        path.reverse();
        Some(path)
    }

    /// For each value of a node, its index in the root; `None` if they do not all come from the root, unchanged.
    pub fn at(&mut self, graph: &mut GraphBuilder, node: usize) -> Option<&Tensor> {
        let path = self.path(graph, node, false)?;
        self.follow(graph, node, &path)
    }

    /// The same for values that may be multiplied, and the factor.
    pub fn scaled(&mut self, graph: &mut GraphBuilder, node: usize) -> Option<(&Tensor, f64)> {
        let path = self.path(graph, node, true)?;
        let mut products = HashMap::from([(self.root, 1.0)]);
        for &at in &path {
            let made = &graph.nodes[at];
            let mut before = made.inputs.iter().map(|input| products.get(input).copied());
            let first = before.next()??;
            // Concatenated values must have the same factor.
            if before.any(|other| other != Some(first)) {
                return None;
            }
            products.insert(at, first * factor(made).unwrap_or(1.0));
        }
        let product = products[&node];
        Some((self.follow(graph, node, &path)?, product))
    }

    fn follow(&mut self, graph: &mut GraphBuilder, node: usize, path: &[usize]) -> Option<&Tensor> {
        for &at in path {
            if self.at.contains_key(&at) {
                continue;
            }
            let inputs = graph.nodes[at].inputs.clone();
            let inputs = inputs.iter().map(|input| self.at.get(input));
            let inputs: Vec<&Tensor> = inputs.collect::<Option<_>>()?;
            let held = self.at.values().map(Tensor::len).sum();
            let value = match factor(&graph.nodes[at]) {
                Some(_) => inputs[0].clone(),
                None => graph.evaluate_node(at, &inputs, held)?,
            };
            self.at.insert(at, value);
        }
        self.at.get(&node)
    }

    /// The nodes from the root to this one, without the root and in order.
    pub fn nodes_to(&self, graph: &GraphBuilder, node: usize) -> Vec<usize> {
        self.path(graph, node, false).unwrap_or_default()
    }
}

/// Whether indices are 0, 1, 2, … in this order.
pub(super) fn is_in_order(indices: &[f32]) -> bool {
    (indices.iter().enumerate()).all(|(place, &index)| index == place as f32)
}
