//! Activations at nodes, and outputs for changed activations.

use dvm_engine::{Graph, Keep, Mode, NodeId, Tensor};

use super::batches::BatchSize;
use super::{made, of_one};
use crate::subject::finite;
use crate::{Error, Subject};

/// Outputs and activations for one picture.
#[derive(Clone, Debug)]
pub struct ActivationResult {
    /// The network's outputs, `[K]`.
    pub numbers: Vec<f32>,
    /// The value of each requested node, a batch of one.
    pub activations: Vec<Tensor>,
}

/// Called with the index of a case and the network's outputs `[K]` for it.
type OnOutput<'e> = dyn FnMut(usize, &[f32]) -> Result<(), Error> + 'e;

impl Subject<'_> {
    /// The values of these nodes of `graph`, a form of the network, for the unchanged picture, each a batch of one.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::Network`]; [`Error::Unfit`] if it needs too much memory.
    pub fn activations(&self, graph: &Graph, nodes: &[NodeId]) -> Result<Vec<Tensor>, Error> {
        self.allow(graph.peak_values(&self.shape())?)?;
        let kept = graph.forward(self.picture(), Mode::Inference, Keep::Nodes(nodes))?;
        finite("the picture", kept.output().data())?;
        Ok(nodes
            .iter()
            .map(|&id| kept.get(id).expect("it was requested").clone())
            .collect())
    }

    /// The same for `count` other pictures of the same size: `make` returns the values of each as
    /// stored (`H, W, C`, normalised), `each` is called with the results in order.
    ///
    /// # Errors
    /// As [`Subject::activations`], and those of `each`.
    pub fn activations_of(
        &self,
        count: usize,
        make: &(dyn Fn(usize) -> Vec<f32> + Sync),
        (graph, nodes): (&Graph, &[NodeId]),
        each: &mut dyn FnMut(usize, ActivationResult) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let are_batches = graph.are_batches(&self.shape())?;
        let ends = nodes.iter().copied().chain([graph.output()]);
        let splits = ends.into_iter().all(|id| are_batches[id.index()]);
        let batch = if splits { self.batch_size(graph)? } else { 1 };
        let walk = |cases| {
            let pictures = made(cases, &self.shape(), make);
            self.before_walk();
            Ok(graph.forward(&pictures, Mode::Inference, Keep::Nodes(nodes))?)
        };
        BatchSize::new(batch).walk(count, walk, |cases, kept| {
            finite("a changed picture", kept.output().data())?;
            let numbers = kept.output().data();
            let size = cases.len();
            for (index, case) in cases.enumerate() {
                let of_node = |&id: &NodeId| {
                    let value = kept.get(id).expect("it was requested");
                    of_one(value, index, size)
                };
                let own = numbers.len() / size;
                let reading = ActivationResult {
                    numbers: numbers[index * own..][..own].to_vec(),
                    activations: nodes.iter().map(of_node).collect(),
                };
                each(case, reading)?;
            }
            Ok(())
        })
    }

    /// The network's outputs `[K]` when the node `at` of `graph` has other values than for the
    /// picture, while nodes that do not depend on it keep theirs: `make` returns the values of each
    /// of `count` cases as stored, `each` is called with the outputs in order.
    ///
    /// # Errors
    /// As [`Subject::activations`], and those of `each`.
    pub fn outputs_from(
        &self,
        (graph, at): (&Graph, NodeId),
        count: usize,
        make: &(dyn Fn(usize) -> Vec<f32> + Sync),
        each: &mut OnOutput,
    ) -> Result<(), Error> {
        let shapes = graph.shapes(&self.shape())?;
        let shape = &shapes[at.index()];
        let beside = graph.read_beside(at);
        self.allow(graph.peak_values(&self.shape())?)?;
        let base = graph.forward(self.picture(), Mode::Inference, Keep::Nodes(&beside))?;
        let are_batches = graph.are_batches(&self.shape())?;
        let all = graph.ids().filter(|id| *id >= at).chain(beside);
        let splits = all.into_iter().all(|id| are_batches[id.index()]);
        // The part after the node is smaller than the network, so more cases fit in memory.
        let behind = shapes[at.index()..].iter();
        let behind: usize = behind.map(|s| s.iter().product::<usize>()).sum();
        let room = self.walk_memory() / size_of::<f32>() / behind.max(1);
        let batch = if splits {
            room.clamp(1, self.largest_batch_of_end())
        } else {
            1
        };
        let walk = |cases| {
            let value = made(cases, shape, make);
            self.before_walk();
            Ok(graph.logits_from(at, &value, &base)?)
        };
        BatchSize::new(batch).walk(count, walk, |cases, outputs| {
            finite("changed activations", outputs.data())?;
            let rows = outputs.data().chunks(outputs.len() / cases.len());
            cases
                .zip(rows)
                .try_for_each(|(case, numbers)| each(case, numbers))
        })
    }
}
