//! The logits of pictures that differ from a base picture in one rectangle each, computed without repeating
//! the unchanged parts.
//!
//! Every value of the base picture is kept. For each change the *exact* rectangle that can differ is carried
//! from node to node, clipped at the borders of the maps. At a node, one patch per change is computed; all
//! patches of a group have the size of its largest rectangle, shifted to fit in the map. Around the exact
//! rectangle a patch is computed from the base values, so a patch may always be larger than the part that can
//! differ, and any changes can be computed together.

mod assemble;
mod groups;
mod joint;
mod plan;
mod rectangle;
mod series;

use std::ops::Range;

use self::assemble::{Piece, Source};
use self::plan::{Layout, Needed, Outside, Patches, Plan};
pub use self::rectangle::Rectangle;
use crate::graph::shape_of;
use crate::ops::{ForwardCall, Mode};
use crate::runtime::buffer::Buffer;
use crate::runtime::threads::in_thread_pool;
use crate::{Activations, Error, Graph, Keep, NodeId, Tensor};

/// A picture that differs from another in one rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where it may differ; inside the picture.
    pub rectangle: Rectangle,
    /// The values there, rows × columns × channels, channels last.
    pub values: Vec<f32>,
}

impl Change {
    /// The difference of `changed` from `picture`, both as stored (`H, W, C`) with `width` pixels of
    /// `channels` values in a row: the smallest rectangle around all pixels that differ. `None` if all are
    /// equal.
    ///
    /// # Panics
    /// If the pictures differ in size.
    pub fn between(
        picture: &[f32],
        changed: &[f32],
        width: usize,
        channels: usize,
    ) -> Option<Self> {
        assert_eq!(picture.len(), changed.len(), "pictures of one size");
        let row = width * channels;
        let differs = |y: &usize| picture[y * row..][..row] != changed[y * row..][..row];
        let height = picture.len() / row;
        let first = (0..height).find(differs)?;
        let last = (first..height).rev().find(differs)?;
        let (mut left, mut right) = (width, 0);
        for y in first..=last {
            let pixels = |values: &[f32], x: usize| -> Range<usize> {
                debug_assert!(x < width && values.len() > y * row);
                (y * width + x) * channels..(y * width + x + 1) * channels
            };
            let differs = |x: &usize| picture[pixels(picture, *x)] != changed[pixels(changed, *x)];
            if let Some(x) = (0..left).find(differs) {
                left = x;
            }
            if let Some(x) = (right..width).rev().find(differs) {
                right = x + 1;
            }
        }
        let values = (first..=last)
            .flat_map(|y| &changed[(y * width + left) * channels..(y * width + right) * channels])
            .copied()
            .collect();
        Some(Self {
            rectangle: Rectangle {
                rows: first..last + 1,
                columns: left..right,
            },
            values,
        })
    }
}

/// A graph with all its values for one picture, from which changes of the picture are computed.
pub struct Incremental<'g> {
    graph: &'g Graph,
    base: Activations,
    layout: Layout,
    last_use: Vec<usize>,
}

impl<'g> Incremental<'g> {
    /// Computes the graph once for `picture`, `[1, C, H, W]`, and keeps every value.
    ///
    /// # Errors
    /// [`Error::Node`] at the first node whose inputs do not fit.
    pub fn new(graph: &'g Graph, picture: &Tensor) -> Result<Self, Error> {
        let base = graph.forward(picture, Mode::Inference, Keep::All)?;
        Self::on(graph, base, picture.shape())
    }

    /// The same from activations that hold every value, for a picture of this shape, `[1, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn on(graph: &'g Graph, base: Activations, picture: &[usize]) -> Result<Self, Error> {
        let layout = Layout::new(graph, picture)?;
        Ok(Self {
            graph,
            base,
            layout,
            last_use: graph.last_use(Keep::Output),
        })
    }

    /// The number of values that [`Incremental::new`] keeps for a picture of this shape, `[1, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn base_values(graph: &Graph, picture: &[usize]) -> Result<usize, Error> {
        let shapes = graph.shapes(picture)?;
        Ok(shapes.iter().map(|s| s.iter().product::<usize>()).sum())
    }

    /// Splits changes of these rectangles into groups to be computed together, whose rectangles have nearly
    /// the same size at every node. Returns their positions in `rectangles`.
    pub fn groups(&self, rectangles: &[Rectangle]) -> Vec<Vec<usize>> {
        groups::groups(self.graph, &self.layout, rectangles)
    }

    /// Multiply-adds that [`Incremental::logits`] makes for changes of these rectangles, one group.
    pub fn multiply_adds(&self, rectangles: &[Rectangle]) -> u64 {
        let plan = Plan::new(self.graph, &self.layout, rectangles);
        plan.multiply_adds(&self.layout) * rectangles.len() as u64
    }

    /// The logits `[N, K]` of the picture with each change of these groups (see [`Incremental::groups`]), in
    /// order. Of a group, as many changes are computed at a time as fit in `values` f32 values, but at least
    /// one; the number does not affect the patches. Through the last layers, which read more parameters than
    /// values, all groups are one batch.
    ///
    /// # Errors
    /// [`Error::Node`] at a node whose inputs do not fit.
    ///
    /// # Panics
    /// If a change is not inside the picture, or the number of its values does not fit its rectangle.
    pub fn logits(&self, groups: &[&[Change]], values: usize) -> Result<Tensor, Error> {
        let planned = groups.iter().map(|changes| self.planned(changes, values));
        let planned: Vec<(Plan, usize)> = planned.collect();
        let plans: Vec<(&Plan, usize)> = planned
            .iter()
            .zip(groups)
            .map(|((plan, _), changes)| (plan, changes.len()))
            .collect();
        let joint = joint::joint(self.graph, &self.layout, &self.last_use, &plans);
        let shape = |of: NodeId, count: usize| {
            let mut shape = self.layout.nodes[of.0].shape.clone();
            shape[0] = count;
            shape
        };
        let count = groups.iter().map(|changes| changes.len()).sum();
        let mut found = Buffer::unspecified(shape(joint, count).iter().product());
        let mut at = 0;
        for (changes, (plan, at_once)) in groups.iter().zip(&planned) {
            for first in (0..changes.len()).step_by(*at_once) {
                let batch = first..(first + at_once).min(changes.len());
                let walked = in_thread_pool(|| self.walk(plan, changes, batch, joint))?;
                found[at..][..walked.len()].copy_from_slice(walked.data());
                at += walked.len();
            }
        }
        let found = Tensor::from_buffer(&shape(joint, count), found);
        let output = self.graph.output();
        if joint == output {
            return Ok(found);
        }
        let each = joint::peak_values(self.graph, &self.layout, &self.last_use, joint);
        let at_once = (values / each.max(1)).clamp(1, count);
        let own = found.len() / count;
        let mut logits = Vec::new();
        for part in found.data().chunks(at_once * own) {
            let part = Tensor::from_stored(&shape(joint, part.len() / own), part.to_vec());
            let walk = crate::Walk::Incremental;
            let part = self.graph.logits_behind(joint, &part, &self.base, walk)?;
            logits.extend_from_slice(part.data());
        }
        Ok(Tensor::from_stored(&shape(output, count), logits))
    }

    /// The plan for these changes, and how many of them fit in memory at once.
    fn planned(&self, changes: &[Change], values: usize) -> (Plan, usize) {
        let input = &self.layout.nodes[self.graph.input().0];
        let (height, width) = input.extent();
        for change in changes {
            let (rows, columns) = change.rectangle.size();
            assert!(
                change.rectangle.rows.end <= height && change.rectangle.columns.end <= width,
                "{:?} is not inside a picture of {height}×{width}",
                change.rectangle
            );
            assert_eq!(change.values.len(), rows * columns * input.channels());
        }
        let rectangles: Vec<Rectangle> = changes.iter().map(|c| c.rectangle.clone()).collect();
        let plan = Plan::new(self.graph, &self.layout, &rectangles);
        let each = plan.peak_values(self.graph, &self.layout, &self.last_use);
        let at_once = if self.layout.in_batches {
            (values / each.max(1)).clamp(1, changes.len().max(1))
        } else {
            1
        };
        (plan, at_once)
    }

    /// The values of the node `until` for each change of a batch.
    fn walk(
        &self,
        plan: &Plan,
        changes: &[Change],
        batch: Range<usize>,
        until: NodeId,
    ) -> Result<Tensor, Error> {
        let walk = Walk {
            of: self,
            plan,
            changes,
            batch,
            is_series: false,
        };
        let mut patches: Vec<Option<Tensor>> = vec![None; plan.nodes.len()];
        for id in 0..=until.0 {
            patches[id] = walk.timed(id, &patches)?;
            let done = self.graph.done_after(id, &self.last_use);
            for done in done.filter(|&done| done != until.0) {
                patches[done] = None;
            }
        }
        Ok(walk.whole(until, &patches))
    }
}

/// The computation of one batch.
struct Walk<'a> {
    of: &'a Incremental<'a>,
    plan: &'a Plan,
    changes: &'a [Change],
    /// The positions of the batch in `changes`.
    batch: Range<usize>,
    /// Whether each is made on top of those before it.
    is_series: bool,
}

impl Walk<'_> {
    /// The patches of one node; `None` if nothing in it differs, or for the input. The time includes
    /// assembling the inputs from other nodes.
    fn timed(&self, id: usize, computed: &[Option<Tensor>]) -> Result<Option<Tensor>, Error> {
        let node = self.of.graph.node(NodeId(id));
        let (false, Some(changed)) = (node.inputs.is_empty(), &self.plan.nodes[id]) else {
            return Ok(None);
        };
        let place = &self.of.layout.nodes[id];
        let shape = place.patches(self.batch.len(), changed.size);
        let products = place.multiply_adds_per_value;
        let lap = (crate::Walk::Incremental, NodeId(id));
        let work = || self.node(id, computed);
        Ok(Some(self.of.graph.timed(lap, &shape, products, work)?))
    }

    /// The whole value of a node for each change, `[B, …]`, once this node and all before it are computed.
    fn whole(&self, of: NodeId, computed: &[Option<Tensor>]) -> Tensor {
        let place = &self.of.layout.nodes[of.0];
        let whole = Needed {
            size: place.extent(),
            origins: vec![(0, 0); self.changes.len()],
            outside: Outside::NOTHING,
        };
        self.read(of, &whole, computed)
    }

    /// The patches of one node, `[B, C, h, w]`.
    fn node(&self, id: usize, computed: &[Option<Tensor>]) -> Result<Tensor, Error> {
        let graph = self.of.graph;
        let places = &self.of.layout.nodes;
        let (node, place) = (graph.node(NodeId(id)), &places[id]);
        let patches = self.plan.nodes[id].as_ref().expect("something changes");
        let inputs: Vec<Tensor> = node
            .inputs
            .iter()
            .enumerate()
            .map(|(input, &from)| {
                let needed = patches.needed(place, input, places[from.0].extent());
                self.read(from, &needed, computed)
            })
            .collect();
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let parameters = graph.parameters_of(node);
        let input_shapes: Vec<&[usize]> = inputs.iter().map(|i| i.shape()).collect();
        let parameter_shapes: Vec<&[usize]> = parameters.iter().map(|p| p.shape()).collect();
        let op = patches.op(node, place);
        let output_shape = shape_of(op, &node.name, &input_shapes, &parameter_shapes)?;
        debug_assert_eq!(output_shape, place.patches(self.batch.len(), patches.size));
        let result = op.forward(&ForwardCall {
            inputs: &inputs,
            parameters: &parameters,
            prepared: graph.prepared(NodeId(id)),
            output_shape: &output_shape,
            mode: Mode::Inference,
            arithmetic: graph.arithmetic(),
            random_stream: id,
        });
        Ok(result.value)
    }

    /// The needed part of a node's value.
    fn read(&self, from: NodeId, needed: &Needed, computed: &[Option<Tensor>]) -> Tensor {
        let place = &self.of.layout.nodes[from.0];
        let patches = self.plan.nodes[from.0].as_ref();
        if let (Some(patches), Some(tensor)) = (patches, &computed[from.0])
            && is_needed(patches, needed)
        {
            return tensor.clone();
        }
        let source = Source {
            base: self.of.base.get(from).expect("all are kept").data(),
            extent: place.extent(),
            channels: place.channels(),
            pieces: patches.map_or(Vec::new(), |p| self.pieces(p, computed[from.0].as_ref())),
            is_series: self.is_series,
        };
        let assembled = source.assembled(needed, self.batch.clone());
        Tensor::from_buffer(&place.patches(self.batch.len(), needed.size), assembled)
    }

    /// The changed parts of a node's value; of the input if `tensor` is `None`.
    fn pieces<'p>(&'p self, patches: &'p Patches, tensor: Option<&'p Tensor>) -> Vec<Piece<'p>> {
        let piece = |(at, change): (usize, usize)| match tensor {
            Some(tensor) => {
                let len = tensor.len() / self.batch.len();
                Piece {
                    patch: &tensor.data()[at * len..(at + 1) * len],
                    origin: patches.origins[change],
                    width: patches.size.1,
                    exact: &patches.exact[change],
                }
            }
            None => {
                let Change { rectangle, values } = &self.changes[change];
                Piece {
                    patch: values,
                    origin: (rectangle.rows.start, rectangle.columns.start),
                    width: rectangle.columns.len(),
                    exact: rectangle,
                }
            }
        };
        self.batch.clone().enumerate().map(piece).collect()
    }
}

/// Whether the patches are exactly the needed part.
fn is_needed(patches: &Patches, needed: &Needed) -> bool {
    let at = |&(y, x): &(usize, usize)| (y as isize, x as isize);
    patches.size == needed.size
        && patches
            .origins
            .iter()
            .map(at)
            .eq(needed.origins.iter().copied())
}
