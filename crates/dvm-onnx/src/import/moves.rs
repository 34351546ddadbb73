//! Where values come from that are only moved: the ops run on numbers that tell places.
//!
//! However an exporter cuts, turns and joins values, what it does to them is known when it was done to the
//! numbers 0, 1, 2, …

use std::collections::{BTreeSet, HashMap};

use dvm_engine::Tensor;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::tokens::{Grid, Tokens};
use dvm_engine::ops::{Arithmetic, ForwardCall, Mode};

use super::array::count;
use super::draft::{Draft, Made};

/// Nodes between a value and where it came from, at most.
const LONGEST_WAY: usize = 256;

/// Numbers that f32 tells apart.
const MOST_PLACES: usize = 1 << 24;

/// Whether an op only moves values.
pub(super) fn is_move(made: &Made) -> bool {
    made.op_as::<Permute>().is_some()
        || made.op_as::<Reshape>().is_some()
        || made.op_as::<Flatten>().is_some()
        || made.op_as::<Tokens>().is_some()
        || made.op_as::<Grid>().is_some()
        || made.op_as::<Slice>().is_some()
        || made.op_as::<Concat>().is_some()
        || made.op_as::<ChannelShuffle>().is_some()
}

/// The number that an op multiplies all values by, if it does nothing else.
pub(super) fn factor(made: &Made) -> Option<f64> {
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

impl Draft {
    /// The node that a value comes from by moves alone, or by moves and factors.
    pub(super) fn origin(&self, mut node: usize, through_factors: bool) -> usize {
        for _ in 0..LONGEST_WAY {
            let made = &self.nodes[node];
            if !(is_move(made) || through_factors && factor(made).is_some()) {
                break;
            }
            node = made.inputs[0];
        }
        node
    }

    /// What the op of a node makes of these inputs, one picture's; nothing if its parameters are not known, or
    /// if there is no room for it beside `held` values.
    pub(super) fn done(&mut self, node: usize, inputs: &[&Tensor], held: usize) -> Option<Tensor> {
        let made = &self.nodes[node];
        let parameters = made.parameters.iter();
        let parameters = parameters.map(|&parameter| self.array(parameter).tensor().ok());
        let parameters: Vec<Tensor> = parameters.collect::<Option<_>>()?;
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let shapes = |tensors: &[&Tensor]| -> Vec<Vec<usize>> {
            tensors.iter().map(|t| t.shape().to_vec()).collect()
        };
        let (input_shapes, parameter_shapes) = (shapes(inputs), shapes(&parameters));
        let input_shapes: Vec<&[usize]> = input_shapes.iter().map(|s| &s[..]).collect();
        let parameter_shapes: Vec<&[usize]> = parameter_shapes.iter().map(|s| &s[..]).collect();
        let op = std::sync::Arc::clone(&made.op);
        let output_shape = op.output_shape(&input_shapes, &parameter_shapes).ok()?;
        self.room_for_places(&output_shape, held)?;
        let outcome = op.forward(&ForwardCall {
            inputs,
            parameters: &parameters,
            prepared: op.prepare().as_ref(),
            output_shape: &output_shape,
            mode: Mode::Inference,
            arithmetic: Arithmetic::Exact,
            random_stream: 0,
        });
        Some(outcome.value)
    }

    /// How many places a value of this shape has, if there is room for as many numbers beside `held` others.
    pub(super) fn room_for_places(&mut self, shape: &[usize], held: usize) -> Option<usize> {
        let places = count(shape).filter(|&places| places <= MOST_PLACES)?;
        self.room_for((held + places) * size_of::<f32>()).ok()?;
        Some(places)
    }
}

/// Where values come from in the value of one node.
pub(super) struct Moves {
    root: usize,
    numbers: HashMap<usize, Tensor>,
}

impl Moves {
    /// The places of `root` are numbered as they are stored: a map with its channels last.
    pub fn of_stored(draft: &mut Draft, root: usize) -> Option<Self> {
        Self::new(draft, root, Tensor::from_stored)
    }

    /// They are numbered in row-major order of the shape.
    pub fn of_named(draft: &mut Draft, root: usize) -> Option<Self> {
        Self::new(draft, root, |shape, numbers| {
            Tensor::from_nchw(shape, &numbers)
        })
    }

    fn new(
        draft: &mut Draft,
        root: usize,
        tensor: impl FnOnce(&[usize], Vec<f32>) -> Tensor,
    ) -> Option<Self> {
        let shape = &draft.nodes[root].shape.clone();
        let places = draft.room_for_places(shape, 0)?;
        let numbers = (0..places).map(|place| place as f32).collect();
        Some(Self {
            root,
            numbers: HashMap::from([(root, tensor(shape, numbers))]),
        })
    }

    /// The nodes between the root and this one, in order, if all of them only move values, or multiply them.
    fn way(&self, draft: &Draft, node: usize, through_factors: bool) -> Option<Vec<usize>> {
        let mut open = BTreeSet::from([node]);
        let mut way = Vec::new();
        while let Some(at) = open.pop_last() {
            if at == self.root {
                continue;
            }
            let made = &draft.nodes[at];
            let passes = is_move(made) || through_factors && factor(made).is_some();
            if at < self.root || !passes || way.len() == LONGEST_WAY {
                return None;
            }
            way.push(at);
            open.extend(&made.inputs);
        }
        way.reverse();
        Some(way)
    }

    /// For each place of a node, the place of the root that its value comes from; nothing if not all of them
    /// come from there, moved and not changed.
    pub fn numbered(&mut self, draft: &mut Draft, node: usize) -> Option<&Tensor> {
        let way = self.way(draft, node, false)?;
        self.follow(draft, node, &way)
    }

    /// The same for a value that may be multiplied on its way, and by how much.
    pub fn scaled(&mut self, draft: &mut Draft, node: usize) -> Option<(&Tensor, f64)> {
        let way = self.way(draft, node, true)?;
        let mut products = HashMap::from([(self.root, 1.0)]);
        for &at in &way {
            let made = &draft.nodes[at];
            let mut before = made.inputs.iter().map(|input| products.get(input).copied());
            let first = before.next()??;
            // Values that are joined have to be multiplied alike.
            if before.any(|other| other != Some(first)) {
                return None;
            }
            products.insert(at, first * factor(made).unwrap_or(1.0));
        }
        let product = products[&node];
        Some((self.follow(draft, node, &way)?, product))
    }

    fn follow(&mut self, draft: &mut Draft, node: usize, way: &[usize]) -> Option<&Tensor> {
        for &at in way {
            if self.numbers.contains_key(&at) {
                continue;
            }
            let inputs = draft.nodes[at].inputs.clone();
            let inputs = inputs.iter().map(|input| self.numbers.get(input));
            let inputs: Vec<&Tensor> = inputs.collect::<Option<_>>()?;
            let held = self.numbers.values().map(Tensor::len).sum();
            let value = match factor(&draft.nodes[at]) {
                Some(_) => inputs[0].clone(),
                None => draft.done(at, &inputs, held)?,
            };
            self.numbers.insert(at, value);
        }
        self.numbers.get(&node)
    }

    /// The nodes on the way to this one, in order, without the root.
    pub fn on_the_way(&self, draft: &Draft, node: usize) -> Vec<usize> {
        self.way(draft, node, false).unwrap_or_default()
    }
}

/// Whether numbers are 0, 1, 2, … in this order.
pub(super) fn is_in_order(numbers: &[f32]) -> bool {
    (numbers.iter().enumerate()).all(|(place, &number)| number == place as f32)
}
