//! Grouping the layers of a network into the boxes of a drawing.

use std::collections::{BTreeMap, BTreeSet};

use dvm_engine::ops::Class;
use dvm_engine::{Graph, Node, NodeId};

/// Groups of layers in topological order.
pub struct Grouping {
    /// The nodes of each group, in order.
    pub groups: Vec<Vec<NodeId>>,
    /// Edges between groups.
    pub arrows: Vec<(usize, usize)>,
}

/// Further parts of a name are ignored.
const MOST_PARTS: usize = 16;

/// The parts of a layer's name: `layer1.0.conv1`, or `/layer1/layer1.0/conv1/Conv` in ONNX.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let mark = if name.contains('/') { '/' } else { '.' };
    name.split(mark).filter(|part| !part.is_empty())
}

/// The largest number of parts that a name has.
pub fn deepest(graph: &Graph) -> usize {
    let counts = graph.nodes().iter().map(|node| parts(&node.name).count());
    counts.max().unwrap_or(1).min(MOST_PARTS)
}

impl Grouping {
    /// Groups consecutive layers of one module: their names have more than `depth` parts and start with the same
    /// `depth` parts. A layer that remains single joins the layer before it, if it reads only that. The error is
    /// the number of groups, if it is greater than `most`.
    pub fn by_names(graph: &Graph, depth: usize, most: usize) -> Result<Self, usize> {
        let module = |node: &Node| -> Option<Vec<String>> {
            let all: Vec<&str> = parts(&node.name).take(depth + 1).collect();
            let deeper = all.len() > depth;
            deeper.then(|| all[..depth].iter().map(|part| (*part).to_owned()).collect())
        };
        let mut leader: Vec<usize> = (0..graph.nodes().len()).collect();
        let mut alone = vec![true; leader.len()];
        let mut before: Option<Vec<String>> = None;
        for (id, node) in graph.nodes().iter().enumerate() {
            let own = module(node);
            if own.is_some() && own == before {
                leader[id] = leader[id - 1];
                alone[id] = false;
                alone[leader[id]] = false;
            }
            before = own;
        }
        follow(graph, &mut leader, &alone);
        Self::of(graph, &leader, most)
    }

    /// Groups the layers between these cut nodes, which are in order; the input is its own group.
    pub fn between(graph: &Graph, cuts: &[NodeId], most: usize) -> Result<Self, usize> {
        let mut leader = vec![0; graph.nodes().len()];
        for id in 1..leader.len() {
            let is_first = id == 1 || cuts.binary_search_by_key(&(id - 1), |c| c.index()).is_ok();
            leader[id] = if is_first { id } else { leader[id - 1] };
        }
        Self::of(graph, &leader, most)
    }

    /// Groups the nodes that have the same leader, in topological order.
    fn of(graph: &Graph, leader: &[usize], most: usize) -> Result<Self, usize> {
        let count = (leader.iter().zip(0..)).filter(|&(&leader, id)| leader == id);
        match count.count() {
            count if count > most => return Err(count),
            _ => {}
        }
        let mut members: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
        for (id, &leader) in graph.ids().zip(leader) {
            members.entry(leader).or_default().push(id);
        }
        let mut readers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut missing: BTreeMap<usize, usize> = members.keys().map(|&own| (own, 0)).collect();
        for (id, node) in graph.nodes().iter().enumerate() {
            for from in &node.inputs {
                let (from, to) = (leader[from.index()], leader[id]);
                if from != to && readers.entry(from).or_default().insert(to) {
                    *missing.entry(to).or_default() += 1;
                }
            }
        }
        let mut ready: BTreeSet<usize> = missing
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(&own, _)| own)
            .collect();
        let mut place = BTreeMap::new();
        while let Some(next) = ready.pop_first() {
            place.insert(next, place.len());
            for &reader in readers.get(&next).into_iter().flatten() {
                let count = missing.entry(reader).or_default();
                *count -= 1;
                if *count == 0 {
                    ready.insert(reader);
                }
            }
        }
        let mut groups = vec![Vec::new(); place.len()];
        for (own, nodes) in members {
            groups[place[&own]] = nodes;
        }
        let mut arrows = Vec::new();
        for (from, readers) in readers {
            arrows.extend(readers.iter().map(|reader| (place[&from], place[reader])));
        }
        arrows.sort_unstable();
        Ok(Self { groups, arrows })
    }
}

/// Puts layers that only prepare or finish the values of another layer into its box.
fn follow(graph: &Graph, leader: &mut [usize], alone: &[bool]) {
    let consumers = graph.consumers();
    // For each leader, whether its box already has a main layer.
    let mut has_layer: Vec<bool> = graph.nodes().iter().map(|node| !is_light(node)).collect();
    for (id, node) in graph.nodes().iter().enumerate() {
        let [from] = node.inputs[..] else { continue };
        let only = consumers[from.index()].len() == 1 && from != graph.output();
        if !only || !alone[id] || !alone[from.index()] || from == graph.input() {
            continue;
        }
        let own = leader[from.index()];
        let joins = is_light(node) || !has_layer[own] && joins_what_prepares_it(node);
        if joins {
            has_layer[own] |= !is_light(node);
            leader[id] = own;
        }
    }
}

/// Whether a layer works on each value or position separately and has few parameters.
fn is_light(node: &Node) -> bool {
    match node.op.class() {
        Class::Arithmetic => node.inputs.len() == 1,
        class => matches!(
            class,
            Class::Normalisation
                | Class::Activation
                | Class::Softmax
                | Class::Identity
                | Class::Rearrangement
        ),
    }
}

fn joins_what_prepares_it(node: &Node) -> bool {
    node.op.class().is_layer()
}
