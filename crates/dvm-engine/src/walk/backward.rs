//! The backward pass from the logits: gradients of the input, of nodes and of parameters.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::device::catching;
use crate::graph::{Graph, NodeId, Parameter};
use crate::ops::{self, BackwardCall, Mode, Needs};
use crate::rules::{self, Composite};
use crate::runtime::threads::in_thread_pool;
use crate::walk::forward::SavedActivations;
use crate::{Activations, Error, Tensor, Walk};

/// What a backward pass computes.
pub struct Request<'a> {
    /// Nodes whose gradients are wanted, such as [`Graph::input`].
    pub nodes: &'a [NodeId],
    /// Whether a parameter's gradient is wanted.
    pub parameters: &'a (dyn Fn(&Parameter) -> bool + Sync),
    /// The rules.
    pub rules: &'a Composite,
}

impl Request<'_> {
    /// The true gradients of these nodes and of no parameter.
    pub fn nodes(nodes: &[NodeId]) -> Request<'_> {
        Request {
            nodes,
            parameters: &|_| false,
            rules: &rules::TRUE_GRADIENT,
        }
    }
}

/// The result of a backward pass.
pub struct Gradients {
    nodes: BTreeMap<NodeId, Tensor>,
    parameters: BTreeMap<usize, Tensor>,
}

impl Gradients {
    /// The gradient of a requested node; `None` if the seeds do not depend on it.
    pub fn node(&self, id: NodeId) -> Option<&Tensor> {
        self.nodes.get(&id)
    }

    /// The gradient of the parameter of this index, if it was requested and the seeds depend on it.
    pub fn parameter(&self, index: usize) -> Option<&Tensor> {
        self.parameters.get(&index)
    }
}

/// A backward pass in progress.
pub(crate) struct BackwardWalk<'a> {
    request: &'a Request<'a>,
    /// By [`Graph::leads_to_request`].
    leads_to_request: Vec<bool>,
    /// The gradients so far.
    pending: Vec<Option<Tensor>>,
    pub(crate) found: Gradients,
}

impl Graph {
    /// Computes the backward pass from `seeds`: gradients of a score with respect to the values of nodes,
    /// usually of the logits. Computes only the nodes that the request needs.
    ///
    /// # Errors
    /// [`Error::NotKept`] if the forward pass did not keep a value that is needed, [`Error::Node`] at a node
    /// that has no backward pass.
    pub fn backward(
        &self,
        activations: &Activations,
        seeds: &[(NodeId, Tensor)],
        request: &Request,
    ) -> Result<Gradients, Error> {
        let held = SavedActivations::of(activations);
        self.walk_back(held, seeds.to_vec(), request)
    }

    /// The same for a training step: activations and gradients are released as soon as they are no longer
    /// needed.
    ///
    /// # Errors
    /// As [`Graph::backward`].
    pub fn backward_releasing(
        &self,
        activations: Activations,
        seeds: Vec<(NodeId, Tensor)>,
        request: &Request,
    ) -> Result<Gradients, Error> {
        let Activations {
            values,
            saved,
            shapes,
            mode,
            ..
        } = activations;
        let held = SavedActivations {
            values,
            saved,
            shapes,
            mode,
        };
        self.walk_back(held, seeds, request)
    }

    fn walk_back(
        &self,
        mut held: SavedActivations,
        seeds: Vec<(NodeId, Tensor)>,
        request: &Request,
    ) -> Result<Gradients, Error> {
        self.walking_back(|| {
            let mut way = self.begin_back(&held, seeds, request)?;
            self.back_over(0..self.nodes().len(), &mut held, &mut way)?;
            Ok(way.found)
        })
    }

    /// Runs a backward pass, and reads the gradients that it found.
    pub(crate) fn walking_back(
        &self,
        walk: impl FnOnce() -> Result<Gradients, Error> + Send,
    ) -> Result<Gradients, Error> {
        in_thread_pool(|| {
            catching(self.device(), || {
                let found = walk()?;
                found.nodes.values().try_for_each(Tensor::read)?;
                found.parameters.values().try_for_each(Tensor::read)?;
                Ok(found)
            })
        })
    }

    /// A backward pass that begins with the seeds.
    pub(crate) fn begin_back<'a>(
        &self,
        held: &SavedActivations,
        seeds: Vec<(NodeId, Tensor)>,
        request: &'a Request<'a>,
    ) -> Result<BackwardWalk<'a>, Error> {
        let count = self.nodes().len();
        let mut pending: Vec<Option<Tensor>> = vec![None; count];
        for (id, seed) in seeds {
            if held.values[id.0].is_none() {
                return Err(self.not_kept(id));
            }
            if held.shapes[id.0] != seed.shape() {
                return Err(self.error(
                    id,
                    format!(
                        "has the value {:?}, its gradient {:?}",
                        held.shapes[id.0],
                        seed.shape()
                    ),
                ));
            }
            self.accumulate(&mut pending[id.0], seed);
        }
        Ok(BackwardWalk {
            request,
            leads_to_request: self.leads_to_request(request),
            pending,
            found: Gradients {
                nodes: BTreeMap::new(),
                parameters: BTreeMap::new(),
            },
        })
    }

    /// Computes the gradients of these nodes, whose activations must all be held.
    pub(crate) fn back_over(
        &self,
        nodes: Range<usize>,
        held: &mut SavedActivations,
        way: &mut BackwardWalk,
    ) -> Result<(), Error> {
        let BackwardWalk {
            request,
            leads_to_request,
            pending,
            found,
        } = way;
        for id in nodes.rev() {
            let Some(grad_output) = pending[id].take() else {
                held.release(id);
                continue;
            };
            if request.nodes.contains(&NodeId(id)) {
                found.nodes.insert(NodeId(id), grad_output.clone());
            }
            let node = self.node(NodeId(id));
            if leads_to_request[id] && !node.inputs.is_empty() {
                let wants_input: Vec<bool> =
                    node.inputs.iter().map(|i| leads_to_request[i.0]).collect();
                let wants_parameter: Vec<bool> = node
                    .parameters
                    .iter()
                    .map(|&p| self.wants(request, p))
                    .collect();
                let gradients = self.step(
                    held,
                    NodeId(id),
                    grad_output,
                    (&wants_input, &wants_parameter),
                    request.rules,
                )?;
                for ((input, gradient), wanted) in
                    node.inputs.iter().zip(gradients.inputs).zip(wants_input)
                {
                    if let (Some(gradient), true) = (gradient, wanted) {
                        self.accumulate(&mut pending[input.0], gradient);
                    }
                }
                for (&parameter, gradient) in node.parameters.iter().zip(gradients.parameters) {
                    if let Some(gradient) = gradient {
                        let mut sum = found.parameters.remove(&parameter);
                        self.accumulate(&mut sum, gradient);
                        found.parameters.extend(sum.map(|sum| (parameter, sum)));
                    }
                }
            }
            held.release(id);
        }
        Ok(())
    }

    fn wants(&self, request: &Request, parameter: usize) -> bool {
        let parameter = &self.parameters()[parameter];
        parameter.role != crate::Role::Statistic && (request.parameters)(parameter)
    }

    /// Whether the gradient at each node is needed: the node itself, one of its parameters or an earlier
    /// node was requested.
    fn leads_to_request(&self, request: &Request) -> Vec<bool> {
        let mut leads = vec![false; self.nodes().len()];
        for (id, node) in self.nodes().iter().enumerate() {
            leads[id] = request.nodes.contains(&NodeId(id))
                || node.inputs.iter().any(|i| leads[i.0])
                || node.parameters.iter().any(|&p| self.wants(request, p));
        }
        leads
    }

    /// The gradients of one node, by its rule or else by its op.
    pub(crate) fn step(
        &self,
        held: &SavedActivations,
        id: NodeId,
        grad_output: Tensor,
        (wants_input, wants_parameter): (&[bool], &[bool]),
        composite: &Composite,
    ) -> Result<ops::Gradients, Error> {
        let node = self.node(id);
        let rule = composite.rule_at(self, id);
        let needs = match rule {
            Some(_) => Needs::INPUTS_AND_OUTPUT,
            None => node.op.needs(),
        };
        // A value that is not needed may have been released; its shape is known.
        let value = |id: NodeId, needed: bool| match &held.values[id.0] {
            Some(value) => Ok(value.clone()),
            None if needed => Err(self.not_kept(id)),
            None => Ok(Tensor::shape_only(&held.shapes[id.0])),
        };
        let inputs = node.inputs.iter();
        let inputs = inputs
            .map(|&input| value(input, needs.inputs))
            .collect::<Result<Vec<_>, _>>()?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let output = value(id, needs.output)?;
        let own = (held.mode != Mode::Inference).then(|| node.op.prepare());
        let call = BackwardCall {
            inputs: &inputs,
            parameters: &self.parameters_of(node),
            prepared: match &own {
                Some(own) => own.as_ref(),
                None => self.prepared(id),
            },
            output: &output,
            saved: &held.saved[id.0],
            mode: held.mode,
            arithmetic: self.arithmetic(),
            wants_input,
            wants_parameter,
        };
        let by_rule = |inputs| ops::Gradients {
            inputs,
            parameters: Vec::new(),
        };
        let work = || match (rule, self.device()) {
            (Some(rule), device) => {
                let found =
                    device.and_then(|d| d.backward_by_rule(rule, node, &call, &grad_output));
                match found {
                    Some(inputs) => Ok(by_rule(inputs)),
                    None => rule.backward(node, &call, &grad_output).map(by_rule),
                }
            }
            (None, device) => match device.and_then(|d| d.backward(&*node.op, &call, &grad_output))
            {
                Some(found) => Ok(found),
                None => node.op.backward(&call, grad_output),
            },
        };
        // The input and the weight: the gradient of a bias multiplies nothing.
        let wanted = [wants_input, wants_parameter].map(|wants| wants.first() == Some(&true));
        let operands = wanted.into_iter().filter(|&w| w).count() as u64;
        let products = operands * self.multiply_adds_per_value(node, &held.shapes);
        let gradients = self.timed((Walk::Backward, id), &held.shapes[id.0], products, work);
        gradients.map_err(|detail| self.error(id, detail))
    }

    pub(crate) fn not_kept(&self, id: NodeId) -> Error {
        Error::NotKept {
            node: self.node(id).name.clone(),
        }
    }

    fn error(&self, id: NodeId, detail: String) -> Error {
        let node = self.node(id);
        Error::Node {
            node: node.name.clone(),
            kind: node.op.kind(),
            detail,
        }
    }

    /// Adds a gradient to a sum, in place if one of the two is not shared.
    fn accumulate(&self, sum: &mut Option<Tensor>, gradient: Tensor) {
        *sum = Some(match (sum.take(), self.device()) {
            (None, _) => gradient,
            (Some(sum), Some(device)) => device.sum(&sum, &gradient),
            (Some(sum), None) if sum.is_held_once() => ops::map2_into(sum, &gradient, |a, b| a + b),
            (Some(sum), None) => ops::map2_into(gradient, &sum, |a, b| a + b),
        });
    }
}
