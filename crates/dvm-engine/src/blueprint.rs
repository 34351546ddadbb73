//! An architecture: the graph before it has weights.

use std::sync::Arc;

use crate::graph::{Node, NodeId, Parameter, Role};
use crate::ops::Op;
use crate::ops::activation::Activation;
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::ops::dropout::Dropout;
use crate::ops::flatten::Flatten;
use crate::ops::input::Input;
use crate::ops::linear::Linear;
use crate::ops::mul::Mul;
use crate::ops::pool::Pool;
use crate::ops::softmax::Softmax;

/// Nodes and declared parameters, written down layer by layer:
///
/// ```
/// use dvm_engine::{Blueprint, Graph, seeded};
/// use dvm_engine::ops::{activation::Activation, conv2d::Conv2d, pool::Pool};
///
/// let mut net = Blueprint::new(3);
/// let x = net.input();
/// let x = net.conv2d("conv1", x, Conv2d::square(3), 3, 8, true);
/// let x = net.activation("relu1", x, Activation::Relu);
/// let x = net.pool("pool", x, Pool::global_mean());
/// let x = net.flatten("flatten", x);
/// let x = net.linear("fc", x, 8, 5, true);
/// let graph = seeded::graph(net.ending_at(x));
/// assert_eq!(graph.shapes(&[1, 3, 9, 9]).unwrap().last().unwrap(), &[1, 5]);
/// ```
///
/// A layer named `conv1` declares the parameters `conv1.weight` and `conv1.bias`: names are
/// state-dict paths, so weight files need no table.
#[derive(Clone, Debug)]
pub struct Blueprint {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    output: NodeId,
    auxiliaries: Vec<(NodeId, f32)>,
}

impl Blueprint {
    /// Only an input of `[N, channels, H, W]`.
    pub fn new(channels: usize) -> Self {
        let input = Node {
            name: "input".into(),
            op: Arc::new(Input { channels }),
            inputs: Vec::new(),
            parameters: Vec::new(),
            merged: Vec::new(),
        };
        Self {
            nodes: vec![input],
            parameters: Vec::new(),
            output: NodeId(0),
            auxiliaries: Vec::new(),
        }
    }

    /// The input node.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Declares which node holds the logits.
    pub fn ending_at(mut self, output: NodeId) -> Self {
        self.output = output;
        self
    }

    /// Declares further logits `[N, K]`, of a head beside the network's trunk that helps it learn: in
    /// training their loss, times `weight`, is added to that of the network's own. They are not
    /// computed in inference.
    pub fn auxiliary(&mut self, logits: NodeId, weight: f32) {
        self.auxiliaries.push((logits, weight));
    }

    /// The declared parameters, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Appends a node with any op; `parameters` are declared as `<name>.<suffix>`.
    ///
    /// # Panics
    /// If the name is taken: two layers of one name are a mistake in an architecture file.
    pub fn node(
        &mut self,
        name: &str,
        op: impl Op,
        inputs: &[NodeId],
        parameters: &[(&str, &[usize], Role)],
    ) -> NodeId {
        assert!(
            self.nodes.iter().all(|node| node.name != name),
            "two nodes are named `{name}`"
        );
        let first = self.parameters.len();
        for (suffix, shape, role) in parameters {
            self.parameters.push(Parameter {
                name: format!("{name}.{suffix}"),
                shape: shape.to_vec(),
                role: *role,
            });
        }
        self.nodes.push(Node {
            name: name.into(),
            op: Arc::new(op),
            inputs: inputs.to_vec(),
            parameters: (first..self.parameters.len()).collect(),
            merged: Vec::new(),
        });
        NodeId(self.nodes.len() - 1)
    }

    /// A convolution from `inputs` to `outputs` channels.
    pub fn conv2d(
        &mut self,
        name: &str,
        x: NodeId,
        conv: Conv2d,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> NodeId {
        let shape = [outputs, inputs / conv.groups, conv.kernel.0, conv.kernel.1];
        let weight: (&str, &[usize], Role) = ("weight", &shape, Role::Weight);
        let all = [weight, ("bias", &shape[..1], Role::Bias)];
        self.node(name, conv, &[x], &all[..1 + usize::from(bias)])
    }

    /// A fully connected layer.
    pub fn linear(
        &mut self,
        name: &str,
        x: NodeId,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> NodeId {
        let shape = [outputs, inputs];
        let weight: (&str, &[usize], Role) = ("weight", &shape, Role::Weight);
        let all = [weight, ("bias", &shape[..1], Role::Bias)];
        self.node(name, Linear, &[x], &all[..1 + usize::from(bias)])
    }

    /// A batch normalisation with PyTorch's usual momentum of 0.1.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, channels: usize, eps: f32) -> NodeId {
        self.batch_norm_as(name, x, channels, BatchNorm::new(eps, 0.1))
    }

    /// A batch normalisation with any epsilon and momentum.
    pub fn batch_norm_as(
        &mut self,
        name: &str,
        x: NodeId,
        channels: usize,
        norm: BatchNorm,
    ) -> NodeId {
        let shape = [channels];
        self.node(
            name,
            norm,
            &[x],
            &[
                ("weight", &shape, Role::Scale),
                ("bias", &shape, Role::Bias),
                ("running_mean", &shape, Role::Statistic),
                ("running_var", &shape, Role::Statistic),
            ],
        )
    }

    /// An activation.
    pub fn activation(&mut self, name: &str, x: NodeId, activation: Activation) -> NodeId {
        self.node(name, activation, &[x], &[])
    }

    /// A pool.
    pub fn pool(&mut self, name: &str, x: NodeId, pool: Pool) -> NodeId {
        self.node(name, pool, &[x], &[])
    }

    /// A sum.
    pub fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.node(name, Add, &[a, b], &[])
    }

    /// A product.
    pub fn mul(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.node(name, Mul, &[a, b], &[])
    }

    /// Inputs side by side along the channels.
    pub fn concat(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        self.node(name, Concat::CHANNELS, inputs, &[])
    }

    /// `[N, …]` as `[N, D]`.
    pub fn flatten(&mut self, name: &str, x: NodeId) -> NodeId {
        self.node(name, Flatten, &[x], &[])
    }

    /// Dropout.
    pub fn dropout(&mut self, name: &str, x: NodeId, p: f32) -> NodeId {
        self.node(name, Dropout { p }, &[x], &[])
    }

    /// Softmax over the classes.
    pub fn softmax(&mut self, name: &str, x: NodeId) -> NodeId {
        self.node(name, Softmax { axis: 1 }, &[x], &[])
    }

    pub(crate) fn from_parts(parts: Parts) -> Self {
        Self {
            nodes: parts.nodes,
            parameters: parts.parameters,
            output: parts.output,
            auxiliaries: parts.auxiliaries,
        }
    }

    pub(crate) fn into_parts(self) -> Parts {
        Parts {
            nodes: self.nodes,
            parameters: self.parameters,
            output: self.output,
            auxiliaries: self.auxiliaries,
        }
    }
}

/// What a graph is made of, but for the values of its parameters.
pub(crate) struct Parts {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: NodeId,
    pub(crate) auxiliaries: Vec<(NodeId, f32)>,
}
