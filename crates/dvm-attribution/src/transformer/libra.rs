//! Backward rules of LibraGrad for the blocks of transformers: "LibraGrad: Balancing Gradient Flow for
//! Universally Better Vision Transformer Attributions", Mehri, Baghshah, Pilehvar 2024, arXiv 2411.16760.
//!
//! The true gradient of a transformer does not distribute its output: inputs times gradients and biases times
//! gradients do not add up to it, because attention, norms and gated activations multiply values by factors that
//! depend on the same input. Here one of the factors is a constant in the backward pass: the attention probabilities,
//! the standard deviation in layer norms, and the gate g(x) of an activation x · g(x).

use dvm_engine::ops::BackwardCall;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::rules::{Composite, Rule, Where};
use dvm_engine::{Graph, Node, NodeId, Tensor};
use dvm_options::{Takes, words};

use crate::OptionSpec;
use crate::probe::is_softmax_of_attention;

/// The option of gradient methods for transformers.
pub(crate) const ATTENTION_RULES: OptionSpec = OptionSpec {
    name: "attention-rules",
    takes: Takes::Text(AttentionRules::FORM),
    default: "true",
    help: "backward rules in the blocks of transformers: true (the true gradient) or libra \
           (LibraGrad, arXiv 2411.16760: attention, the standard deviation in layer norms and the \
           gates of GELU and similar activations are constants)",
};

words! {
    /// The backward rules in the blocks of transformers.
    pub(crate) enum AttentionRules {
        /// The true gradient.
        True = "true",
        /// The rules of LibraGrad.
        Libra = "libra",
    }
}

impl AttentionRules {
    /// A method's own rules, followed by these.
    pub fn behind(self, own: Composite) -> Composite {
        match self {
            Self::True => own,
            Self::Libra => own.and(libra()),
        }
    }

    /// A warning if they do not apply to this network.
    pub fn warning(self, graph: &Graph) -> Option<String> {
        let rules = libra();
        let applies = || graph.ids().any(|id| rules.rule_at(graph, id).is_some());
        (self == Self::Libra && !applies()).then(|| {
            "the network has no attention, layer norm or gated activation, so the rules of LibraGrad apply nowhere"
                .into()
        })
    }
}

/// The rules of LibraGrad.
pub fn libra() -> Composite {
    Composite::new()
        .with(Where::Ops("attention"), ConstantAttention)
        .with(Where::Ops("window_attention"), ConstantAttention)
        .with(
            Where::Chosen("softmaxes of attention", is_softmax_of_attention),
            Constant,
        )
        .with(Where::Ops("layer_norm"), ConstantDeviation)
        .with(Where::Chosen("gated activations", is_gated), ConstantGate)
}

/// The attention probabilities are constants: only values, not queries and keys, get a gradient.
#[derive(Debug)]
struct ConstantAttention;

impl Rule for ConstantAttention {
    fn name(&self) -> &'static str {
        "constant attention"
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        // The gradient of the values is the true one; it does not depend on that of queries and keys.
        let mut gradients = node.op.backward(call, grad_output.clone())?.inputs;
        let features = grad_output.shape();
        let features = match features.len() {
            4 => features[1],
            rank => features[rank - 1],
        };
        if let Some(Some(gradient)) = gradients.first_mut() {
            // Queries, keys and values are stored one after the other.
            for row in gradient.data_mut().chunks_exact_mut(3 * features) {
                row[..2 * features].fill(0.0);
            }
        }
        Ok(gradients)
    }
}

/// The value is a constant: nothing before it gets a gradient.
#[derive(Debug)]
struct Constant;

impl Rule for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn backward(
        &self,
        _: &Node,
        call: &BackwardCall,
        _: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        Ok(vec![None; call.inputs.len()])
    }
}

/// The standard deviation of a layer norm is a constant: `(g · w − mean(g · w)) / deviation`.
#[derive(Debug)]
struct ConstantDeviation;

impl Rule for ConstantDeviation {
    fn name(&self) -> &'static str {
        "constant deviation"
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let norm: &LayerNorm = node.op_as().ok_or("is no layer norm")?;
        let (x, weight) = (call.inputs[0], call.parameters[0].data());
        let count = weight.len();
        let mut gradient = grad_output.clone();
        // The features of a place are stored together, in maps as well as in tokens.
        let rows = gradient.data_mut().chunks_exact_mut(count);
        for (grad, row) in rows.zip(x.data().chunks_exact(count)) {
            let mean_of = |sum: f64| sum / count as f64;
            let mean = mean_of(row.iter().map(|&v| f64::from(v)).sum());
            let squares = row.iter().map(|&v| (f64::from(v) - mean).powi(2));
            let deviation = (mean_of(squares.sum()) + f64::from(norm.eps)).sqrt();
            let own = |(&g, &w): (&f32, &f32)| f64::from(g) * f64::from(w);
            let mean = mean_of(grad.iter().zip(weight).map(own).sum());
            for (g, w) in grad.iter_mut().zip(weight) {
                *g = ((own((g, w)) - mean) / deviation) as f32;
            }
        }
        Ok(vec![Some(gradient)])
    }
}

/// The gate of an activation x · g(x) is a constant: `g · g(x)`.
#[derive(Debug)]
struct ConstantGate;

impl Rule for ConstantGate {
    fn name(&self) -> &'static str {
        "constant gate"
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let activation: &Activation = node.op_as().ok_or("is no activation")?;
        let mut gradient = grad_output.clone();
        let values = call.inputs[0].data().iter().zip(call.output.data());
        for (g, (&x, &y)) in gradient.data_mut().iter_mut().zip(values) {
            *g *= match x {
                // The limit of the gate at 0.
                0.0 => (activation.value(SMALL) - activation.value(-SMALL)) / (2.0 * SMALL),
                _ => y / x,
            };
        }
        Ok(vec![Some(gradient)])
    }
}

/// An interval on which the gate is constant.
const SMALL: f32 = 1.0 / 1024.0;

/// Whether a node is an activation x · g(x) with a smooth gate g.
fn is_gated(graph: &Graph, id: NodeId) -> bool {
    matches!(
        graph.node(id).op_as(),
        Some(
            Activation::Gelu
                | Activation::GeluTanh
                | Activation::Silu
                | Activation::Swish(_)
                | Activation::Mish
                | Activation::Hardswish
        )
    )
}
