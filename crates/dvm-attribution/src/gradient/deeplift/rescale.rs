//! The multipliers of DeepLIFT, which replace the gradient at every nonlinear node.

use std::fmt;
use std::sync::Arc;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::unary::Unary;
use dvm_engine::ops::{BackwardCall, Class, ForwardCall, ForwardResult, Mode};
use dvm_engine::rules::Rule;
use dvm_engine::{Graph, Node, NodeId, Tensor};
use rayon::prelude::*;

use super::reference::Reference;
use crate::gradient::quadrature::gauss_legendre;

/// How the rescale rule treats a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function of each value alone: change of the output over change of the input.
    Elementwise,
    /// A maximum (or minimum) of several values: the change of the output is shared between the
    /// value that is largest for the picture and the one that is largest for the baseline.
    Extreme {
        /// Whether it is a minimum.
        is_least: bool,
    },
    /// Any other function of several values: its gradient is averaged along the line from the
    /// baseline's values to the picture's.
    Line,
}

/// How the rule treats a node; `None` if its gradient is the same everywhere.
pub(super) fn kind(graph: &Graph, id: NodeId) -> Option<Kind> {
    let node = graph.node(id);
    if node.op.is_affine() {
        return None;
    }
    let extreme = |is_least| Some(Kind::Extreme { is_least });
    let binary = node.op_as::<Binary>().map(|binary| binary.function);
    match (node.op.class(), binary) {
        (Class::Activation, _) => Some(Kind::Elementwise),
        (Class::Pooling, _) | (_, Some(Function::Max)) => extreme(false),
        (_, Some(Function::Min)) => extreme(true),
        _ if node.op_as::<Unary>().is_some() => Some(Kind::Elementwise),
        _ => Some(Kind::Line),
    }
}

/// Whether the rule applies to this node.
pub(super) fn is_nonlinear(graph: &Graph, id: NodeId) -> bool {
    kind(graph, id).is_some()
}

/// The rescale rule against one baseline.
pub(super) struct Rescale {
    reference: Arc<Reference>,
    kinds: Vec<Option<Kind>>,
    /// Points on the line and their weights, for [`Kind::Line`].
    line: Vec<(f64, f64)>,
    /// The same for inputs of [`Kind::Elementwise`] that hardly change.
    short: Vec<(f64, f64)>,
}

/// Points at which the gradient of a [`Kind::Line`] is computed. Compared with the 64 of the
/// references, the arrays of a vision transformer differ by less than the rounding of f32.
const LINE: usize = 16;

impl Rescale {
    /// For the baseline of `reference`.
    pub(super) fn new(graph: &Graph, reference: Arc<Reference>) -> Self {
        Self {
            reference,
            kinds: graph.ids().map(|id| kind(graph, id)).collect(),
            line: gauss_legendre(LINE),
            short: gauss_legendre(3),
        }
    }
}

impl fmt::Debug for Rescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rescale")
    }
}

impl Rule for Rescale {
    fn name(&self) -> &'static str {
        "rescale"
    }

    fn backward(
        &self,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Result<Vec<Option<Tensor>>, String> {
        let (place, baseline) = self.reference.inputs(node)?;
        let fits = call.inputs.iter().zip(&baseline);
        if fits
            .clone()
            .any(|(input, other)| input.shape() != other.shape())
        {
            return Err("has other shapes for the baseline than for the picture".into());
        }
        match self.kinds[place] {
            Some(Kind::Elementwise) if call.inputs[0].shape() == call.output.shape() => {
                let multiplied = self.elementwise(node, call, &baseline[0], grad_output)?;
                Ok(vec![Some(multiplied)])
            }
            Some(Kind::Extreme { is_least }) => {
                extreme(node, call, &baseline, grad_output, is_least)
            }
            _ => averaged(node, call, &baseline, grad_output, &self.line),
        }
    }
}

impl Rescale {
    fn elementwise(
        &self,
        node: &Node,
        call: &BackwardCall,
        baseline: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor, String> {
        let start = forward(node, call, &[baseline]).value;
        let nearness = Nearness::of(node);
        let pairs = || call.inputs[0].data().par_iter().zip(baseline.data());
        let near = if pairs().any(|(&x, &b)| nearness.is_near(x, b)) {
            let points = match nearness {
                Nearness::Equal => &[(1.0, 1.0)][..],
                Nearness::Kinked | Nearness::Smooth => &self.short,
            };
            let mut found = averaged(node, call, std::slice::from_ref(baseline), grad, points)?;
            found.swap_remove(0)
        } else {
            None
        };
        // Used only if some values are near.
        let near = near.unwrap_or_else(|| grad.clone());
        let outputs = call.output.data().par_iter().zip(start.data());
        let gradients = grad.data().par_iter().zip(near.data());
        let values = pairs().zip(outputs).zip(gradients);
        let multiplied = values.map(|(((&x, &b), (&y, &s)), (&g, &near))| {
            if nearness.is_near(x, b) {
                near
            } else {
                g * ((y - s) / (x - b))
            }
        });
        Ok(Tensor::from_stored(grad.shape(), multiplied.collect()))
    }
}

/// When the change of an input is too small for the quotient of differences, which would be
/// rounding only. The gradient averaged along the line is used instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nearness {
    /// ReLU: the quotient is exact for any change.
    Equal,
    /// A function with a kink: near it, the average would not be exact.
    Kinked,
    /// A smooth function.
    Smooth,
}

impl Nearness {
    fn of(node: &Node) -> Self {
        if let Some(activation) = node.op_as::<Activation>() {
            return match activation {
                Activation::Relu | Activation::Relu6 | Activation::ClippedRelu(_) => Self::Equal,
                Activation::Silu
                | Activation::Swish(_)
                | Activation::Gelu
                | Activation::GeluTanh
                | Activation::Sigmoid
                | Activation::Tanh
                | Activation::Softplus
                | Activation::Mish => Self::Smooth,
                _ => Self::Kinked,
            };
        }
        match node.op_as::<Unary>() {
            Some(Unary::Exp | Unary::Erf) => Self::Smooth,
            _ => Self::Kinked,
        }
    }

    #[inline]
    fn is_near(self, x: f32, baseline: f32) -> bool {
        let change = (x - baseline).abs();
        match self {
            Self::Equal => change == 0.0,
            Self::Kinked => change <= 1e-3 * x.abs().max(1.0),
            Self::Smooth => change <= 0.05 * x.abs().max(10.0),
        }
    }
}

/// The multipliers of a maximum: the change of the output, shared among its inputs and divided by their change. As
/// Captum's rule for max-pools, but contributions of overlapping windows are added.
fn extreme(
    node: &Node,
    call: &BackwardCall,
    baseline: &[Tensor],
    grad: &Tensor,
    is_least: bool,
) -> Result<Vec<Option<Tensor>>, String> {
    let baseline: Vec<&Tensor> = baseline.iter().collect();
    let start = forward(node, call, &baseline);
    let outer = |a: f32, b: f32| if is_least { a.min(b) } else { a.max(b) };
    let share = |of: &(dyn Fn(f32, f32) -> f32 + Sync)| {
        let outputs = call.output.data().par_iter().zip(start.value.data());
        let shares = outputs.zip(grad.data()).map(|((&y, &s), &g)| g * of(y, s));
        Tensor::from_stored(grad.shape(), shares.collect())
    };
    let here = |grad: Tensor| node.op.backward(call, grad);
    let own = here(share(&|y, s| outer(y, s) - s))?.inputs;
    let others = share(&|y, s| y - outer(y, s));
    let others = backward(node, call, &baseline, &start, others)?;
    let plain = here(grad.clone())?.inputs;
    let inputs = call.inputs.iter().zip(baseline);
    let parts = own.into_iter().zip(others).zip(plain);
    let multiplied = inputs.zip(parts).map(|((x, b), ((own, other), plain))| {
        let (own, other, plain) = (own?, other?, plain?);
        let pairs = x.data().par_iter().zip(b.data());
        let shares = own.data().par_iter().zip(other.data());
        let values =
            pairs
                .zip(shares)
                .zip(plain.data())
                .map(|(((&x, &b), (&own, &other)), &plain)| {
                    let change = x - b;
                    if change == 0.0 {
                        plain
                    } else {
                        (own + other) / change
                    }
                });
        Some(Tensor::from_stored(x.shape(), values.collect()))
    });
    Ok(multiplied.collect())
}

/// The node's gradient averaged over points on the line from the baseline's inputs (0) to the picture's (1).
fn averaged(
    node: &Node,
    call: &BackwardCall,
    baseline: &[Tensor],
    grad: &Tensor,
    places: &[(f64, f64)],
) -> Result<Vec<Option<Tensor>>, String> {
    let mut sums: Vec<Option<Tensor>> = Vec::new();
    for &(place, weight) in places {
        let between: Vec<Tensor> = call
            .inputs
            .iter()
            .zip(baseline)
            .map(|(input, baseline)| between(baseline, input, place as f32))
            .collect();
        let between: Vec<&Tensor> = between.iter().collect();
        let outcome = forward(node, call, &between);
        let found = backward(node, call, &between, &outcome, grad.clone())?;
        sums.resize(found.len(), None);
        for (sum, found) in sums.iter_mut().zip(found) {
            let Some(found) = found else { continue };
            let mut total = sum.take().unwrap_or_else(|| Tensor::zeros(found.shape()));
            let pairs = total.data_mut().par_iter_mut().zip(found.data());
            pairs.for_each(|(total, found)| *total += weight as f32 * found);
            *sum = Some(total);
        }
    }
    Ok(sums)
}

fn between(from: &Tensor, to: &Tensor, place: f32) -> Tensor {
    let values = from.data().par_iter().zip(to.data());
    let values = values.map(|(&from, &to)| from + place * (to - from));
    Tensor::from_stored(to.shape(), values.collect())
}

/// The node's value for other inputs.
fn forward(node: &Node, call: &BackwardCall, inputs: &[&Tensor]) -> ForwardResult {
    node.op.forward(&ForwardCall {
        inputs,
        parameters: call.parameters,
        prepared: call.prepared,
        output_shape: call.output.shape(),
        mode: Mode::Inference,
        arithmetic: call.arithmetic,
        random_stream: 0,
    })
}

/// The node's true gradients at other inputs, with its value there.
fn backward(
    node: &Node,
    call: &BackwardCall,
    inputs: &[&Tensor],
    found: &ForwardResult,
    grad: Tensor,
) -> Result<Vec<Option<Tensor>>, String> {
    let there = BackwardCall {
        inputs,
        output: &found.value,
        saved: &found.saved,
        mode: Mode::Inference,
        ..*call
    };
    Ok(node.op.backward(&there, grad)?.inputs)
}
