//! What a graph consists of: nodes and declared parameters.

use std::sync::Arc;

use crate::ops::Op;

/// A node's position in its graph. The input is always the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The position, from 0.
    pub fn index(self) -> usize {
        self.0
    }
}

/// One step of the computation: an op, what it reads, and a name to ask for it by.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name: the state-dict path of the layer, such as `layer1.0.conv1`.
    pub name: String,
    /// What is computed.
    pub op: Arc<dyn Op>,
    /// The nodes whose values it reads.
    pub inputs: Vec<NodeId>,
    /// Positions of its parameters in [`Graph::parameters`], in the op's order.
    pub parameters: Vec<usize>,
    /// Names of nodes that a pass merged into this one; their own values no longer exist.
    pub merged: Vec<String>,
}

impl Node {
    /// The op as a certain type, if it is of that type.
    pub fn op_as<T: Op>(&self) -> Option<&T> {
        let any: &dyn std::any::Any = &*self.op;
        any.downcast_ref()
    }
}

/// What a parameter is to training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The weights of a convolution or linear layer.
    Weight,
    /// An additive bias.
    Bias,
    /// The factor of a normalisation.
    Scale,
    /// A running statistic: saved and loaded, but moved by the forward pass instead of a gradient.
    Statistic,
}

/// A parameter's name, shape and role, as an architecture declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// State-dict name, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Shape as in the state dict.
    pub shape: Vec<usize>,
    /// What it is to training.
    pub role: Role,
}
