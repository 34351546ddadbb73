//! The outputs of a network's blocks and stages, found in the graph.

use crate::ops::Class;
use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::topology::cut_nodes::cut_nodes;
use crate::topology::last_stage::{last_of, map_at};
use crate::{Error, FeatureMap, Graph, Node, NodeId};

/// The output of a block of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockOutput {
    /// Its node, channels, rows and columns.
    pub map: FeatureMap,
    /// Pixels of the input from one position to the next, down and to the right.
    pub stride: (usize, usize),
    /// The stage of the block, from 1. Blocks of one stride are a stage (C1, C2, … of feature pyramids,
    /// if the first has stride 2).
    pub stage: usize,
    /// Whether it is the output of the whole stage.
    pub ends_stage: bool,
}

impl Graph {
    /// The outputs of the network's blocks in order, up to the last feature map, for inputs
    /// `[N, C, H, W]` of this shape. All paths from the picture to the logits go through each of them.
    ///
    /// A block ends with a sum or concatenation of branches and the activation after it; before the next
    /// residual block; at a bottleneck, which has fewer channels than the layers before and after it;
    /// and with the last feature map. Of the two sums of a transformer block only the second counts; the
    /// path of their names shows that they belong together. A stage without any of these ends with its
    /// last layer.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn block_outputs(&self, input: &[usize]) -> Result<Vec<BlockOutput>, Error> {
        let geometry = crate::topology::geometry::Geometry::new(self, input)?;
        let cut_nodes = cut_nodes(&geometry);
        let Some(last) = last_of(&geometry, &cut_nodes) else {
            return Ok(Vec::new());
        };
        let fields = self.receptive_fields(input)?;
        let stride = |map: &FeatureMap| match fields[map.node.0].and_then(|field| field.local) {
            Some((rows, columns)) => (rows.stride as usize, columns.stride as usize),
            None => {
                let side = |axis: usize, places: usize| {
                    let pixels = input.get(axis).copied().unwrap_or(0);
                    (pixels + places / 2) / places.max(1)
                };
                (side(2, map.layout.rows), side(3, map.layout.columns))
            }
        };
        let cuts: Vec<Cut> = cut_nodes
            .iter()
            .take_while(|&&id| id <= last.node)
            .map(|&id| {
                let map = map_at(&geometry, id);
                let meets = meets(self.node(id), map.as_ref());
                Cut { id, meets, map }
            })
            .collect();
        let ends = self.ends(&cuts);
        let mut outputs: Vec<BlockOutput> = Vec::new();
        let mut from = 0;
        // Stages: nodes of one stride.
        while from < cuts.len() {
            let Some(first) = &cuts[from].map else {
                from += 1;
                continue;
            };
            let own = stride(first);
            let of_stage = |cut: &Cut| cut.map.as_ref().is_none_or(|map| stride(map) == own);
            let more = cuts[from..].iter().take_while(|cut| of_stage(cut)).count();
            let places = from..from + more;
            let mut found: Vec<&FeatureMap> = Vec::new();
            for place in places.clone().filter(|&place| ends[place]) {
                found.extend(&cuts[place].map);
            }
            if found.is_empty() {
                let others = cuts[places].iter().rev().filter_map(|cut| cut.map.as_ref());
                // An input that was only normalised is no stage.
                let made = |map: &&FeatureMap| own != (1, 1) || Some(&map.channels) != input.get(1);
                found.extend(others.filter(made).take(1));
            }
            let stage = outputs.last().map_or(1, |output| output.stage + 1);
            let count = found.len();
            for (index, map) in found.into_iter().enumerate() {
                outputs.push(BlockOutput {
                    map: *map,
                    stride: own,
                    stage,
                    ends_stage: index + 1 == count,
                });
            }
            from += more;
        }
        Ok(outputs)
    }

    /// For each cut node whether a block ends there.
    fn ends(&self, cuts: &[Cut]) -> Vec<bool> {
        let mut ends = vec![false; cuts.len()];
        let narrower = bottlenecks(cuts);
        let mut sum: Option<(usize, &str)> = None;
        for (index, cut) in cuts.iter().enumerate() {
            let next = cuts.get(index + 1);
            if matches!(cut.meets, Meets::Sum | Meets::Beside) {
                let end = index + followers(self, &cuts[index + 1..]);
                let path = path(&self.node(cut.id).name);
                if let Some((before, other)) = sum.filter(|_| cut.meets == Meets::Sum)
                    && other == path
                    && !path.is_empty()
                    && same_size(&cuts[before], cut)
                {
                    ends[before] = false;
                }
                sum = (cut.meets == Meets::Sum).then_some((end, path));
                ends[end] = true;
            } else if narrower[index] {
                ends[index] = true;
            }
            // A block ends before a residual block, except between the two sums of one block.
            let opens = next.is_some_and(|next| next.meets == Meets::Sum);
            if opens && index > 0 {
                ends[index] = true;
            }
        }
        // The last cut node is the last feature map.
        if let Some(end) = ends.last_mut() {
            *end = true;
        }
        ends
    }
}

/// A cut node.
struct Cut {
    id: NodeId,
    meets: Meets,
    map: Option<FeatureMap>,
}

/// How a node joins branches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meets {
    /// It has one input.
    Not,
    Sum,
    Beside,
    /// In another way, such as a gate.
    Otherwise,
}

fn meets(node: &Node, map: Option<&FeatureMap>) -> Meets {
    let several = node.inputs.iter().any(|input| *input != node.inputs[0]);
    let sum =
        node.op.class() == Class::Sum || node.op_as::<Conv2d>().is_some_and(|conv| conv.residual);
    // A class token before other tokens is no branch.
    let beside = node.op_as::<Concat>().zip(map);
    let beside = beside.is_some_and(|(concat, map)| concat.axis == map.layout.channel_axis());
    match () {
        () if !several => Meets::Not,
        () if sum => Meets::Sum,
        () if beside => Meets::Beside,
        () => Meets::Otherwise,
    }
}

/// How many of the cut nodes after a sum or concatenation belong to it.
fn followers(graph: &Graph, cuts: &[Cut]) -> usize {
    let belongs = |cut: &&Cut| {
        let node = graph.node(cut.id);
        let idle = node.op.class() == Class::Activation || node.op_as::<ChannelShuffle>().is_some();
        cut.meets == Meets::Not && idle
    };
    cuts.iter().take_while(belongs).count()
}

/// For each cut node whether it is the last of a bottleneck: fewer channels than the nodes before, and
/// than the single layer after it.
fn bottlenecks(cuts: &[Cut]) -> Vec<bool> {
    let channels = |cut: &Cut| cut.map.as_ref().map(|map| map.channels);
    let mut narrower = vec![false; cuts.len()];
    let mut before = None;
    for index in 1..cuts.len() {
        let (left, right) = (channels(&cuts[index - 1]), channels(&cuts[index]));
        if left == right {
            continue;
        }
        let widens = left < right && left.is_some();
        if widens && before > left && cuts[index].meets == Meets::Not {
            narrower[index - 1] = true;
        }
        before = left;
    }
    narrower
}

/// A name without its last part: the module that a layer belongs to.
fn path(name: &str) -> &str {
    let end = name.rfind(['.', '/']);
    end.map_or("", |end| &name[..end])
}

fn same_size(a: &Cut, b: &Cut) -> bool {
    let size = |cut: &Cut| {
        let map = cut.map.as_ref();
        map.map(|map| (map.channels, map.layout.rows, map.layout.columns))
    };
    size(a) == size(b)
}
