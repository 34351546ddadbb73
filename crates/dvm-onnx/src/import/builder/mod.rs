//! The engine's graph under construction.
//!
//! [`GraphBuilder`] holds the nodes emitted so far, with the shapes of their values for one picture. The first axis
//! of every node's value is the batch and nothing else. What a file merges with the batch, or puts before it, is
//! described by the [`View`](super::value::view::View) of the value.

mod evaluate;
pub(crate) mod memory;
mod parameters;
mod rearrange;

use std::collections::HashMap;
use std::sync::Arc;

use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Other};
use dvm_engine::ops::input::Input;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::{Blueprint, Error, Graph, NodeId, Parameter, Tensor};

pub(crate) use self::evaluate::{evaluate, forward, output_shape};
use self::memory::MemoryBudget;
pub(crate) use self::parameters::{is_generated_name, without_leading_ones};
use self::rearrange::AxisOrder;
pub(crate) use self::rearrange::suffixed;
use crate::import::patterns::InputInfo;
use crate::import::patterns::piecewise_linear::PiecewiseLinear;
use crate::import::patterns::sampled_function::SampledFunctions;
use crate::import::value::array::count;
use crate::import::{Array, NodeError, Result, Values, invalid, unsupported};
use crate::names::UniqueNames;

/// A node of the engine, by its index among the builder's nodes.
pub(crate) struct BuilderNode {
    pub name: String,
    pub op: Arc<dyn Op>,
    pub inputs: Vec<usize>,
    pub parameters: Vec<usize>,
    /// The shape of its value for one picture.
    pub shape: Vec<usize>,
    /// What it computes of one number of an earlier node.
    pub sampled: SampledFunctions,
    /// The same for functions of two lines through 0.
    pub piecewise: PiecewiseLinear,
    pub pending_affine: PendingAffine,
}

/// Which parameter a layer norm without its own weight or bias may still get from a later `Mul` or `Add`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingAffine {
    Nothing,
    /// The weight, then the bias.
    Scale,
    /// The bias.
    Bias,
}

impl BuilderNode {
    pub fn op_as<T: Op>(&self) -> Option<&T> {
        let any: &dyn std::any::Any = &*self.op;
        any.downcast_ref()
    }
}

/// The nodes and parameters emitted so far.
pub(crate) struct GraphBuilder {
    pub nodes: Vec<BuilderNode>,
    parameters: Vec<(Parameter, Array)>,
    names: UniqueNames,
    parameter_names: UniqueNames,
    /// Parameters by initializer, shape and whether they are a scale or bias.
    shared: HashMap<(Arc<str>, Vec<usize>, bool), usize>,
    /// Nodes that hold another node's value with its axes in another order.
    rearranged: HashMap<(usize, AxisOrder), usize>,
    memory: MemoryBudget,
}

/// The most numbers in the value of a node, for one picture.
const MOST_VALUES: usize = 1 << 31;

/// The most nodes in a graph.
const MOST_NODES: usize = 200_000;

impl GraphBuilder {
    /// A graph of nothing but an input `[N, channels, height, width]`.
    pub fn new([channels, height, width]: [usize; 3], budget: usize) -> Self {
        let mut builder = Self {
            nodes: Vec::new(),
            parameters: Vec::new(),
            names: UniqueNames::default(),
            parameter_names: UniqueNames::default(),
            shared: HashMap::new(),
            rearranged: HashMap::new(),
            memory: MemoryBudget::new(budget),
        };
        let name = builder.names.unique("input");
        let shape = vec![1, channels, height, width];
        builder.push(
            name,
            Arc::new(Input::Pictures { channels }),
            vec![],
            vec![],
            shape,
        );
        builder
    }

    /// A separate graph whose only node has a value of this shape, the first axis being the batch. It shares this
    /// graph's memory budget.
    pub fn scratch(&self, shape: &[usize]) -> Self {
        let mut scratch = Self::new([1, 1, 1], 0);
        scratch.memory = self.memory;
        let one = std::iter::once(1).chain(shape[1..].iter().copied());
        scratch.nodes[0].shape = one.collect();
        scratch
    }

    /// Takes over what a [`GraphBuilder::scratch`] graph has used of the memory budget.
    pub fn count_memory_of(&mut self, scratch: &Self) {
        self.memory = scratch.memory;
    }

    /// This name, with a number appended if another node has it.
    pub fn unique(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "node" } else { name };
        self.names.unique(name)
    }

    /// Appends a node without parameters.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit_layer`].
    pub fn emit(&mut self, name: &str, op: impl Op, inputs: &[usize]) -> Result<usize> {
        self.emit_layer(name, op, inputs, &[])
    }

    /// Appends a node. Where it completes an activation that the file writes as several operators, the activation is
    /// appended instead.
    ///
    /// # Errors
    /// If the op does not support its inputs.
    pub fn emit_layer(
        &mut self,
        name: &str,
        op: impl Op,
        inputs: &[usize],
        parameters: &[usize],
    ) -> Result<usize> {
        if let Some(Binary {
            other: Other::Constant(constant),
            ..
        }) = (&op as &dyn std::any::Any).downcast_ref()
        {
            self.reserve(constant.len().saturating_mul(4))?;
        }
        let mut op: Arc<dyn Op> = Arc::new(op);
        let mut inputs = inputs.to_vec();
        let shape = self.shape_of(&*op, &inputs, parameters)?;
        if self.nodes.len() >= MOST_NODES {
            let detail = format!("needs more than {MOST_NODES} nodes, which is the limit");
            return Err(NodeError::TooLarge(detail));
        }
        let mut sampled = self.sampled(&*op, &inputs);
        let mut parameters = parameters.to_vec();
        // A bound of the pixels themselves is not an activation.
        let found = sampled.activation().filter(|(_, activation)| {
            !matches!(activation, Activation::ClippedRelu(_)) || self.has_layers()
        });
        let mut piecewise;
        if let Some((source, activation)) = found {
            op = Arc::new(activation);
            (inputs, parameters) = (vec![source], Vec::new());
            sampled = self.sampled(&activation, &inputs);
            piecewise = self.piecewise(&*op, &inputs, &[]);
        } else {
            piecewise = self.piecewise(&*op, &inputs, &parameters);
            if let Some((source, slopes)) = piecewise.prelu()
                && let Some(slopes) = self.prelu_slopes(source, &slopes)
            {
                let slopes = self.reuse_or_add(slopes, source, name)?;
                op = Arc::new(PRelu);
                (inputs, parameters) = (vec![source], vec![slopes]);
                (sampled, piecewise) = (SampledFunctions::default(), PiecewiseLinear::default());
            }
        }
        let name = self.unique(name);
        let node = self.push(name, op, inputs, parameters, shape);
        self.nodes[node].sampled = sampled;
        self.nodes[node].piecewise = piecewise;
        Ok(node)
    }

    fn push(
        &mut self,
        name: String,
        op: Arc<dyn Op>,
        inputs: Vec<usize>,
        parameters: Vec<usize>,
        shape: Vec<usize>,
    ) -> usize {
        self.nodes.push(BuilderNode {
            name,
            op,
            inputs,
            parameters,
            shape,
            sampled: SampledFunctions::default(),
            piecewise: PiecewiseLinear::default(),
            pending_affine: PendingAffine::Nothing,
        });
        self.nodes.len() - 1
    }

    /// Whether any layer was emitted.
    pub fn has_layers(&self) -> bool {
        self.nodes.iter().any(|node| !node.parameters.is_empty())
    }

    fn sampled(&self, op: &dyn Op, inputs: &[usize]) -> SampledFunctions {
        SampledFunctions::of(op, &self.infos(inputs, |node| &node.sampled))
    }

    fn piecewise(&self, op: &dyn Op, inputs: &[usize], parameters: &[usize]) -> PiecewiseLinear {
        let value = match *parameters {
            [only] => self.parameters[only].1.tensor().ok(),
            _ => None,
        };
        let inputs = self.infos(inputs, |node| &node.piecewise);
        PiecewiseLinear::of(op, &inputs, value.as_ref())
    }

    fn infos<T>(
        &self,
        inputs: &[usize],
        known: impl Fn(&BuilderNode) -> &T,
    ) -> Vec<InputInfo<'_, T>> {
        let info = |&node: &usize| InputInfo {
            node,
            shape: &self.nodes[node].shape,
            known: known(&self.nodes[node]),
        };
        inputs.iter().map(info).collect()
    }

    /// A copy of a node with other parameters. It takes over the node's name unless it gets one of its own.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn with_parameters(
        &mut self,
        node: usize,
        parameters: Vec<usize>,
        pending_affine: PendingAffine,
        name: Option<&str>,
    ) -> Result<usize> {
        let op = Arc::clone(&self.nodes[node].op);
        let inputs = self.nodes[node].inputs.clone();
        let shape = self.shape_of(&*op, &inputs, &parameters)?;
        let before = self.unique(&format!("{}.before", self.nodes[node].name.clone()));
        let own = std::mem::replace(&mut self.nodes[node].name, before);
        let name = match name {
            Some(name) => self.unique(name),
            None => own,
        };
        let copy = self.push(name, op, inputs, parameters, shape);
        self.nodes[copy].pending_affine = pending_affine;
        Ok(copy)
    }

    /// Appends the op of a node without parameters once more, on another input.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn repeat_on(&mut self, node: usize, input: usize) -> Result<usize> {
        let op = Arc::clone(&self.nodes[node].op);
        let name = self.unique(&self.nodes[node].name.clone());
        self.append(name, op, vec![input], Vec::new())
    }

    /// Appends a node under exactly this name, and looks for no activations.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn append(
        &mut self,
        name: String,
        op: Arc<dyn Op>,
        inputs: Vec<usize>,
        parameters: Vec<usize>,
    ) -> Result<usize> {
        let shape = self.shape_of(&*op, &inputs, &parameters)?;
        Ok(self.push(name, op, inputs, parameters, shape))
    }

    /// The shape of an op's value for one picture. The op is asked with two pictures and with three, to detect shapes
    /// that fit one batch size only.
    fn shape_of(&self, op: &dyn Op, inputs: &[usize], parameters: &[usize]) -> Result<Vec<usize>> {
        let parameters: Vec<&[usize]> = parameters
            .iter()
            .map(|&p| &self.parameters[p].0.shape[..])
            .collect();
        let for_batch = |batch: usize| {
            let with_batch = |&id: &usize| {
                let mut shape = self.nodes[id].shape.clone();
                shape[0] = batch;
                shape
            };
            let shapes: Vec<Vec<usize>> = inputs.iter().map(with_batch).collect();
            let shapes: Vec<&[usize]> = shapes.iter().map(|s| &s[..]).collect();
            op.output_shape(&shapes, &parameters)
                .map_err(|detail| unsupported(format!("as {}: {detail}", op.kind())))
        };
        let (two, three) = (for_batch(2)?, for_batch(3)?);
        let is_batch = two.first() == Some(&2) && three.first() == Some(&3);
        if !is_batch || two[1..] != three[1..] {
            return Err(unsupported(
                "mixes the pictures of a batch, so it works for one batch size only",
            ));
        }
        let mut shape = two;
        shape[0] = 1;
        match count(&shape) {
            Some(values) if values <= MOST_VALUES => Ok(shape),
            _ => Err(NodeError::TooLarge(format!(
                "computes a value of shape {shape:?}; the limit is {MOST_VALUES} numbers"
            ))),
        }
    }

    /// For each node, whether the output depends on it. The input always counts.
    pub fn reachable(&self, output: usize) -> Vec<bool> {
        let mut reachable = vec![false; self.nodes.len()];
        reachable[output] = true;
        for id in (0..=output).rev() {
            if reachable[id] {
                let inputs = self.nodes[id].inputs.iter();
                inputs.for_each(|&input| reachable[input] = true);
            }
        }
        reachable[0] = true;
        reachable
    }

    /// The engine's graph that ends at a node, without the nodes that it does not depend on.
    ///
    /// # Errors
    /// If a value is missing; and what `value` returns, which is asked for each parameter without numbers in the file.
    pub fn finish(
        self,
        output: usize,
        mut value: impl FnMut(&Parameter) -> Result<Tensor>,
    ) -> Result<Graph> {
        let reachable = self.reachable(output);
        let mut blueprint = Blueprint::new(self.nodes[0].shape[1]);
        let mut ids: Vec<NodeId> = vec![blueprint.input(); self.nodes.len()];
        let mut declared: HashMap<usize, usize> = HashMap::new();
        let mut sources: HashMap<String, Array> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate().skip(1) {
            if !reachable[id] {
                continue;
            }
            let inputs: Vec<NodeId> = node.inputs.iter().map(|&input| ids[input]).collect();
            let mut parameters = Vec::new();
            for &index in &node.parameters {
                let (parameter, array) = &self.parameters[index];
                let declared = declared.entry(index).or_insert_with(|| {
                    sources.insert(parameter.name.clone(), array.clone());
                    blueprint.parameter(&parameter.name, &parameter.shape, parameter.role)
                });
                parameters.push(*declared);
            }
            ids[id] = blueprint.node_of(&node.name, Arc::clone(&node.op), &inputs, &parameters);
        }
        let graph = Graph::new(blueprint.ending_at(ids[output]), |parameter| {
            let source = sources.remove(&parameter.name);
            match source.as_ref().map(|array| (&array.values, array)) {
                Some((Values::Floats(_), array)) => array.tensor().map_err(FinishError::Node),
                _ => value(parameter).map_err(FinishError::Node),
            }
        });
        graph.map_err(|error| match error {
            FinishError::Node(error) => error,
            FinishError::Engine(error) => invalid(error.to_string()),
        })
    }
}

enum FinishError {
    Node(NodeError),
    Engine(Error),
}

impl From<Error> for FinishError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}
