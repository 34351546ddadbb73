//! Backward rules: what replaces the gradient of a node.
//!
//! A gradient method is a [`Composite`], a table of nodes and their [`Rule`]s; other nodes keep the true
//! gradient. The graph is not changed.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::graph::Node;
use crate::ops::activation::Activation;
use crate::ops::prelu::PRelu;
use crate::ops::{BackwardCall, Class};
use crate::{Graph, NodeId, Tensor};

/// Replaces the gradient of one node.
pub trait Rule: Any + Debug + Send + Sync {
    /// Its name, for records.
    fn name(&self) -> &'static str;

    /// Its parameters with their values, for records.
    fn parameters(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// The gradients with respect to the node's inputs, given that of its output.
    ///
    /// # Errors
    /// Why the rule cannot be used at this node, as the end of a sentence.
    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String>;
}

/// Which nodes get a rule.
#[derive(Clone, Debug)]
pub enum Where {
    /// ReLU and all activations of its kind ([`Kind::Relu`], [`Kind::Rectifier`]).
    Rectifiers,
    /// All activations.
    Activations,
    /// All nodes with an op of this kind ([`crate::ops::Op::kind`]).
    Ops(&'static str),
    /// The node of this name.
    Node(String),
    /// The nodes that a function chooses, under a name for records.
    Chosen(&'static str, fn(&Graph, NodeId) -> bool),
}

impl Where {
    /// Whether a node is selected.
    pub fn is_at(&self, graph: &Graph, id: NodeId) -> bool {
        let node = graph.node(id);
        match self {
            Self::Rectifiers => {
                matches!(activation(node), Some((Kind::Relu | Kind::Rectifier, _)))
            }
            Self::Activations => node.op.class() == Class::Activation,
            Self::Ops(kind) => node.op.kind() == *kind,
            Self::Node(name) => node.name == *name,
            Self::Chosen(_, is_meant) => is_meant(graph, id),
        }
    }

    /// The name in a record.
    pub fn name(&self) -> &str {
        match self {
            Self::Rectifiers => "rectifiers",
            Self::Activations => "activations",
            Self::Ops(kind) => kind,
            Self::Node(name) => name,
            Self::Chosen(name, _) => name,
        }
    }
}

/// A table of rules: each node has the first one that selects it, or the true gradient.
#[derive(Clone, Debug, Default)]
pub struct Composite {
    rules: Vec<(Where, Arc<dyn Rule>)>,
}

/// The true gradient everywhere.
pub static TRUE_GRADIENT: Composite = Composite { rules: Vec::new() };

impl Composite {
    /// An empty table: the true gradient everywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another rule, for nodes that have none yet.
    #[must_use]
    pub fn with(mut self, at: Where, rule: impl Rule + 'static) -> Self {
        self.rules.push((at, Arc::new(rule)));
        self
    }

    /// The same followed by all rules of another table.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// The rule of a node; `None` for the true gradient.
    pub fn rule_at(&self, graph: &Graph, id: NodeId) -> Option<&dyn Rule> {
        let mut rules = self.rules.iter();
        let (_, rule) = rules.find(|(at, _)| at.is_at(graph, id))?;
        Some(&**rule)
    }

    /// The nodes and rules of the table.
    pub fn rules(&self) -> impl Iterator<Item = (&Where, &dyn Rule)> {
        self.rules.iter().map(|(at, rule)| (at, &**rule))
    }
}

/// Guided backprop (Springenberg et al. 2014, arXiv 1412.6806) at every rectifier:
/// `max(g, 0) · f′(x)`.
pub fn guided_backprop() -> Composite {
    Composite::new().with(Where::Rectifiers, Rectified::Guided)
}

/// Deconvnet (Zeiler and Fergus 2013, arXiv 1311.2901) at every rectifier: `max(g, 0)`.
pub fn deconvnet() -> Composite {
    Composite::new().with(Where::Rectifiers, Rectified::Deconvnet)
}

/// How guided backprop and deconvnet treat an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ReLU or ReLU with an upper bound: the rules are defined for it.
    Relu,
    /// Another function that passes positive values and suppresses negative ones: the rules are applied
    /// to it as to ReLU.
    Rectifier,
    /// A function that is symmetric, such as a sigmoid: it keeps its true gradient.
    Gate,
}

/// The kind and name of a node's activation; `None` for all other nodes.
pub fn activation(node: &Node) -> Option<(Kind, &'static str)> {
    if node.op_as::<PRelu>().is_some() {
        return Some((Kind::Rectifier, node.op.kind()));
    }
    let activation = node.op_as::<Activation>()?;
    let kind = match activation {
        Activation::Relu | Activation::Relu6 | Activation::ClippedRelu(_) => Kind::Relu,
        other if other.is_rectifier() => Kind::Rectifier,
        _ => Kind::Gate,
    };
    Some((kind, activation.name()))
}

/// The rules of guided backprop and deconvnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rectified {
    /// `max(g, 0) · f′(x)`.
    Guided,
    /// `max(g, 0)`.
    Deconvnet,
}

impl Rule for Rectified {
    fn name(&self) -> &'static str {
        match self {
            Self::Guided => "guided",
            Self::Deconvnet => "deconvnet",
        }
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        // NaN stays NaN, so that overflow is not hidden.
        let positive = |g: f32| if g < 0.0 { 0.0 } else { g };
        if matches!(self, Self::Deconvnet) {
            return Ok(vec![Some(crate::ops::map(grad_output, positive))]);
        }
        if let Some(activation) = node.op_as::<Activation>() {
            let gradient = activation.scaled(call.inputs[0], grad_output, positive);
            return Ok(vec![Some(gradient)]);
        }
        let passed = crate::ops::map(grad_output, positive);
        Ok(node.op.backward(call, passed)?.inputs)
    }
}
