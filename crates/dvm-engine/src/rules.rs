//! Backward rules: what to do with a gradient at one node.
//!
//! A saliency method is a [`Composite`], a table that gives some nodes a rule of their own; the
//! rest keep the true gradient. The graph itself is never touched.

use std::sync::Arc;

use crate::Tensor;
use crate::graph::Node;
use crate::ops::Site;
use crate::ops::activation::Activation;
use crate::ops::prelu::PRelu;

/// Replaces the gradient of one node.
pub trait Rule: Send + Sync {
    /// The gradients with respect to the node's inputs, given that of its output.
    ///
    /// # Errors
    /// Why the rule cannot be used at this node, as the end of a sentence.
    fn backward(&self, site: &Site, grad_output: &Tensor) -> Result<Vec<Option<Tensor>>, String>;
}

/// Which rule a node gets; `None` is the true gradient.
pub type Composite<'a> = dyn Fn(&Node) -> Option<Arc<dyn Rule>> + Sync + 'a;

/// The true gradient everywhere.
pub fn true_gradient(_: &Node) -> Option<Arc<dyn Rule>> {
    None
}

/// Guided backprop (Springenberg et al. 2014, arXiv 1412.6806) at every rectifier:
/// `max(g, 0) · f′(x)`.
pub fn guided_backprop(node: &Node) -> Option<Arc<dyn Rule>> {
    at_rectifiers(node, Rectified::Guided)
}

/// Deconvnet (Zeiler and Fergus 2013, arXiv 1311.2901) at every rectifier: `max(g, 0)`.
pub fn deconvnet(node: &Node) -> Option<Arc<dyn Rule>> {
    at_rectifiers(node, Rectified::Deconvnet)
}

/// What an activation is to the rules of guided backprop and deconvnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ReLU or ReLU with an upper bound: the rules are defined for it.
    Relu,
    /// Another function that passes what is positive and holds back what is negative: the rules are
    /// carried over to it.
    Rectifier,
    /// A function that treats both sides alike, such as a sigmoid: it keeps its true gradient.
    Gate,
}

/// The activation that a node is, with its name; `None` for all other nodes.
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

fn at_rectifiers(node: &Node, rule: Rectified) -> Option<Arc<dyn Rule>> {
    match activation(node)?.0 {
        Kind::Relu | Kind::Rectifier => Some(Arc::new(rule)),
        Kind::Gate => None,
    }
}

#[derive(Clone, Copy)]
enum Rectified {
    Guided,
    Deconvnet,
}

impl Rule for Rectified {
    fn backward(&self, site: &Site, grad_output: &Tensor) -> Result<Vec<Option<Tensor>>, String> {
        // A NaN stays one: what overflowed must not look like what is held back.
        let positive = |g: f32| if g < 0.0 { 0.0 } else { g };
        if matches!(self, Self::Deconvnet) {
            return Ok(vec![Some(crate::ops::map(grad_output, positive))]);
        }
        if let Some(activation) = site.node.op_as::<Activation>() {
            let gradient = activation.scaled(site.inputs[0], grad_output, positive);
            return Ok(vec![Some(gradient)]);
        }
        let passed = crate::ops::map(grad_output, positive);
        Ok(site.node.op.backward(site, passed)?.inputs)
    }
}
