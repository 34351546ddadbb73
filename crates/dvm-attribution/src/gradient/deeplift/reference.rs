//! The values of the network for the baseline, which those for the picture are compared with.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use dvm_engine::{Activations, Graph, Keep, Mode, Node, NodeId, Tensor};

use super::rescale::is_nonlinear;
use crate::Error;

/// The inputs of nonlinear nodes for a baseline. If they do not fit in memory, only those of a part
/// of the network are saved, and the forward pass is repeated for the next part.
pub(super) struct Reference {
    /// Positions of the nodes by name.
    places: BTreeMap<String, usize>,
    parts: Vec<Part>,
    /// The graph and the baseline for further forward passes; `None` if there is a single part.
    walk: Option<(Graph, Tensor)>,
    saved: Mutex<SavedPart>,
}

/// A range of nodes, and the inputs of its nonlinear nodes.
struct Part {
    nodes: Range<usize>,
    read: Vec<NodeId>,
}

struct SavedPart {
    part: usize,
    values: Arc<Activations>,
}

impl Reference {
    /// Runs the network for `baseline` `[1, C, H, W]` and keeps about `allowed` values at most.
    /// Returns the network's outputs, too.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub(super) fn new(
        graph: &Graph,
        baseline: Tensor,
        allowed: usize,
    ) -> Result<(Self, Vec<f32>), Error> {
        let parts = parts(graph, baseline.shape(), allowed)?;
        let last = parts.len() - 1;
        // The backward pass starts at the end.
        let values = graph.forward(&baseline, Mode::Inference, Keep::Nodes(&parts[last].read))?;
        let numbers = values.output().data().to_vec();
        let names = graph.nodes().iter().enumerate();
        let reference = Self {
            places: names
                .map(|(place, node)| (node.name.clone(), place))
                .collect(),
            walk: (last > 0).then(|| (graph.clone(), baseline)),
            parts,
            saved: Mutex::new(SavedPart {
                part: last,
                values: Arc::new(values),
            }),
        };
        Ok((reference, numbers))
    }

    /// The position of a nonlinear node, and its inputs for the baseline.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence.
    pub(super) fn inputs(&self, node: &Node) -> Result<(usize, Vec<Tensor>), String> {
        let place = *self
            .places
            .get(&node.name)
            .ok_or("is not in the baseline's network")?;
        let values = self.part_of(place)?;
        let inputs = node.inputs.iter().map(|&id| {
            let value = values.get(id).cloned();
            value.ok_or_else(|| "has inputs that the baseline's forward pass did not keep".into())
        });
        Ok((place, inputs.collect::<Result<_, String>>()?))
    }

    /// The values of the part that a node is in.
    fn part_of(&self, place: usize) -> Result<Arc<Activations>, String> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.parts[saved.part].nodes.contains(&place) {
            let part = self
                .parts
                .iter()
                .position(|part| part.nodes.contains(&place));
            saved.part = part.expect("the parts cover all nodes");
            let (graph, baseline) = self.walk.as_ref().expect("there are several parts");
            let keep = Keep::Nodes(&self.parts[saved.part].read);
            let values = graph.forward(baseline, Mode::Inference, keep);
            saved.values = Arc::new(values.map_err(|error| error.to_string())?);
        }
        Ok(Arc::clone(&saved.values))
    }
}

/// Splits the nodes into ranges whose nonlinear nodes have about `allowed` input values at most.
fn parts(graph: &Graph, shape: &[usize], allowed: usize) -> Result<Vec<Part>, Error> {
    let shapes = graph.shapes(shape)?;
    let mut parts = Vec::new();
    let mut part = Part {
        nodes: 0..0,
        read: Vec::new(),
    };
    let mut values = 0;
    for id in graph.ids() {
        let mut new = Vec::new();
        if is_nonlinear(graph, id) {
            new.extend(
                graph
                    .node(id)
                    .inputs
                    .iter()
                    .filter(|id| !part.read.contains(id)),
            );
        }
        let size = |id: &&NodeId| shapes[id.index()].iter().product::<usize>();
        let more: usize = new.iter().map(|id| size(&id)).sum();
        if values > 0 && values + more > allowed {
            parts.push(part);
            values = 0;
            part = Part {
                nodes: id.index()..id.index(),
                read: Vec::new(),
            };
            new = graph.node(id).inputs.clone();
        }
        values += new.iter().map(|id| size(&id)).sum::<usize>();
        part.read.extend(new);
        part.nodes.end = id.index() + 1;
    }
    parts.push(part);
    Ok(parts)
}
