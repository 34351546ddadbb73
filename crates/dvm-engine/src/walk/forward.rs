//! The forward pass, from the input to the logits.

mod parts;

use std::ops::Range;

use crate::device::catching;
use crate::graph::{Graph, NodeId, shape_of};
use crate::ops::{ForwardCall, Mode};
use crate::runtime::buffer::for_training;
use crate::runtime::threads::in_thread_pool;
use crate::{Error, Tensor, Walk};

/// Which values a forward pass keeps; all others are released after their last reader.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// Only the logits.
    Output,
    /// The logits and these.
    Nodes(&'a [NodeId]),
    /// All values: a backward pass with any rules needs them.
    All,
    /// The logits, those of auxiliary heads, and the values that a backward pass with the true gradients
    /// needs (a training step).
    Backward,
}

/// The values that a forward pass kept; cheap to clone.
#[derive(Clone)]
pub struct Activations {
    pub(crate) values: Vec<Option<Tensor>>,
    pub(crate) saved: Vec<Vec<Tensor>>,
    pub(crate) shapes: Vec<Vec<usize>>,
    pub(crate) mode: Mode,
    statistics: Vec<(usize, Tensor)>,
    output: NodeId,
}

impl Activations {
    /// The logits, `[N, K]`.
    pub fn output(&self) -> &Tensor {
        self.values[self.output.0]
            .as_ref()
            .expect("the output is always kept")
    }

    /// The value of a node, if it was kept.
    pub fn get(&self, id: NodeId) -> Option<&Tensor> {
        self.values[id.0].as_ref()
    }

    /// Takes the value of a node, if it was kept; [`Activations::put`] returns it.
    pub(crate) fn take(&mut self, id: NodeId) -> Option<Tensor> {
        self.values[id.0].take()
    }

    /// Keeps this as the value of a node.
    pub(crate) fn put(&mut self, id: NodeId, value: Tensor) {
        self.values[id.0] = Some(value);
    }

    /// The same activations for `graph`, a rewritten form of `of`. Nodes with the same name and shape have
    /// the same value; missing ones (a class token as a separate node) and those that depend on them are
    /// computed. `None` if the input was not kept.
    pub fn in_the_form_of(&self, graph: &Graph, of: &Graph) -> Option<Self> {
        let by_name: std::collections::HashMap<&str, usize> = of
            .nodes()
            .iter()
            .enumerate()
            .map(|(id, node)| (node.name.as_str(), id))
            .collect();
        let picture = self.shapes.first()?;
        let shapes = graph.shapes(picture).ok()?;
        let mut pass = Pass::new(graph, self.mode, Keep::All);
        let mut is_computed = vec![false; shapes.len()];
        for (id, node) in graph.nodes().iter().enumerate() {
            let follows = node.inputs.iter().any(|input| is_computed[input.0]);
            let known = by_name.get(node.name.as_str());
            let known = known.and_then(|&known| self.values[known].clone());
            match known.filter(|value| value.shape() == shapes[id] && !follows) {
                Some(value) => pass.values[id] = Some(value),
                None if node.inputs.is_empty() => return None,
                None => {
                    pass.run(id..id + 1, &Tensor::shape_only(&[])).ok()?;
                    is_computed[id] = true;
                }
            }
        }
        Some(Self {
            values: pass.values,
            saved: pass.saved,
            shapes,
            mode: self.mode,
            statistics: Vec::new(),
            output: graph.output(),
        })
    }

    /// New values of running statistics, as (index of the parameter, value): the caller of a
    /// training step stores them with [`Graph::set_value`]. Empty in inference.
    pub fn statistics(&self) -> &[(usize, Tensor)] {
        &self.statistics
    }
}

/// The activations that a backward pass still holds.
pub(crate) struct SavedActivations {
    pub(crate) values: Vec<Option<Tensor>>,
    pub(crate) saved: Vec<Vec<Tensor>>,
    pub(crate) shapes: Vec<Vec<usize>>,
    pub(crate) mode: Mode,
}

impl SavedActivations {
    /// All kept activations, shared with `activations`.
    pub(crate) fn of(activations: &Activations) -> Self {
        Self {
            values: activations.values.clone(),
            saved: activations.saved.clone(),
            shapes: activations.shapes.clone(),
            mode: activations.mode,
        }
    }

    /// Releases the activation of a node.
    pub(crate) fn release(&mut self, id: usize) {
        self.values[id] = None;
        self.saved[id] = Vec::new();
    }
}

/// A forward pass in progress.
struct Pass<'g> {
    graph: &'g Graph,
    /// The kind of pass, for the stopwatch.
    walk: Walk,
    mode: Mode,
    last_use: Vec<usize>,
    values: Vec<Option<Tensor>>,
    saved: Vec<Vec<Tensor>>,
    shapes: Vec<Vec<usize>>,
    statistics: Vec<(usize, Tensor)>,
}

impl<'g> Pass<'g> {
    fn new(graph: &'g Graph, mode: Mode, keep: Keep) -> Self {
        let count = graph.nodes().len();
        Self {
            graph,
            walk: Walk::Forward,
            mode,
            last_use: graph.last_use(keep),
            values: vec![None; count],
            saved: vec![Vec::new(); count],
            shapes: vec![Vec::new(); count],
            statistics: Vec::new(),
        }
    }

    /// Computes these nodes. Earlier values that they read must be present.
    fn run(&mut self, nodes: Range<usize>, pictures: &Tensor) -> Result<(), Error> {
        let graph = self.graph;
        for id in nodes {
            let node = graph.node(NodeId(id));
            let inputs: Vec<&Tensor> = if node.inputs.is_empty() {
                vec![pictures]
            } else {
                let value = |i: &NodeId| {
                    let value = self.values[i.0].as_ref();
                    value.expect("inputs come first and are kept")
                };
                node.inputs.iter().map(value).collect()
            };
            let parameters = graph.parameters_of(node);
            let input_shapes: Vec<&[usize]> = inputs.iter().map(|i| i.shape()).collect();
            let parameter_shapes: Vec<&[usize]> = parameters.iter().map(|p| p.shape()).collect();
            let output_shape = shape_of(&*node.op, &node.name, &input_shapes, &parameter_shapes)?;
            // A training step uses packed parameters only once.
            let own = (self.mode != Mode::Inference).then(|| node.op.prepare());
            let call = ForwardCall {
                inputs: &inputs,
                parameters: &parameters,
                prepared: match &own {
                    Some(own) => own.as_ref(),
                    None => graph.prepared(NodeId(id)),
                },
                output_shape: &output_shape,
                mode: self.mode,
                arithmetic: graph.arithmetic(),
                random_stream: graph.place(NodeId(id)),
            };
            let products = node.op.multiply_adds(&input_shapes, &parameter_shapes) as u64;
            let lap = (self.walk, NodeId(id));
            let result = graph.timed(lap, &output_shape, products, || {
                let on_device = graph.device().and_then(|d| d.forward(&*node.op, &call));
                on_device.unwrap_or_else(|| node.op.forward(&call))
            });
            debug_assert_eq!(result.value.shape(), output_shape);
            let moving = node
                .parameters
                .iter()
                .filter(|&&p| graph.parameters()[p].role == crate::Role::Statistic);
            self.statistics
                .extend(moving.copied().zip(result.statistics));
            self.values[id] = Some(result.value);
            self.saved[id] = result.saved;
            self.shapes[id] = output_shape;
            for done in graph.done_after(id, &self.last_use) {
                self.values[done] = None;
            }
        }
        Ok(())
    }
}

impl Graph {
    /// The logits `[N, K]` of inputs `[N, C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Node`] at the first node whose inputs do not fit.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor, Error> {
        Ok(self
            .forward(pictures, Mode::Inference, Keep::Output)?
            .output()
            .clone())
    }

    /// Computes the forward pass and keeps the values that `keep` selects.
    ///
    /// # Errors
    /// [`Error::Node`] at the first node whose inputs do not fit.
    pub fn forward(&self, pictures: &Tensor, mode: Mode, keep: Keep) -> Result<Activations, Error> {
        for_training(mode != Mode::Inference);
        in_thread_pool(|| {
            catching(self.device(), || {
                let found = self.walk(pictures, mode, keep)?;
                // What the caller certainly reads.
                found.output().read()?;
                if let Keep::Nodes(nodes) = keep {
                    nodes
                        .iter()
                        .filter_map(|&id| found.get(id))
                        .try_for_each(Tensor::read)?;
                }
                found
                    .statistics
                    .iter()
                    .try_for_each(|(_, value)| value.read())?;
                Ok(found)
            })
        })
    }

    fn walk(&self, pictures: &Tensor, mode: Mode, keep: Keep) -> Result<Activations, Error> {
        let mut pass = Pass::new(self, mode, keep);
        let start = match (mode, keep, self.device()) {
            (Mode::Inference, Keep::Output, None) => parts::start(&mut pass, pictures)?,
            _ => 0,
        };
        pass.run(start..self.nodes().len(), pictures)?;
        Ok(Activations {
            values: pass.values,
            saved: pass.saved,
            shapes: pass.shapes,
            mode,
            statistics: pass.statistics,
            output: self.output(),
        })
    }

    /// The logits `[N, K]` for N values `[N, …]` of the node `at`; all nodes that do not depend on it
    /// have the values of one picture, `base`.
    ///
    /// # Errors
    /// [`Error::NotKept`] if `base` lacks a value that is read, [`Error::Node`] at the first node whose
    /// inputs do not fit.
    pub fn logits_from(
        &self,
        at: NodeId,
        value: &Tensor,
        base: &Activations,
    ) -> Result<Tensor, Error> {
        self.logits_behind(at, value, base, Walk::Forward)
    }

    /// The same, as part of the pass that `walk` names.
    pub(crate) fn logits_behind(
        &self,
        at: NodeId,
        value: &Tensor,
        base: &Activations,
        walk: Walk,
    ) -> Result<Tensor, Error> {
        let pictures = value.shape().first().copied().unwrap_or(1);
        let mut pass = Pass::new(self, Mode::Inference, Keep::Output);
        pass.walk = walk;
        for id in (0..at.0).filter(|&id| pass.last_use[id] > at.0) {
            let own = base.values[id].as_ref();
            let own = own.ok_or_else(|| Error::NotKept {
                node: self.node(NodeId(id)).name.clone(),
            })?;
            pass.values[id] = Some(own.repeated(pictures));
        }
        pass.values[at.0] = Some(value.clone());
        let input = Tensor::shape_only(&[]);
        in_thread_pool(|| {
            catching(self.device(), || {
                pass.run(at.0 + 1..self.nodes().len(), &input)?;
                let output = pass.values[self.output().0].take();
                let output = output.expect("the output is always kept");
                output.read()?;
                Ok(output)
            })
        })
    }

    /// The nodes other than `at` whose values [`Graph::logits_from`] reads.
    pub fn read_beside(&self, at: NodeId) -> Vec<NodeId> {
        let last_use = self.last_use(Keep::Output);
        let beside = (0..at.0).filter(|&id| last_use[id] > at.0);
        beside.map(NodeId).collect()
    }

    /// Computes these nodes again and keeps all of their values. Earlier values that they read must be held.
    pub(crate) fn compute_again(
        &self,
        nodes: Range<usize>,
        pictures: &Tensor,
        held: &mut SavedActivations,
    ) -> Result<(), Error> {
        let mut pass = Pass::new(self, held.mode, Keep::All);
        pass.values.clone_from(&held.values);
        pass.run(nodes.clone(), pictures)?;
        for id in nodes {
            held.values[id] = pass.values[id].take();
            held.saved[id] = std::mem::take(&mut pass.saved[id]);
        }
        Ok(())
    }

    /// For each node the last node that reads it (the node itself if there is no reader); an index past the
    /// end if its value is kept.
    pub(crate) fn last_use(&self, keep: Keep) -> Vec<usize> {
        let count = self.nodes().len();
        let mut last: Vec<usize> = (0..count).collect();
        for (id, node) in self.nodes().iter().enumerate() {
            for input in &node.inputs {
                last[input.0] = id;
            }
        }
        last[self.output().0] = count;
        match keep {
            Keep::Output => {}
            Keep::Nodes(nodes) => nodes.iter().for_each(|id| last[id.0] = count),
            Keep::All => last.fill(count),
            Keep::Backward => {
                let heads = self.auxiliaries().iter();
                heads.for_each(|(head, _)| last[head.0] = count);
                for (id, node) in self.nodes().iter().enumerate() {
                    let needs = node.op.needs();
                    if needs.output {
                        last[id] = count;
                    }
                    if needs.inputs {
                        node.inputs.iter().for_each(|input| last[input.0] = count);
                    }
                }
            }
        }
        last
    }

    /// The nodes whose last reader is node `id`, each once, given [`Graph::last_use`].
    pub(crate) fn done_after(
        &self,
        id: usize,
        last_use: &[usize],
    ) -> impl Iterator<Item = usize> + use<> {
        let mut done: Vec<usize> = self.nodes()[id].inputs.iter().map(|i| i.0).collect();
        done.push(id);
        done.sort_unstable();
        done.dedup();
        done.retain(|&d| last_use[d] == id);
        done.into_iter()
    }

    /// The largest number of f32 values that exist at once in a forward pass that keeps only the logits,
    /// for one picture of a batch.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn peak_values(&self, input: &[usize]) -> Result<usize, Error> {
        let shapes = self.shapes(input)?;
        let sizes: Vec<usize> = shapes.iter().map(|s| s.iter().product()).collect();
        let last_use = self.last_use(Keep::Output);
        let (mut alive, mut peak) = (0, 0);
        for (id, size) in sizes.iter().enumerate() {
            alive += size;
            peak = peak.max(alive);
            let done = self.done_after(id, &last_use);
            alive -= done.map(|d| sizes[d]).sum::<usize>();
        }
        Ok(peak)
    }
}
