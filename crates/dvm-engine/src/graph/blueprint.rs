//! An architecture: the graph before it has weights.

use std::sync::Arc;

use crate::graph::node::{Node, NodeId, Parameter, Role};
use crate::ops::Op;
use crate::ops::activation::Activation;
use crate::ops::add::Add;
use crate::ops::attention::Attention;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::binary::{Binary, Function};
use crate::ops::channel_affine::ChannelAffine;
use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::ops::dropout::Dropout;
use crate::ops::flatten::Flatten;
use crate::ops::input::Input;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::Linear;
use crate::ops::mul::Mul;
use crate::ops::pad::{Amount, CropLike, Pad};
use crate::ops::permute::Permute;
use crate::ops::pool::Pool;
use crate::ops::repeat::Repeat;
use crate::ops::reshape::Reshape;
use crate::ops::scale::Scale;
use crate::ops::slice::Slice;
use crate::ops::softmax::Softmax;
use crate::ops::stochastic_depth::StochasticDepth;
use crate::ops::tokens::Tokens;
use crate::ops::window_attention::WindowAttention;

/// Nodes and declared parameters, one layer after the other:
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
            op: Arc::new(Input::Pictures { channels }),
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

    /// Declares the logits `[N, K]` of an auxiliary head. In training, their loss times `weight` is
    /// added to the loss of the network's own logits. They are not computed in inference.
    pub fn auxiliary(&mut self, logits: NodeId, weight: f32) {
        self.auxiliaries.push((logits, weight));
    }

    /// The declared parameters, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Appends a node with any op. Its parameters are declared as `<name>.<suffix>`, or as `<name>` if
    /// the suffix is empty.
    ///
    /// # Panics
    /// If the name is taken.
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
                name: match *suffix {
                    "" => name.into(),
                    suffix => format!("{name}.{suffix}"),
                },
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

    /// Declares a parameter of any name, for [`Blueprint::node_of`], and returns its position.
    pub fn parameter(&mut self, name: &str, shape: &[usize], role: Role) -> usize {
        self.parameters.push(Parameter {
            name: name.into(),
            shape: shape.to_vec(),
            role,
        });
        self.parameters.len() - 1
    }

    /// Appends a node that reads declared parameters ([`Blueprint::parameter`]), by their positions;
    /// nodes may share parameters. Importers use it: names in files follow no rule, but two nodes, or
    /// two parameters, must not have the same name.
    pub fn node_of(
        &mut self,
        name: &str,
        op: Arc<dyn Op>,
        inputs: &[NodeId],
        parameters: &[usize],
    ) -> NodeId {
        self.nodes.push(Node {
            name: name.into(),
            op,
            inputs: inputs.to_vec(),
            parameters: parameters.to_vec(),
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

    /// A fully connected layer of rows `[N, inputs]`, tokens `[N, T, inputs]` or the pixels of
    /// `[N, inputs, H, W]`.
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

    /// A layer normalisation over the last axis, or over the channels of feature maps; declares
    /// `weight` and `bias`.
    pub fn layer_norm(&mut self, name: &str, x: NodeId, features: usize, eps: f32) -> NodeId {
        let shape = [features];
        self.node(
            name,
            LayerNorm { eps },
            &[x],
            &[
                ("weight", &shape, Role::Scale),
                ("bias", &shape, Role::Bias),
            ],
        )
    }

    /// A learned factor per channel of feature maps, `[C, 1, 1]`, a parameter of the node's own name
    /// (`features.1.0.layer_scale`).
    pub fn scale(&mut self, name: &str, x: NodeId, channels: usize) -> NodeId {
        let shape: &[usize] = &[channels, 1, 1];
        self.node(name, Scale, &[x], &[("", shape, Role::Scale)])
    }

    /// A fixed `x · factor + shift` per channel, never trained.
    pub fn channel_affine(
        &mut self,
        name: &str,
        x: NodeId,
        factor: Vec<f32>,
        shift: Vec<f32>,
    ) -> NodeId {
        self.node(name, ChannelAffine { factor, shift }, &[x], &[])
    }

    /// Attention with `heads` heads over queries, keys and values that are concatenated, `[N, T, 3 · D]`
    /// to `[N, T, D]`. The linear layers before and after it are nodes of their own.
    pub fn attention(&mut self, name: &str, qkv: NodeId, heads: usize) -> NodeId {
        self.node(name, Attention { heads }, &[qkv], &[])
    }

    /// Attention within windows of feature maps, `[N, 3 · C, H, W]` to `[N, C, H, W]`; declares
    /// `relative_position_bias_table` `[(2 · window − 1)², heads]`.
    pub fn window_attention(
        &mut self,
        name: &str,
        qkv: NodeId,
        attention: WindowAttention,
    ) -> NodeId {
        let rows = (2 * attention.window - 1).pow(2);
        let shape: &[usize] = &[rows, attention.heads];
        let table = ("relative_position_bias_table", shape, Role::Bias);
        self.node(name, attention, &[qkv], &[table])
    }

    /// Adds a trained parameter of this shape, named as the node; sides of 1 are repeated (the position
    /// embedding `[1, T, D]` of tokens `[N, T, D]`).
    pub fn add_parameter(&mut self, name: &str, x: NodeId, shape: &[usize]) -> NodeId {
        let op = Binary::parameter(Function::Add);
        self.node(name, op, &[x], &[("", shape, Role::Bias)])
    }

    /// A parameter `[1, …]`, named as the node, once for each picture of `x` (a class token).
    pub fn repeat(&mut self, name: &str, x: NodeId, shape: &[usize]) -> NodeId {
        self.node(name, Repeat, &[x], &[("", shape, Role::Bias)])
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

    /// Concatenation along the channels.
    pub fn concat(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        self.node(name, Concat::CHANNELS, inputs, &[])
    }

    /// Concatenation along any axis, from 0.
    pub fn concat_along(&mut self, name: &str, axis: usize, inputs: &[NodeId]) -> NodeId {
        self.node(name, Concat { axis }, inputs, &[])
    }

    /// A part of a tensor: `Slice::channels(0, 24)`, `Slice::every(2, 1, 2)`.
    pub fn slice(&mut self, name: &str, x: NodeId, slice: Slice) -> NodeId {
        self.node(name, slice, &[x], &[])
    }

    /// The channels of `groups` groups interleaved.
    pub fn channel_shuffle(&mut self, name: &str, x: NodeId, groups: usize) -> NodeId {
        self.node(name, ChannelShuffle { groups }, &[x], &[])
    }

    /// Zeros below and to the right of feature maps until both sides are multiples of `of`.
    pub fn pad_to_multiple(&mut self, name: &str, x: NodeId, of: usize) -> NodeId {
        let amount = Amount::ToMultiple(of);
        self.node(name, Pad { amount, value: 0.0 }, &[x], &[])
    }

    /// The upper left part of feature maps, as high and wide as those of `like`.
    pub fn crop_like(&mut self, name: &str, x: NodeId, like: NodeId) -> NodeId {
        self.node(name, CropLike, &[x, like], &[])
    }

    /// Axes in another order: axis `i` of the output is axis `axes[i]` of `x`.
    pub fn permute(&mut self, name: &str, x: NodeId, axes: &[usize]) -> NodeId {
        let axes = axes.to_vec();
        self.node(name, Permute { axes }, &[x], &[])
    }

    /// The same values in row-major order with another shape; at most one side may be left open.
    pub fn reshape(&mut self, name: &str, x: NodeId, sides: &[Option<usize>]) -> NodeId {
        let sides = sides.to_vec();
        self.node(name, Reshape { sides }, &[x], &[])
    }

    /// The pixels of feature maps `[N, C, H, W]` as tokens `[N, H · W, C]`.
    pub fn tokens(&mut self, name: &str, x: NodeId) -> NodeId {
        self.node(name, Tokens, &[x], &[])
    }

    /// `[N, …]` as `[N, D]`.
    pub fn flatten(&mut self, name: &str, x: NodeId) -> NodeId {
        self.node(name, Flatten, &[x], &[])
    }

    /// Dropout.
    pub fn dropout(&mut self, name: &str, x: NodeId, p: f32) -> NodeId {
        self.node(name, Dropout { p }, &[x], &[])
    }

    /// Stochastic depth of a residual branch, dropped whole for a picture with probability `p`.
    pub fn stochastic_depth(&mut self, name: &str, x: NodeId, p: f32) -> NodeId {
        self.node(name, StochasticDepth { p }, &[x], &[])
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

/// The parts of a graph, without the values of its parameters.
pub(crate) struct Parts {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: NodeId,
    pub(crate) auxiliaries: Vec<(NodeId, f32)>,
}
