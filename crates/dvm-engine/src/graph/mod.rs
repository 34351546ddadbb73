//! The network: named nodes in the order in which they are computed, and their parameters.

pub(crate) mod blueprint;
pub(crate) mod gradient_check;
pub(crate) mod initialisation;
pub(crate) mod node;
pub(crate) mod output;
pub mod seeded;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rayon::prelude::*;

use self::gradient_check::KnownGradientChecks;
pub use self::node::{Node, NodeId, Parameter, Role};
use crate::device::{Device, raise};
use crate::ops::input::Input;
use crate::ops::{Arithmetic, Op, Prepared};
use crate::runtime::threads::{in_thread_pool, wake_threads};
use crate::{Blueprint, Error, GradientCheck, Lap, Stopwatch, Tensor, Walk};

/// A network with its weights. A walk (forward, backward, occlusion) never changes it.
pub struct Graph {
    nodes: Vec<Node>,
    output: NodeId,
    auxiliaries: Vec<(NodeId, f32)>,
    parameters: Vec<Parameter>,
    values: Vec<Tensor>,
    arithmetic: Arithmetic,
    stopwatch: Option<Stopwatch>,
    device: Option<Arc<dyn Device>>,
    /// Packed parameters of each node, made at first use.
    prepared: Vec<OnceLock<Option<Prepared>>>,
    /// The results of gradient checks, shared by all forms of the network.
    gradient_checks: Arc<KnownGradientChecks>,
}

/// Values are shared until one of the two graphs changes them.
impl Clone for Graph {
    fn clone(&self) -> Self {
        let parts = (self.nodes.clone(), self.output, self.parameters.clone());
        Self::from_parts(parts.0, parts.1, parts.2, self.values.clone())
            .with_auxiliaries(self.auxiliaries.clone())
            .run_like(self)
            .checked_like(self)
    }
}

impl Graph {
    /// A graph from a blueprint and the values of its parameters.
    ///
    /// # Errors
    /// What `value` returns, or [`Error::Parameter`] if a value's shape is not the declared one.
    pub fn new<E: From<Error>>(
        blueprint: Blueprint,
        mut value: impl FnMut(&Parameter) -> Result<Tensor, E>,
    ) -> Result<Self, E> {
        let parts = blueprint.into_parts();
        let mut values = Vec::with_capacity(parts.parameters.len());
        for parameter in &parts.parameters {
            let value = value(parameter)?;
            check(parameter, &value)?;
            values.push(value);
        }
        Ok(
            Self::from_parts(parts.nodes, parts.output, parts.parameters, values)
                .with_auxiliaries(parts.auxiliaries),
        )
    }

    pub(crate) fn from_parts(
        nodes: Vec<Node>,
        output: NodeId,
        parameters: Vec<Parameter>,
        values: Vec<Tensor>,
    ) -> Self {
        let prepared = nodes.iter().map(|_| OnceLock::new()).collect();
        Self {
            nodes,
            output,
            auxiliaries: Vec::new(),
            parameters,
            values,
            arithmetic: Arithmetic::default(),
            stopwatch: None,
            device: None,
            prepared,
            gradient_checks: Arc::default(),
        }
    }

    /// The same graph with these auxiliary heads.
    pub(crate) fn with_auxiliaries(self, auxiliaries: Vec<(NodeId, f32)>) -> Self {
        Self {
            auxiliaries,
            ..self
        }
    }

    /// The same graph with another arithmetic.
    #[must_use]
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        Self { arithmetic, ..self }
    }

    /// The arithmetic that kernels use.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The same graph with another stopwatch, or none.
    pub(crate) fn with_stopwatch(self, stopwatch: Option<Stopwatch>) -> Self {
        Self { stopwatch, ..self }
    }

    pub(crate) fn stopwatch(&self) -> Option<&Stopwatch> {
        self.stopwatch.as_ref()
    }

    /// The same graph, computed on this device; on the CPU if there is none.
    #[must_use]
    pub fn with_device(self, device: Option<Arc<dyn Device>>) -> Self {
        Self { device, ..self }
    }

    /// The device that computes the graph; `None` for the CPU.
    pub fn device(&self) -> Option<&dyn Device> {
        self.device.as_deref()
    }

    /// The same graph with the arithmetic, the stopwatch and the device of `other`.
    pub(crate) fn run_like(self, other: &Self) -> Self {
        self.with_arithmetic(other.arithmetic)
            .with_stopwatch(other.stopwatch.clone())
            .with_device(other.device.clone())
    }

    /// The same graph, which shares the gradient checks of `other`.
    pub(crate) fn checked_like(self, other: &Self) -> Self {
        let gradient_checks = Arc::clone(&other.gradient_checks);
        Self {
            gradient_checks,
            ..self
        }
    }

    /// The result of the gradient check ([`Graph::gradient_check`]) for an input of this shape `[1, C, H, W]`,
    /// with or without a comparison of every node, if it was made.
    pub fn known_gradient_check(
        &self,
        input: &[usize; 4],
        of_nodes: bool,
    ) -> Option<GradientCheck> {
        self.gradient_checks.get(input, of_nodes)
    }

    /// Stores the result of an earlier gradient check of this network, so that it is not made again.
    pub fn note_gradient_check(&self, input: &[usize; 4], of_nodes: bool, found: GradientCheck) {
        self.gradient_checks.insert(input, of_nodes, found);
    }

    /// The nodes in the order in which they are computed; the input is the first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Ids of all nodes, in order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The input node.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// The node that holds the logits.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// Logits of auxiliary heads, each with the weight of its loss ([`Blueprint::auxiliary`]). Only
    /// training uses them.
    pub fn auxiliaries(&self) -> &[(NodeId, f32)] {
        &self.auxiliaries
    }

    /// The node of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], with the node that it was merged into, or with similar names.
    pub fn find(&self, name: &str) -> Result<NodeId, Error> {
        if let Some(id) = self.nodes.iter().position(|node| node.name == name) {
            return Ok(NodeId(id));
        }
        let merged = self
            .nodes
            .iter()
            .find(|n| n.merged.iter().any(|m| m == name));
        let hint = if let Some(node) = merged {
            format!(": it was merged into `{}`; keep it when fusing", node.name)
        } else {
            let last = name.rsplit('.').next().unwrap_or(name);
            let near: Vec<&str> = self
                .nodes
                .iter()
                .map(|node| node.name.as_str())
                .filter(|known| known.contains(last) || name.contains(*known))
                .take(5)
                .collect();
            if near.is_empty() {
                String::new()
            } else {
                format!("; similar names are `{}`", near.join("`, `"))
            }
        };
        Err(Error::NoSuchNode {
            name: name.into(),
            hint,
        })
    }

    /// Names, shapes and roles of all parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Values of all parameters, in the order of [`Graph::parameters`].
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// Replaces a parameter's value, as a training step does.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the shape differs.
    ///
    /// # Panics
    /// If there is no parameter of this index.
    pub fn set_value(&mut self, index: usize, value: Tensor) -> Result<(), Error> {
        check(&self.parameters[index], &value)?;
        self.values[index] = value;
        for (node, prepared) in self.nodes.iter().zip(&mut self.prepared) {
            if node.parameters.contains(&index) {
                prepared.take();
            }
        }
        Ok(())
    }

    /// The same graph with other values, such as those of a moving average.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a value's shape is not the declared one.
    pub fn with_values(
        &self,
        mut value: impl FnMut(usize, &Parameter) -> Tensor,
    ) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(self.values.len());
        for (index, parameter) in self.parameters.iter().enumerate() {
            let value = value(index, parameter);
            check(parameter, &value)?;
            values.push(value);
        }
        let (nodes, parameters) = (self.nodes.clone(), self.parameters.clone());
        Ok(Self::from_parts(nodes, self.output, parameters, values)
            .with_auxiliaries(self.auxiliaries.clone())
            .run_like(self)
            .checked_like(self))
    }

    /// Changes parameters in place, in parallel. `change` gets the index of each parameter, its
    /// declaration, and its values as stored (rank 4: channels last). Packed parameters are made again
    /// at the next walk.
    pub fn update(&mut self, change: impl Fn(usize, &Parameter, &mut [f32]) + Sync) {
        let Self {
            values, parameters, ..
        } = self;
        in_thread_pool(|| {
            let all = values.par_iter_mut().zip(&parameters[..]).enumerate();
            all.with_max_len(1)
                .for_each(|(index, (value, parameter))| change(index, parameter, value.data_mut()));
        });
        self.prepared = self.nodes.iter().map(|_| OnceLock::new()).collect();
    }

    /// Channels of the input, or features of its tokens.
    pub fn channels(&self) -> usize {
        match self.node(self.input()).op_as() {
            Some(Input::Pictures { channels }) => *channels,
            Some(Input::Tokens { features }) => *features,
            None => unreachable!("a graph begins with its input"),
        }
    }

    /// The shape of every node's value for an input `[N, C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Node`] at the first node whose inputs do not fit.
    pub fn shapes(&self, input: &[usize]) -> Result<Vec<Vec<usize>>, Error> {
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            shapes.push(if node.inputs.is_empty() {
                shape_of(&*node.op, &node.name, &[input], &[])?
            } else {
                let inputs: Vec<&[usize]> = node.inputs.iter().map(|i| &shapes[i.0][..]).collect();
                let parameters = self.parameter_shapes_of(node);
                shape_of(&*node.op, &node.name, &inputs, &parameters)?
            });
        }
        Ok(shapes)
    }

    /// For each node, whether the first axis of its value is the batch, for inputs of this shape. Graphs
    /// of other frameworks may move the batch to another axis.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn are_batches(&self, input: &[usize]) -> Result<Vec<bool>, Error> {
        let batch = |n: usize| {
            let mut input = input.to_vec();
            input[0] = n;
            self.shapes(&input)
        };
        let one = batch(1)?;
        // The graph takes one picture at a time.
        let Ok(two) = batch(2) else {
            return Ok(vec![false; one.len()]);
        };
        let grows = |(one, two): (&Vec<usize>, &Vec<usize>)| {
            one.first() == Some(&1) && two.first() == Some(&2) && one[1..] == two[1..]
        };
        Ok(one.iter().zip(&two).map(grows).collect())
    }

    /// For each node, the nodes that read it.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                consumers[input.0].push(NodeId(id));
            }
        }
        consumers
    }

    /// Multiply-adds of convolutions, linear layers, attention and matrix products for one input of this
    /// shape.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn multiply_adds(&self, input: &[usize]) -> Result<u64, Error> {
        let by_node = self.multiply_adds_by_node(&self.shapes(input)?);
        Ok(by_node.into_iter().fold(0, u64::saturating_add))
    }

    /// The same per node, given the shapes of all values ([`Graph::shapes`]).
    pub fn multiply_adds_by_node(&self, shapes: &[Vec<usize>]) -> Vec<u64> {
        let of_node = |(node, shape): (&Node, &Vec<usize>)| {
            let sides = shape.iter().map(|&side| side as u64);
            let values = sides.fold(1, u64::saturating_mul);
            values.saturating_mul(self.multiply_adds_per_value(node, shapes))
        };
        self.nodes.iter().zip(shapes).map(of_node).collect()
    }

    /// Multiply-adds of a forward pass and of a backward pass to all parameters, for one input of this
    /// shape. The gradient of the input is not included.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn training_multiply_adds(&self, input: &[usize]) -> Result<u64, Error> {
        let shapes = self.shapes(input)?;
        let mut leads = vec![false; self.nodes.len()];
        let mut sum = 0;
        for (id, (node, shape)) in self.nodes.iter().zip(&shapes).enumerate() {
            let before = node.inputs.iter().any(|input| leads[input.0]);
            leads[id] = before || !node.parameters.is_empty();
            let per_value = self.multiply_adds_per_value(node, &shapes);
            let products = shape.iter().product::<usize>() as u64 * per_value;
            sum += products * (2 + u64::from(before));
        }
        Ok(sum)
    }

    /// Multiply-adds per value of a node, given the shapes of all values.
    pub(crate) fn multiply_adds_per_value(&self, node: &Node, shapes: &[Vec<usize>]) -> u64 {
        let inputs: Vec<&[usize]> = node.inputs.iter().map(|i| &shapes[i.0][..]).collect();
        node.op
            .multiply_adds(&inputs, &self.parameter_shapes_of(node)) as u64
    }

    pub(crate) fn parameter_shapes_of(&self, node: &Node) -> Vec<&[usize]> {
        let shape = |&p: &usize| &self.parameters[p].shape[..];
        node.parameters.iter().map(shape).collect()
    }

    pub(crate) fn parameters_of(&self, node: &Node) -> Vec<&Tensor> {
        node.parameters.iter().map(|&p| &self.values[p]).collect()
    }

    /// The node's position before passes merged nodes.
    pub(crate) fn place(&self, id: NodeId) -> usize {
        let merged = self.nodes[..=id.0].iter().map(|node| node.merged.len());
        id.0 + merged.sum::<usize>()
    }

    pub(crate) fn prepared(&self, id: NodeId) -> Option<&Prepared> {
        self.prepared[id.0]
            .get_or_init(|| self.nodes[id.0].op.prepare())
            .as_ref()
    }

    /// Runs the work of one node in one pass, and wakes the pool's threads for it; measures it if the graph
    /// has a stopwatch. `shape` is that of the node's value, `multiply_adds` the number per value: of a
    /// forward call, or in a backward pass of each operand whose gradient is wanted.
    pub(crate) fn timed<R>(
        &self,
        (walk, id): (Walk, NodeId),
        shape: &[usize],
        multiply_adds: u64,
        work: impl FnOnce() -> R,
    ) -> R {
        wake_threads();
        let Some(stopwatch) = self.stopwatch() else {
            return work();
        };
        // A device computes in the background.
        let finish = || match self.device().map_or(Ok(()), Device::finish) {
            Ok(()) => {}
            Err(error) => raise(error),
        };
        finish();
        let start = Instant::now();
        let result = work();
        finish();
        let seconds = start.elapsed().as_secs_f64();
        let node = self.node(id);
        let values: usize = shape.iter().product();
        stopwatch.add(Lap {
            walk,
            node: node.name.clone(),
            kind: node.op.kind(),
            shape: shape.to_vec(),
            calls: 1,
            seconds,
            multiply_adds: values as u64 * multiply_adds,
        });
        result
    }
}

/// The shape of the value of a node; an error names the node.
pub(crate) fn shape_of(
    op: &dyn Op,
    name: &str,
    inputs: &[&[usize]],
    parameters: &[&[usize]],
) -> Result<Vec<usize>, Error> {
    let filled = |shapes: &[&[usize]]| shapes.iter().all(|shape| !shape.contains(&0));
    let shape = if filled(inputs) && filled(parameters) {
        op.output_shape(inputs, parameters)
    } else {
        Err(format!(
            "computes nothing of empty values: {inputs:?} and {parameters:?}"
        ))
    };
    shape
        .and_then(|shape| {
            let values = shape
                .iter()
                .try_fold(1usize, |n, &side| n.checked_mul(side));
            match values {
                Some(1..=MOST_VALUES) => Ok(shape),
                Some(0) => Err(format!("its value would be empty: {shape:?}")),
                _ => Err(format!("its value would be too large: {shape:?}")),
            }
        })
        .map_err(|detail| Error::Node {
            node: name.to_owned(),
            kind: op.kind(),
            detail,
        })
}

/// Values of one node, at most: 8 GiB. It protects against hostile files.
const MOST_VALUES: usize = 1 << 31;

fn check(parameter: &Parameter, value: &Tensor) -> Result<(), Error> {
    if value.shape() == parameter.shape {
        return Ok(());
    }
    Err(Error::Parameter {
        name: parameter.name.clone(),
        expected: parameter.shape.clone(),
        found: value.shape().to_vec(),
    })
}
