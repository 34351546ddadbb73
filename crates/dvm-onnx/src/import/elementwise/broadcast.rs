//! Two views broadcast to one shape.

use crate::import::builder::GraphBuilder;
use crate::import::value::sym_int::shown;
use crate::import::{Result, View, unsupported};

/// An axis of a node's value: which axis of the file's value it belongs to, and which part of that axis it is.
pub(crate) type Slot = (usize, usize);

/// A part of an axis of the file's value: whether it is the batch, and its length if not.
pub(super) type Part = (bool, usize);

/// Two views whose axes consist of the same parts.
pub(crate) struct Broadcast {
    /// The views, of the same rank.
    pub views: [View; 2],
    /// The parts of each axis. An axis of length 1 has none in one of the views.
    pub parts: Vec<Vec<Part>>,
}

impl GraphBuilder {
    pub(super) fn parts(&self, view: &View) -> Vec<Vec<Part>> {
        let shape = &self.nodes[view.node].shape;
        let part = |&axis: &usize| (axis == 0, if axis == 0 { 1 } else { shape[axis] });
        let parts = |group: &Vec<usize>| group.iter().map(part).collect();
        view.axes.iter().map(parts).collect()
    }

    /// Broadcasts the stacks of two matrix products; the views have only the axes before those of the matrices.
    ///
    /// # Errors
    /// If they cannot be broadcast.
    pub fn broadcast_stacks(&self, a: &View, b: &View) -> Result<Broadcast> {
        let rank = a.rank().max(b.rank());
        let views = [a, b].map(|view| with_rank(view, rank));
        let parts = self.common_parts(&views).ok_or_else(|| {
            let [a, b] = [a, b].map(|view| shown(&self.sides(view)));
            unsupported(format!(
                "multiplies stacks of matrices of shapes {a} and {b}"
            ))
        })?;
        Ok(Broadcast { views, parts })
    }

    /// The parts of every axis of two views, if both have the same or one has none.
    fn common_parts(&self, views: &[View; 2]) -> Option<Vec<Vec<Part>>> {
        let (first, second) = (self.parts(&views[0]), self.parts(&views[1]));
        let common = first.iter().zip(&second).map(|(first, second)| {
            let same = first == second || second.is_empty();
            match (same, first.is_empty()) {
                (true, _) => Some(first.clone()),
                (false, true) => Some(second.clone()),
                (false, false) => None,
            }
        });
        common.collect()
    }

    /// Broadcasts two views: every axis has the same parts in both, or none in one of them.
    ///
    /// # Errors
    /// If they cannot be broadcast.
    pub fn broadcast(&mut self, a: &View, b: &View, name: &str) -> Result<Broadcast> {
        let rank = a.rank().max(b.rank());
        let mut views = [with_rank(a, rank), with_rank(b, rank)];
        for attempt in 0..2 {
            if let Some(parts) = self.common_parts(&views) {
                return Ok(Broadcast { views, parts });
            }
            if attempt == 0 {
                let is_map = |view: &View| view.axes == [[0], [2], [3], [1]];
                let beside_map = views.iter().any(is_map);
                for view in &mut views {
                    let is_whole = view.axes.iter().all(|group| group.len() < 2);
                    let has_all = view.axes[0] == [0] && view.axes.iter().all(|g| !g.is_empty());
                    if beside_map && !is_whole && has_all {
                        *view = self.as_feature_map(view, name)?;
                    } else if !(beside_map && is_whole) {
                        *view = self.canonical(view, name)?;
                    }
                }
            }
        }
        let [a, b] = [a, b].map(|view| shown(&self.sides(view)));
        Err(unsupported(format!(
            "combines values of shapes {a} and {b}, which cannot be broadcast for every batch size"
        )))
    }

    /// The node's axes of a view in this order, with length 1 for those it does not have.
    pub fn with_slots(&mut self, view: &View, slots: &[Slot], name: &str) -> Result<usize> {
        let axes = slots
            .iter()
            .map(|&(axis, part)| view.axes[axis].get(part).copied());
        let axes: Vec<Option<usize>> = axes.collect();
        if axes.first() != Some(&Some(0)) {
            return Err(unsupported(
                "combines a value that has a batch with one that has none",
            ));
        }
        let merged = vec![1; axes.len()];
        self.rearrange(view.node, axes, merged, name)
    }

    /// The node's axes of a view in the node's order.
    pub fn slots_of(&self, view: &View) -> Vec<Slot> {
        let rank = self.nodes[view.node].shape.len();
        let slot = |wanted: usize| {
            let mut groups = view.axes.iter().enumerate();
            groups.find_map(|(axis, group)| {
                let part = group.iter().position(|&own| own == wanted)?;
                Some((axis, part))
            })
        };
        // An axis of length 1 that no axis of the file's value consists of is a part that does not exist.
        (0..rank)
            .map(|axis| slot(axis).unwrap_or((0, usize::MAX)))
            .collect()
    }
}

/// A view with axes of length 1 in front, up to this rank.
pub(super) fn with_rank(view: &View, rank: usize) -> View {
    let missing = vec![Vec::new(); rank - view.rank()];
    View::new(view.node, missing.into_iter().chain(view.axes.clone()))
}

/// The node's axes in the order of the file's, batch first.
pub(crate) fn in_order(parts: &[Vec<Part>]) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (axis, parts) in parts.iter().enumerate() {
        for (part, &(is_batch, _)) in parts.iter().enumerate() {
            match is_batch {
                true => slots.insert(0, (axis, part)),
                false => slots.push((axis, part)),
            }
        }
        if parts.is_empty() {
            slots.push((axis, 0));
        }
    }
    slots
}

/// The view of a node whose axes are these slots of a value of this rank.
pub(crate) fn view_of(rank: usize, slots: &[Slot], node: usize) -> View {
    let mut axes: Vec<Vec<(usize, usize)>> = vec![Vec::new(); rank];
    for (position, &(axis, part)) in slots.iter().enumerate() {
        axes[axis].push((part, position));
    }
    let sorted = axes.into_iter().map(|mut group| {
        group.sort_unstable();
        group.into_iter().map(|(_, position)| position).collect()
    });
    View::new(node, sorted)
}
