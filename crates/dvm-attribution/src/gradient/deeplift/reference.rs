//! The values of the baseline, which the picture's are compared with on the walk back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use dvm_engine::{Activations, Graph, Keep, Mode, Node, NodeId, Tensor};

use super::rescale::is_nonlinear;
use crate::Error;

/// What nonlinear nodes were given for a baseline. Where memory does not hold all of it, only a part of
/// the network's nodes is held at a time, and the walk with the baseline is made again for the next.
pub(super) struct Reference {
    /// Positions of the nodes by name.
    places: BTreeMap<String, usize>,
    parts: Vec<Part>,
    /// What makes the walk again; `None` where there is a single part.
    walk: Option<(Graph, Tensor)>,
    held: Mutex<Held>,
}

/// A range of nodes, and what the nonlinear ones among them read.
struct Part {
    nodes: Range<usize>,
    read: Vec<NodeId>,
}

struct Held {
    part: usize,
    values: Arc<Activations>,
}

impl Reference {
    /// Walks with `baseline` `[1, C, H, W]` and keeps about `allowed` values at most. Returns the
    /// network's numbers, too.
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
        // The walk back begins at the end.
        let values = graph.forward(&baseline, Mode::Inference, Keep::Nodes(&parts[last].read))?;
        let numbers = values.output().data().to_vec();
        let names = graph.nodes().iter().enumerate();
        let reference = Self {
            places: names
                .map(|(place, node)| (node.name.clone(), place))
                .collect(),
            walk: (last > 0).then(|| (graph.clone(), baseline)),
            parts,
            held: Mutex::new(Held {
                part: last,
                values: Arc::new(values),
            }),
        };
        Ok((reference, numbers))
    }

    /// The position of a nonlinear node, and what it was given.
    ///
    /// # Errors
    /// What went wrong, as the end of a sentence.
    pub(super) fn inputs(&self, node: &Node) -> Result<(usize, Vec<Tensor>), String> {
        let place = *self
            .places
            .get(&node.name)
            .ok_or("is not in the baseline's network")?;
        let values = self.part_of(place)?;
        let inputs = node.inputs.iter().map(|&id| {
            let value = values.get(id).cloned();
            value.ok_or_else(|| "has inputs that the baseline's walk did not keep".into())
        });
        Ok((place, inputs.collect::<Result<_, String>>()?))
    }

    /// The values of the part that a node is in.
    fn part_of(&self, place: usize) -> Result<Arc<Activations>, String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.parts[held.part].nodes.contains(&place) {
            let part = self
                .parts
                .iter()
                .position(|part| part.nodes.contains(&place));
            held.part = part.expect("the parts are all nodes");
            let (graph, baseline) = self.walk.as_ref().expect("there are several parts");
            let keep = Keep::Nodes(&self.parts[held.part].read);
            let values = graph.forward(baseline, Mode::Inference, keep);
            held.values = Arc::new(values.map_err(|error| error.to_string())?);
        }
        Ok(Arc::clone(&held.values))
    }
}

/// The nodes in ranges whose nonlinear nodes read about `allowed` values at most.
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
