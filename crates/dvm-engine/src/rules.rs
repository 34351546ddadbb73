//! Backward rules: what to do with a gradient at one node.
//!
//! A saliency method is a [`Composite`], a table that gives some nodes a rule of their own; the
//! rest keep the true gradient. The graph itself is never touched.

use std::sync::Arc;

use crate::Tensor;
use crate::graph::Node;
use crate::ops::Site;
use crate::ops::activation::Activation;

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

fn at_rectifiers(node: &Node, rule: Rectified) -> Option<Arc<dyn Rule>> {
    let activation = node.op_as::<Activation>()?;
    activation
        .is_rectifier()
        .then(|| Arc::new(rule) as Arc<dyn Rule>)
}

#[derive(Clone, Copy)]
enum Rectified {
    Guided,
    Deconvnet,
}

impl Rule for Rectified {
    fn backward(&self, site: &Site, grad_output: &Tensor) -> Result<Vec<Option<Tensor>>, String> {
        let activation = site
            .node
            .op_as::<Activation>()
            .ok_or("is not an activation")?;
        // A NaN stays one: what overflowed must not look like what is held back.
        let positive = |g: f32| if g < 0.0 { 0.0 } else { g };
        Ok(vec![Some(match self {
            Self::Guided => activation.scaled(site.inputs[0], grad_output, positive),
            Self::Deconvnet => crate::ops::map(grad_output, positive),
        })])
    }
}
