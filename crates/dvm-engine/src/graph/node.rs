//! Nodes, and the parameters that an architecture declares.

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

/// One value of the graph: a name, the op that computes it, and what the op reads.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name: the state-dict path of the layer, such as `layer1.0.conv1`.
    pub name: String,
    /// The op.
    pub op: Arc<dyn Op>,
    /// The nodes that it reads.
    pub inputs: Vec<NodeId>,
    /// Positions of its parameters in [`Graph::parameters`](crate::Graph::parameters), in the op's order.
    pub parameters: Vec<usize>,
    /// Names of nodes that a pass merged into this one; they have no value of their own.
    pub merged: Vec<String>,
}

impl Node {
    /// The op as a type, if it is of that type. Only for code that needs the fields of one op; other
    /// code uses [`Op::class`].
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
    /// A running statistic: saved and loaded, but updated by the forward pass instead of a gradient.
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
